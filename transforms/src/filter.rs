//! Filter: drops every record that reaches it; a predicate says which do.

use api::configs::config;
use api::{Plugin, PluginKind, Record, Result, Transform};

use crate::VERSION;

/// The transform.
pub(crate) static PLUGIN: Plugin = Plugin {
    class: "org.apache.kafka.connect.transforms.Filter",
    aliases: &[],
    version: VERSION,
    documentation: "Drops all records, filtering them from subsequent transforms; meant to be used with a predicate.",
    config: FilterConfig::definition,
    kind: PluginKind::Transform(|_props| Ok(Box::new(Filter))),
};

config! {
    /// It has no options.
    struct FilterConfig {}
}

/// See the module.
#[derive(Debug)]
struct Filter;

impl Transform for Filter {
    fn apply(&mut self, _record: Record) -> Result<Option<Record>> {
        Ok(None)
    }
}
