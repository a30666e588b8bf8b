//! Errors by consequence: not what broke, but what is to be done about it.
//!
//! Every fallible call between the runtime and a plugin returns this error. The runtime decides by [`ErrorKind`] alone
//! (retry, skip or dead-letter, refuse the config, fail the task); people read the message and the chain of causes.
//! Invariant: a cause is never dropped; [`Error::report`] prints all of them, root cause last.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// A result with this error.
pub type Result<T> = std::result::Result<T, Error>;

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The world is at fault and may recover: try the same again, after this long if the other side said so.
    Retriable {
        /// How long the other side asked to be left alone, if it did.
        after: Option<Duration>,
    },
    /// This one record is at fault: skip it, write it to the dead letter queue, or fail, as the connector is told.
    BadRecord,
    /// A setting is at fault: no retry helps until it is changed.
    BadConfig,
    /// The task cannot go on.
    Fatal,
}

/// What went wrong, in words, with its causes, and what is to be done about it.
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The world is at fault and may recover.
    #[must_use]
    pub fn retriable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Retriable { after: None }, message)
    }

    /// The world is at fault, and said when to come back.
    #[must_use]
    pub fn retriable_after(after: Duration, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Retriable { after: Some(after) }, message)
    }

    /// One record is at fault.
    #[must_use]
    pub fn bad_record(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRecord, message)
    }

    /// A setting is at fault; the message names it.
    #[must_use]
    pub fn bad_config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadConfig, message)
    }

    /// The task cannot go on.
    #[must_use]
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Fatal, message)
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Wraps this error in a message that says what was being done; the kind stays.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        Self { kind: self.kind, message: message.into(), source: Some(Box::new(self)) }
    }

    /// What is to be done.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same may be tried again.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(self.kind, ErrorKind::Retriable { .. })
    }

    /// The message without the causes.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The message and every cause, a line each.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str("\nCaused by: ");
            text.push_str(&own_message(error));
            cause = error.source();
        }
        text
    }
}

/// What this error says of itself: our own `Display` prints the chain, which [`Error::report`] walks by itself.
fn own_message(error: &(dyn StdError + 'static)) -> String {
    error.downcast_ref::<Error>().map_or_else(|| error.to_string(), |error| error.message.clone())
}

impl fmt::Display for Error {
    /// The message, then each cause after a colon.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(formatter, ": {}", own_message(error))?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {self}", self.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_printed_once_and_the_kind_stays() {
        let error = Error::retriable("cannot reach db:3306")
            .with_source(std::io::Error::other("connection refused"))
            .context("reading the binlog of shop");
        assert!(error.is_retriable());
        assert_eq!(error.to_string(), "reading the binlog of shop: cannot reach db:3306: connection refused");
        assert_eq!(
            error.report(),
            "reading the binlog of shop\nCaused by: cannot reach db:3306\nCaused by: connection refused"
        );
    }
}
