//! DropHeaders: removes headers by name.

use api::configs::config;
use api::{Plugin, PluginKind, Record, Result, Transform};

use crate::{VERSION, bad_config};

/// The transform.
pub(crate) static PLUGIN: Plugin = Plugin {
    class: "org.apache.kafka.connect.transforms.DropHeaders",
    aliases: &[],
    version: VERSION,
    documentation: "Removes one or more headers from each record.",
    config: DropHeadersConfig::definition,
    kind: PluginKind::Transform(|props| {
        Ok(Box::new(DropHeaders(DropHeadersConfig::parse(props).map_err(bad_config)?.headers)))
    }),
};

config! {
    /// Options of DropHeaders.
    struct DropHeadersConfig {
        /// The name of the headers to be removed.
        headers: Vec<String> = required("headers").importance(High).check(non_empty());
    }
}

/// See the module.
#[derive(Debug)]
struct DropHeaders(Vec<String>);

impl Transform for DropHeaders {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        self.0.iter().for_each(|name| record.headers.remove(name));
        Ok(Some(record))
    }
}
