//! HTTP: a sink that sends records to an endpoint.
//!
//! | question | answered in |
//! | --- | --- |
//! | What can be said, and does it fit together? | `config`, `settings` |
//! | Which addresses may be reached? | `hosts` |
//! | What stands in a request? | `json`, `body` |
//! | What does an answer mean, and when to try again? | `answer` |
//! | How is it sent? | `client` |
//! | In which order, and what is delivered already? | `sink` |

mod answer;
mod body;
mod client;
mod config;
mod hosts;
mod json;
mod settings;
mod sink;
#[cfg(test)]
mod tests;

use api::{Plugin, PluginKind};

pub use config::{AuthType, BatchFormat, HttpSinkConfig, Method, NullValues};
pub use sink::{HttpSinkConnector, HttpSinkTask};

/// Records, as requests.
pub static SINK: Plugin = Plugin {
    class: "millrace.http.HttpSinkConnector",
    aliases: &["http"],
    version: env!("CARGO_PKG_VERSION"),
    documentation: "Sends records to an HTTP endpoint, in batches, in order per partition, at least once.",
    config: config::definition,
    kind: PluginKind::Sink(|| Box::new(HttpSinkConnector)),
};
