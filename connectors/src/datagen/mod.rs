//! Generated data: a source for first tries and benchmarks. The same seed gives the same records, number by number.
//!
//! | question | answered in |
//! | --- | --- |
//! | What can be said? | `config` |
//! | What is record number n? | `generate` |
//! | How many are due now? | `pace` |
//! | What was handed out already? | `source` |
//! | Where does a transaction end? | `transactions` |

mod config;
mod generate;
mod pace;
mod source;
#[cfg(test)]
mod tests;
mod transactions;

use api::{Plugin, PluginKind};

pub use config::{DatagenSourceConfig, Quickstart};
pub use source::{DatagenSourceConnector, DatagenSourceTask};

/// Generated records.
pub static SOURCE: Plugin = Plugin {
    class: "millrace.datagen.DatagenSourceConnector",
    aliases: &["datagen"],
    version: env!("CARGO_PKG_VERSION"),
    documentation: "Generates orders, users or lines of text, as many and as fast as wanted, the same for the same seed.",
    config: DatagenSourceConfig::definition,
    kind: PluginKind::Source(|| Box::new(DatagenSourceConnector)),
};
