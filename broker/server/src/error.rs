//! Why the broker could not start or stop.

use std::{io, path::PathBuf};

use crate::log::LogError;

/// An error of the broker as a whole; errors of single requests go to the client as protocol error codes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the log directory.
    #[error(
        "log directory {directory} is in use by process {holder}: stop that process, or give this one another log.dirs"
    )]
    DirectoryInUse {
        /// The log directory.
        directory: PathBuf,
        /// Process id, as that process wrote it down.
        holder: String,
    },
    /// A log or its directory.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A listener.
    #[error("cannot listen on {address}: another process may have the port; see the setting listeners")]
    Listen {
        /// host:port as configured.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Settings that cannot be used.
    #[error("{setting}: {reason}")]
    Config {
        /// Name of the setting.
        setting: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// A file of the topic store that cannot be read; the topic's records are left alone.
    #[error("{path} is damaged: {reason}; restore it, or move it away together with the topic's folders")]
    DamagedMetadata {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// ACLs or credentials that cannot be trusted as they stand; nothing is served without them.
    #[error(
        "{path} is damaged: {reason}; restore it from a backup, or move it away to start without what it holds"
    )]
    DamagedSecurity {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// ACLs or credentials that cannot be read or written.
    #[error("cannot {action} {path}")]
    SecurityFile {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Threads or other resources of the system.
    #[error("cannot start {what}")]
    System {
        /// What was to be started.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
