//! Logs: set up once at start, with levels that can be changed while the worker runs (`/admin/loggers`, KIP-495).
//!
//! Beside the data path. A logger is a target of `tracing` (`runtime::worker`), written with `::` or dots; `root` is all of
//! them. What is said about a connector is kept as well, for `/connectors/{name}/logs`. Invariant: what [`Levels`] tells is what filters, for only it writes the filter.

mod layer;
mod levels;
mod lines;

pub use levels::{Level, LevelError, Levels, Logger};
pub use lines::{Follower, LogLine, Logs};

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, reload};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The variable `RUST_LOG` is malformed.
    #[error(
        "the environment variable RUST_LOG is malformed, expected levels such as info,runtime::worker=debug: {0}"
    )]
    Directives(#[from] LevelError),
    /// Something else in this process logs already.
    #[error("logging is set up already: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sets logging up for the process: to standard error, so that what a sink prints to standard output stays clean.
/// `directives` is what `RUST_LOG` says, such as `info,runtime::worker=debug`.
///
/// # Errors
/// See [`LoggingError`].
pub fn init(directives: Option<&str>, format: LogFormat) -> Result<Levels, LoggingError> {
    let levels = Levels::parse(directives.unwrap_or("info"))?;
    let (filter, handle) = reload::Layer::new(levels.filter());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let kept = layer::ByConnector(levels.logs().clone());
    tracing_subscriber::registry().with(lines.and_then(kept).with_filter(filter)).try_init()?;
    Ok(levels.reloading(move |filter: EnvFilter| handle.reload(filter).map_err(|error| error.to_string())))
}
