//! Joins definition, plugins and policy into one answer: the order of the checks, and nothing else.
//!
//! Called by REST and, as [`ConfigChecker`], by the herder. Invariant: the connector's own check of the world (can the server be
//! reached) runs last, and only when everything declared is right.

use std::sync::Arc;

use api::{PluginKind, Registry};
use async_trait::async_trait;
use configs::provider::{Providers, Resolved, Secrets};
use configs::{ConfigErrors, HIDDEN, Props, unknown_keys};

use super::answer::{ConfigInfos, SaidConfig};
use super::call::{CallError, PluginCalls};
use super::definition::ConnectorDefinition;
use super::{exactly_once, mask, plugins};
use crate::config::{ExactlyOnce, OverridePolicy, SinkConfig, WorkerConfig};
use crate::herder::{ConfigChecker, HerderError, HerderErrorKind, HerderResult};

/// Options of sources that only work where sources write in transactions.
const TRANSACTION_OPTIONS: [&str; 2] = ["transaction.boundary", "transaction.boundary.interval.ms"];

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValidationError {
    /// The request is at fault: no class, or one that the worker does not know.
    #[error("{0}")]
    BadRequest(String),
    /// The plugin did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<ValidationError> for HerderError {
    fn from(error: ValidationError) -> Self {
        let kind = match &error {
            ValidationError::BadRequest(_) => HerderErrorKind::BadRequest,
            ValidationError::Call(CallError::Timeout { .. }) => HerderErrorKind::Timeout,
            ValidationError::Call(_) => HerderErrorKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

/// Checks configurations. Clones share the slots for plugin calls.
#[derive(Debug, Clone)]
pub struct Validator {
    rules: Arc<Rules>,
    calls: PluginCalls,
}

/// What validation depends on, beside the configuration.
#[derive(Debug)]
struct Rules {
    registry: Registry,
    group_id: String,
    policy: OverridePolicy,
    exactly_once: ExactlyOnce,
    providers: Providers,
}

impl Validator {
    /// A validator for a worker.
    ///
    /// # Errors
    /// What is wrong with the worker's config providers.
    pub fn new(registry: Registry, worker: &WorkerConfig, calls: PluginCalls) -> Result<Self, ConfigErrors> {
        let rules = Rules {
            registry,
            group_id: worker.storage.group_id.clone(),
            policy: worker.override_policy.clone(),
            exactly_once: worker.exactly_once.clone(),
            providers: Providers::from_worker(&worker.props)?,
        };
        Ok(Self { rules: Arc::new(rules), calls })
    }

    /// Everything that is wrong with a configuration.
    ///
    /// # Errors
    /// See [`ValidationError`].
    pub async fn validate(&self, said: SaidConfig) -> Result<ConfigInfos, ValidationError> {
        let name = said.get("name").cloned().flatten().unwrap_or_default();
        let rules = Arc::clone(&self.rules);
        let what = format!("Validating the configuration of connector {name}");
        self.calls.run(&what, async move { rules.validate(&said).await }).await?
    }

    /// Everything that is wrong with a configuration by itself: the connector is not asked about the world. Makes the plugins that
    /// are named, on this thread.
    ///
    /// # Errors
    /// See [`ValidationError`].
    pub fn validate_declared(&self, said: &SaidConfig) -> Result<ConfigInfos, ValidationError> {
        self.rules.declared(said).map(Declared::shown)
    }

    /// The plugins that it knows.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.rules.registry
    }
}

#[async_trait]
impl ConfigChecker for Validator {
    async fn check(&self, config: &Props) -> HerderResult<()> {
        let said = config.iter().map(|(name, text)| (name.clone(), Some(text.clone()))).collect();
        let infos = self.validate(said).await?;
        for warning in &infos.warnings {
            tracing::warn!(connector = config.get("name").map(String::as_str), "{warning}");
        }
        if infos.error_count() == 0 { Ok(()) } else { Err(HerderError::bad_request(infos.refusal())) }
    }

    fn resolve(&self, config: &Props) -> api::Result<Props> {
        let resolved = self.rules.providers.resolve(config);
        resolved.map(|resolved| resolved.props).map_err(|errors| api::Error::bad_config(errors.to_string()))
    }
}

impl Rules {
    async fn validate(&self, said: &SaidConfig) -> Result<ConfigInfos, ValidationError> {
        let mut declared = self.declared(said)?;
        if declared.infos.error_count() == 0 {
            let asked = ask(&declared.definition, &declared.props).await;
            declared.infos.add_all(&asked);
        }
        Ok(declared.shown())
    }

    fn declared(&self, said: &SaidConfig) -> Result<Declared, ValidationError> {
        let raw: Props = said.iter().filter_map(|(name, text)| Some((name.clone(), text.clone()?))).collect();
        let Some(class) = raw.get("connector.class") else {
            return Err(ValidationError::BadRequest(no_class(&raw)));
        };
        let (resolved, unresolved) = match self.providers.resolve(&raw) {
            Ok(resolved) => (resolved, ConfigErrors::new()),
            Err(errors) => (as_said(&raw), errors),
        };
        let Resolved { props, secrets, warnings: left } = resolved;
        let definition = ConnectorDefinition::of(&self.registry, &props)
            .map_err(|error| ValidationError::BadRequest(error.to_string()))?;
        let mut infos = ConfigInfos::of(class, &definition.options, &props);
        infos.add_all(&unresolved);
        plugins::check(&self.registry, &definition.named, &props, &mut infos);
        self.check_rules(&definition, said, &props, &mut infos);
        infos.warnings = warnings(&definition, &raw, self.exactly_once.is_enabled());
        infos.warnings.extend(left);
        Ok(Declared { infos, definition, raw, props, secrets })
    }

    /// What no single option can say.
    fn check_rules(
        &self,
        definition: &ConnectorDefinition,
        said: &SaidConfig,
        props: &Props,
        infos: &mut ConfigInfos,
    ) {
        for (name, _) in said.iter().filter(|(_, text)| text.is_none()) {
            infos.add(name, "Null value can not be supplied as the configuration value.");
        }
        match definition.plugin.kind {
            PluginKind::Sink(_) => {
                infos.add_all(&SinkConfig::conflicts(props));
                self.check_group(props, infos);
            }
            PluginKind::Source(make) => {
                let is_enabled = self.exactly_once.is_enabled();
                for (name, reason) in exactly_once::refusals(is_enabled, &*make(), props) {
                    infos.add(name, reason);
                }
            }
            _ => {}
        }
        for (name, reason) in self.policy.refusals(props) {
            infos.add(&name, reason);
        }
    }

    /// A sink's consumer group may not be the group of the workers.
    fn check_group(&self, props: &Props, infos: &mut ConfigInfos) {
        const OVERRIDE: &str = "consumer.override.group.id";
        let worker = &self.group_id;
        if let Some(group) = props.get(OVERRIDE) {
            if group == worker {
                infos.add(
                    OVERRIDE,
                    format!("Consumer group {group} conflicts with Connect worker group {worker}"),
                );
            }
            return;
        }
        let name = props.get("name").map_or("", String::as_str);
        if format!("connect-{name}") == *worker {
            infos.add(
                "name",
                format!("Consumer group for sink connector named {name} conflicts with Connect worker group {worker}"),
            );
        }
    }
}

/// Names the settings, not their values: one of them may be a secret.
fn no_class(props: &Props) -> String {
    let names: Vec<&str> = props.keys().map(String::as_str).collect();
    format!("Connector config {{{}}} contains no connector type: set connector.class", names.join(", "))
}

/// Asks the connector itself.
async fn ask(definition: &ConnectorDefinition, props: &Props) -> ConfigErrors {
    let outcome = match definition.plugin.kind {
        PluginKind::Source(make) => make().validate(props).await,
        PluginKind::Sink(make) => make().validate(props).await,
        _ => Ok(()),
    };
    outcome.err().unwrap_or_default()
}

/// Names that nothing knows, and settings that are accepted without effect.
fn warnings(definition: &ConnectorDefinition, props: &Props, exactly_once: bool) -> Vec<String> {
    let unknown = unknown_keys(&definition.options, props);
    let mut warnings: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    let versions =
        props.iter().filter(|(name, text)| name.ends_with("plugin.version") && text.trim() != "latest");
    warnings.extend(versions.map(|(name, text)| {
        format!("{name}={text} has no effect: every plugin is built in, in one version (see GET /connector-plugins)")
    }));
    if matches!(definition.plugin.kind, PluginKind::Source(_)) && !exactly_once {
        let said = TRANSACTION_OPTIONS.iter().filter(|name| props.contains_key(**name));
        warnings.extend(
            said.map(|name| format!("{name} has no effect: sources do not write in transactions here (exactly.once.source.support)")),
        );
    }
    warnings
}

/// An answer under way: it still holds secrets.
struct Declared {
    infos: ConfigInfos,
    definition: ConnectorDefinition,
    raw: Props,
    props: Props,
    secrets: Secrets,
}

impl Declared {
    /// The answer as it may be shown: references as they were said, errors without what the providers gave, and no value of an
    /// undeclared option whose name tells a secret.
    fn shown(self) -> ConfigInfos {
        let Self { mut infos, definition, raw, secrets, .. } = self;
        for info in &mut infos.configs {
            let value = &mut info.value;
            if secrets.is_resolved(&value.name) {
                value.value = raw.get(&value.name).cloned();
            }
            value.errors = value.errors.iter().map(|error| secrets.mask(error)).collect();
            let undeclared = info.definition.is_none() && mask::is_secret(&definition.options, &value.name);
            if undeclared && value.value.is_some() {
                value.value = Some(HIDDEN.to_owned());
            }
        }
        infos
    }
}

/// Settings whose references could not be resolved are judged as they stand.
fn as_said(raw: &Props) -> Resolved {
    Resolved { props: raw.clone(), secrets: Secrets::default(), warnings: Vec::new() }
}
