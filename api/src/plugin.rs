//! Plugins: what can be named in a configuration, and the registry that finds it.
//!
//! A plugin is a constant in an explicit list (`connectors::ALL`, ...); nothing registers itself before `main`.
//! Invariant: within one kind every name (class, short name, alias) stands for exactly one plugin.

use std::fmt;

use configs::{ConfigDef, Props};

use crate::converter::{Converter, HeaderConverter};
use crate::error::{Error, Result};
use crate::sink::SinkConnector;
use crate::source::SourceConnector;
use crate::transform::{Predicate, Transform};

/// Something that a configuration can name.
#[derive(Debug)]
pub struct Plugin {
    /// The class that people have in their files, such as `org.apache.kafka.connect.file.FileStreamSourceConnector`;
    /// for what only Millrace has, a name of the same form.
    pub class: &'static str,
    /// Other names: the simple class name and what Connect derives from it (without `Connector`) need not be listed.
    pub aliases: &'static [&'static str],
    /// The version that `GET /connector-plugins` tells.
    pub version: &'static str,
    /// What it does, in a sentence or two: opens its page in the generated documentation.
    pub documentation: &'static str,
    /// Its options, beside those of every connector.
    pub config: fn() -> &'static ConfigDef,
    /// How to make one.
    pub kind: PluginKind,
}

/// The kinds of plugins, each with how to make one.
#[derive(Clone, Copy)]
pub enum PluginKind {
    /// A source connector.
    Source(fn() -> Box<dyn SourceConnector>),
    /// A sink connector.
    Sink(fn() -> Box<dyn SinkConnector>),
    /// A transform, made from its own settings (without the prefix `transforms.<alias>.`).
    Transform(fn(&Props) -> Result<Box<dyn Transform>>),
    /// A predicate, made from its own settings.
    Predicate(fn(&Props) -> Result<Box<dyn Predicate>>),
    /// A converter, made from its own settings; the flag says whether it is for keys.
    Converter(fn(&Props, bool) -> Result<Box<dyn Converter>>),
    /// A header converter, made from its own settings.
    HeaderConverter(fn(&Props) -> Result<Box<dyn HeaderConverter>>),
}

impl PluginKind {
    /// Connect's word for the kind, as `GET /connector-plugins` tells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Sink(_) => "sink",
            Self::Transform(_) => "transformation",
            Self::Predicate(_) => "predicate",
            Self::Converter(_) => "converter",
            Self::HeaderConverter(_) => "header_converter",
        }
    }
}

impl fmt::Debug for PluginKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Plugin {
    /// The class name without its package, such as `FileStreamSourceConnector` or `InsertField$Value`.
    #[must_use]
    pub fn simple_name(&self) -> &'static str {
        self.class.rsplit('.').next().unwrap_or(self.class)
    }

    /// Whether a configuration that says `name` means this plugin: its class, its simple name, that name without
    /// `Connector`, or an alias.
    #[must_use]
    pub fn answers_to(&self, name: &str) -> bool {
        let simple = self.simple_name();
        name == self.class
            || name == simple
            || simple.strip_suffix("Connector") == Some(name)
            || self.aliases.contains(&name)
    }
}

/// All plugins that a worker knows.
#[derive(Debug, Clone, Default)]
pub struct Registry(Vec<&'static Plugin>);

impl Registry {
    /// A registry that knows nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds plugins.
    #[must_use]
    pub fn with(mut self, plugins: &[&'static Plugin]) -> Self {
        self.0.extend_from_slice(plugins);
        self
    }

    /// All plugins, in the order in which they were added.
    #[must_use]
    pub fn plugins(&self) -> &[&'static Plugin] {
        &self.0
    }

    /// The plugin of these kinds (Connect's words, see [`PluginKind::name`]) that answers to a name.
    ///
    /// # Errors
    /// `BadConfig` that names the nearest known ones when there is none.
    pub fn find(&self, kinds: &[&str], name: &str) -> Result<&'static Plugin> {
        let mut of_kind = self.0.iter().copied().filter(|plugin| kinds.contains(&plugin.kind.name()));
        of_kind.find(|plugin| plugin.answers_to(name)).ok_or_else(|| self.unknown(kinds, name))
    }

    fn unknown(&self, kinds: &[&str], name: &str) -> Error {
        let known = self.0.iter().filter(|plugin| kinds.contains(&plugin.kind.name()));
        let names: Vec<_> = known.map(|plugin| plugin.simple_name()).collect();
        Error::bad_config(format!(
            "Failed to find any class that implements {} and which name matches {name}, available are: {}",
            kinds.join(" or "),
            names.join(", ")
        ))
    }
}
