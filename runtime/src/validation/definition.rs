//! The whole definition of one connector: the common options, its own, and those of everything that it names.
//!
//! Read by validation and by what hides secrets, so that both know the same passwords. Invariant: building it runs no
//! plugin code but the functions that give its declared options.

use api::{Plugin, PluginKind, Registry};
use configs::{ConfigDef, ConfigKey, Props, default, optional, required};

use crate::config::{
    ConnectorConfig, ConsumerOptions, ProducerOptions, SinkConfig, SourceConfig, topic_creation_definition,
};

/// The kinds of connectors.
pub(crate) const CONNECTORS: [&str; 2] = ["source", "sink"];

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
        let mut options = base(plugin).clone();
        let named = named_plugins(props);
        for stage in &named {
            options = options.merge(&stage.definition(registry));
        }
        options = options.merge((plugin.config)()).merge(&overrides(props));
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
    let common = ConnectorConfig::definition().clone();
    match plugin.kind {
        PluginKind::Source(_) => common.merge(SourceConfig::definition()),
        PluginKind::Sink(_) => common.merge(SinkConfig::definition()),
        _ => ConfigDef::default(),
    }
}

impl NamedPlugin {
    /// The options under its prefix. For a transform or predicate they begin with `type`; a class that is not known adds none.
    fn definition(&self, registry: &Registry) -> ConfigDef {
        let own = registry
            .find(&[self.kind], &self.class)
            .map_or_else(|_| ConfigDef::default(), |plugin| (plugin.config)().clone());
        let own = own.prefixed(&self.prefix);
        let Some(alias) = self.alias() else { return own };
        let (heading, kind) = match self.kind {
            "predicate" => ("Predicates", "predicate"),
            _ => ("Transforms", "transformation"),
        };
        let mut keys = vec![
            required("type")
                .kind(configs::ConfigType::Class)
                .importance(configs::Importance::High)
                .width(configs::Width::Long)
                .documentation(&format!("Class for the '{alias}' {kind}.")),
        ];
        if self.kind == "transformation" {
            keys.extend(implicit());
        }
        keys.push(
            optional("plugin.version")
                .importance(configs::Importance::Low)
                .documentation(&format!("Version of the '{alias}' {kind}.")),
        );
        let mut implicit =
            ConfigDef::new(keys).prefixed(&self.prefix).merge(&own).grouped(&format!("{heading}: {alias}"));
        if own.keys().is_empty() {
            // An unknown class: whatever is said for it cannot be judged, and its own error says enough.
            implicit = implicit.open(self.prefix.clone());
        }
        implicit
    }

    fn alias(&self) -> Option<&str> {
        self.prefix
            .strip_prefix("transforms.")
            .or_else(|| self.prefix.strip_prefix("predicates."))?
            .strip_suffix('.')
    }
}

/// What every transformation understands, whatever it is.
fn implicit() -> [ConfigKey; 2] {
    [
        default("predicate", "").importance(configs::Importance::Medium).documentation(
            "The alias of a predicate used to determine whether to apply this transformation.",
        ),
        default("negate", false)
            .kind(configs::ConfigType::Boolean)
            .importance(configs::Importance::Medium)
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
    for (option, kind) in [
        ("key.converter", "converter"),
        ("value.converter", "converter"),
        ("header.converter", "header_converter"),
    ] {
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

/// The client overrides that are said; the others would only fill the answer. Admin clients have nothing to override yet.
fn overrides(props: &Props) -> ConfigDef {
    let of = |definition: &ConfigDef, prefix: &str| {
        let prefixed = definition.prefixed(prefix);
        let said = prefixed.keys().iter().filter(|key| props.contains_key(&*key.name)).cloned().collect();
        ConfigDef::new(said)
    };
    of(ProducerOptions::definition(), "producer.override.")
        .merge(&of(ConsumerOptions::definition(), "consumer.override."))
}
