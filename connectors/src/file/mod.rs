//! Files: a source that reads a file's lines, a sink that appends lines to a file. Connect's FileStream connectors,
//! without their faults.
//!
//! | question | answered in |
//! | --- | --- |
//! | What can be said? | `config` |
//! | Which files may be touched? | `place` |
//! | Is it still the same file? | `identity` |
//! | Where does a line end? | `tail`, `block` |
//! | When may a file have something new? | `watch` |
//! | What became of the file while we read it, or while we were away? | `follow` |
//! | How does the sink deliver exactly once? | `sink`, with `append`, `note` and `marker` |

mod append;
mod block;
mod config;
mod follow;
mod foreign;
mod identity;
mod marker;
mod note;
mod place;
mod sink;
mod source;
mod stdin;
mod tail;
#[cfg(test)]
mod tests;
mod watch;

use api::{Plugin, PluginKind};

pub use config::{FileSinkConfig, FileSourceConfig};
pub use sink::{FileSinkConnector, FileSinkTask};
pub use source::{FileSourceConnector, FileSourceTask};

/// Lines of a file, as records.
pub static SOURCE: Plugin = Plugin {
    class: "org.apache.kafka.connect.file.FileStreamSourceConnector",
    aliases: &["file"],
    version: env!("CARGO_PKG_VERSION"),
    documentation: "Reads a file line by line, and goes on as it grows, is rotated or truncated.",
    config: FileSourceConfig::definition,
    kind: PluginKind::Source(|| Box::new(FileSourceConnector)),
};

/// Records, as lines of a file.
pub static SINK: Plugin = Plugin {
    class: "org.apache.kafka.connect.file.FileStreamSinkConnector",
    aliases: &["file"],
    version: env!("CARGO_PKG_VERSION"),
    documentation: "Appends each record's value to a file as a line, exactly once.",
    config: FileSinkConfig::definition,
    kind: PluginKind::Sink(|| Box::new(FileSinkConnector)),
};
