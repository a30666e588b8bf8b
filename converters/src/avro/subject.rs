//! The subject under which a registry keeps a schema: Confluent's subject name strategies.

use super::schema::Avro;
use crate::json::fault::Fault;

/// How subjects are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// `<topic>-key` or `<topic>-value`.
    Topic,
    /// The record's full name.
    Record,
    /// `<topic>-<the record's full name>`.
    TopicRecord,
}

impl Strategy {
    /// By the class or its simple name, one of those that the option allows.
    pub(super) fn of(class: &str) -> Self {
        match class.rsplit('.').next() {
            Some("RecordNameStrategy") => Self::Record,
            Some("TopicRecordNameStrategy") => Self::TopicRecord,
            _ => Self::Topic,
        }
    }

    /// The subject for a schema in a topic.
    ///
    /// # Errors
    /// When the schema has no name, and the strategy needs one.
    pub(super) fn subject(self, topic: &str, is_key: bool, avro: &Avro) -> Result<String, Fault> {
        let what = if is_key { "key" } else { "value" };
        let name = || {
            avro.name().map(super::schema::Name::full).ok_or_else(|| {
                Fault::new(format!(
                    "In configuration {what}.subject.name.strategy = {self:?}NameStrategy, the message {what} must only be a record schema, \
                     not {}",
                    avro.shown()
                ))
            })
        };
        Ok(match self {
            Self::Topic => format!("{topic}-{what}"),
            Self::Record => name()?,
            Self::TopicRecord => format!("{topic}-{}", name()?),
        })
    }
}
