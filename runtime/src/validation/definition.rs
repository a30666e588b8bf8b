//! The whole definition of one connector: the common options, its own, and those of everything that it names.
//!
//! Read by validation and by what hides secrets, so that both know the same passwords. Invariant: building it runs no
//! plugin code but the functions that give its declared options.

use api::{Plugin, PluginKind, Registry};
use configs::{ConfigDef, ConfigKey, ConfigType, Importance, Props, Width, default, optional, required};

use crate::config::{
    ConnectorConfig, ConsumerOptions, ProducerOptions, SecurityOptions, SinkConfig, SourceConfig,
    SupervisionConfig, topic_creation_definition,
};

/// The kinds of connectors.
pub(crate) const CONNECTORS: [&str; 2] = ["source", "sink"];

/// The options that name converters, and the kind of each.
pub(crate) const CONVERTERS: [(&str, &str); 3] = [
    ("key.converter", "converter"),
    ("value.converter", "converter"),
    ("header.converter", "header_converter"),
];

/// A plugin that the connector names, and where: `transforms.t.`, `key.converter.`.
#[derive(Debug, Clone)]
pub(crate) struct NamedPlugin {
    /// The option that names it: `transforms.t.type`, `key.converter`.
    pub option: String,
    /// The prefix of its own options.
    pub prefix: String,
    /// What kind it must be (Connect's word).
    pub kind: &'static str,
    /// The class as it was said; empty if it was not.
    pub class: String,
}

/// The options of one connector, joined.
#[derive(Debug, Clone)]
pub struct ConnectorDefinition {
    /// The connector.
    pub plugin: &'static Plugin,
    /// All options.
    pub options: ConfigDef,
    pub(crate) named: Vec<NamedPlugin>,
}

impl ConnectorDefinition {
    /// The definition of the connector that `props` names.
    ///
    /// # Errors
    /// `BadConfig` with the known classes, when the worker does not know it.
    pub fn of(registry: &Registry, props: &Props) -> api::Result<Self> {
        let class = props.get("connector.class").map_or("", |class| class.trim());
        let plugin = find_connector(registry, class)?;
        let named = named_plugins(props);
        let joined = |options: ConfigDef, stages: &mut dyn Iterator<Item = &NamedPlugin>| {
            stages.fold(options, |options, stage| options.merge(&stage.definition(registry)))
        };
        let options = joined(base(plugin), &mut named.iter().filter(|stage| stage.alias().is_some()));
        let options = options.merge((plugin.config)()).merge(&overrides(props));
        let mut options = joined(options, &mut named.iter().filter(|stage| stage.alias().is_none()));
        if matches!(plugin.kind, PluginKind::Source(_)) {
            options = topic_creation_definition(props).iter().fold(options, ConfigDef::merge);
        }
        Ok(Self { plugin, options, named })
    }
}

/// The connector of that name. An alias may stand for a source and a sink (`file`): then the name does not say enough.
fn find_connector(registry: &Registry, class: &str) -> api::Result<&'static Plugin> {
    let plugin = registry.find(&CONNECTORS, class)?;
    let other = registry.find(&["sink"], class).ok().filter(|other| !std::ptr::eq(*other, plugin));
    other.map_or(Ok(plugin), |other| {
        let (one, other) = (plugin.simple_name(), other.simple_name());
        Err(api::Error::bad_config(format!(
            "connector.class {class} stands for both {one} and {other}: say which"
        )))
    })
}

/// The options of every source or every sink.
pub(crate) fn base(plugin: &Plugin) -> ConfigDef {
    let common = ConnectorConfig::definition().clone().merge(SupervisionConfig::definition());
    match plugin.kind {
        PluginKind::Source(_) => common.merge(SourceConfig::definition()),
        PluginKind::Sink(_) => common.merge(SinkConfig::definition()),
        _ => ConfigDef::default(),
    }
}

