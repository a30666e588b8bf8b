//! The client's errors as the runtime's: the consequence is kept, and every cause.

use api::{Error, ErrorKind};

/// What was being done when the broker's client failed, and what it said. An error that may pass is `Retriable`, any other `Fatal`.
pub(crate) fn broker_error(doing: impl Into<String>, error: broker_client::Error) -> Error {
    let kind = if error.is_retriable() { ErrorKind::Retriable { after: None } } else { ErrorKind::Fatal };
    Error::new(kind, doing).with_source(error)
}