impl NamedPlugin {
    /// The options under its prefix. For a transform or predicate they begin with `type`; a class that is not known adds none, and
    /// whatever is said for it is not judged.
    fn definition(&self, registry: &Registry) -> ConfigDef {
        let known = registry.find(&[self.kind], &self.class);
        let own = known.as_ref().map_or_else(|_| ConfigDef::default(), |plugin| (plugin.config)().clone());
        let Some(alias) = self.alias() else { return own.prefixed(&self.prefix) };
        let (heading, kind) = match self.kind {
            "predicate" => ("Predicates", "Predicate"),
            _ => ("Transforms", "Transformation"),
        };
        let heading = format!("{heading}: {alias}");
        let mut first = type_key(alias, kind);
        first.group = Some(heading.clone().into());
        let first = ConfigDef::new(vec![first]).prefixed(&self.prefix);
        let mut rest = vec![version_key(alias, kind)];
        if known.is_ok() && self.kind == "transformation" {
            rest.extend(implicit());
        }
        let rest = ConfigDef::new(rest).merge(&own).prefixed(&self.prefix).grouped(&heading);
        let joined = first.merge(&rest);
        if known.is_ok() { joined } else { joined.open(self.prefix.clone()) }
    }

    fn alias(&self) -> Option<&str> {
        self.prefix
            .strip_prefix("transforms.")
            .or_else(|| self.prefix.strip_prefix("predicates."))?
            .strip_suffix('.')
    }
}

/// The option that names the class of a transformation or predicate.
fn type_key(alias: &str, kind: &str) -> ConfigKey {
    let mut key =
        required("type").kind(ConfigType::Class).importance(Importance::High).width(Width::Long).order(0);
    key.display_name = format!("{kind} type for {alias}").into();
    key.documentation(&format!("Class for the '{alias}' {}.", kind.to_lowercase()))
}

/// Its version: every plugin is built in, in one.
fn version_key(alias: &str, kind: &str) -> ConfigKey {
    let mut key = optional("plugin.version").importance(Importance::High).width(Width::Long);
    key.display_name = format!("{kind} version for {alias}").into();
    key.documentation(&format!("Version of the '{alias}' {}.", kind.to_lowercase()))
}

/// What every transformation understands, whatever it is.
fn implicit() -> [ConfigKey; 2] {
    [
        default("predicate", "").importance(Importance::Medium).documentation(
            "The alias of a predicate used to determine whether to apply this transformation.",
        ),
        default("negate", false)
            .kind(ConfigType::Boolean)
            .importance(Importance::Medium)
            .documentation("Whether the configured predicate should be negated."),
    ]
}

/// The transforms, predicates and converters that a connector names, each alias once.
fn named_plugins(props: &Props) -> Vec<NamedPlugin> {
    let mut named = Vec::new();
    for (list, kind) in [("transforms", "transformation"), ("predicates", "predicate")] {
        for alias in aliases(props, list) {
            let prefix = format!("{list}.{alias}.");
            let option = format!("{prefix}type");
            let class = props.get(&option).map_or("", |class| class.trim()).to_owned();
            named.push(NamedPlugin { option, prefix, kind, class });
        }
    }
    for (option, kind) in CONVERTERS {
        if let Some(class) = props.get(option) {
            let class = class.trim().to_owned();
            named.push(NamedPlugin { option: option.to_owned(), prefix: format!("{option}."), kind, class });
        }
    }
    named
}

fn aliases(props: &Props, list: &str) -> Vec<String> {
    let mut aliases: Vec<String> = Vec::new();
    for alias in props.get(list).map_or("", String::as_str).split(',').map(str::trim) {
        if !alias.is_empty() && !aliases.iter().any(|known| known == alias) {
            aliases.push(alias.to_owned());
        }
    }
    aliases
}

/// The client overrides that are said; the others would only fill the answer.
fn overrides(props: &Props) -> ConfigDef {
    let of = |definition: &ConfigDef, prefix: &str| {
        let prefixed = definition.prefixed(prefix);
        let said = prefixed.keys().iter().filter(|key| props.contains_key(&*key.name)).cloned().collect();
        ConfigDef::new(said)
    };
    let security = SecurityOptions::definition();
    of(ProducerOptions::definition(), "producer.override.")
        .merge(&of(ConsumerOptions::definition(), "consumer.override."))
        .merge(&of(security, "producer.override."))
        .merge(&of(security, "consumer.override."))
        .merge(&of(security, "admin.override."))
}
