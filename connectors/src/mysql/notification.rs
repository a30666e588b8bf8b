//! Notifications: what a snapshot does, told to people and programs (`notification.enabled.channels`), in Debezium's shape.
//!
//! A record of the channel `sink` goes the way of all records, with the offset of what was handed out before it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use api::{
    FlatMap, Headers, Record, Schema, SchemaAndValue, SchemaRef, SchemaType, SourceOffset, SourceRecord,
    Struct, Text, Value,
};

use super::config::snapshot::SnapshotSettings;
use super::envelope::Moment;
use super::outbox::Outbox;

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    id: Option<String>,
    aggregate: &'static str,
    kind: &'static str,
    data: Vec<(&'static str, String)>,
}

impl Note {
    /// Of a snapshot of whole tables.
    #[must_use]
    pub const fn initial(kind: &'static str) -> Self {
        Self { id: None, aggregate: "Initial Snapshot", kind, data: Vec::new() }
    }

    /// Of an incremental snapshot, which a signal asked for.
    #[must_use]
    pub fn incremental(kind: &'static str, signal: &str) -> Self {
        Self { id: Some(signal.to_owned()), aggregate: "Incremental Snapshot", kind, data: Vec::new() }
    }

    /// With something more to say.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.data.push((name, value.into()));
        self
    }
}

/// Tells notes to the channels.
#[derive(Debug, Clone)]
pub struct Notifier {
    log: bool,
    topic: Option<Text>,
    connector: String,
    key_schema: SchemaRef,
    value_schema: SchemaRef,
}

impl Notifier {
    /// For the channels that the options name; `prefix` is the connector's `topic.prefix`.
    #[must_use]
    pub fn new(settings: &SnapshotSettings, prefix: &str) -> Self {
        let text = || Schema::plain(SchemaType::String);
        let key_schema = Schema::structure()
            .name("io.debezium.connector.common.NotificationKey")
            .version(1)
            .field("id", text())
            .build();
        let data = Schema::map(text(), text()).optional().build();
        let value_schema = Schema::structure()
            .name("io.debezium.connector.common.Notification")
            .version(1)
            .field("id", text())
            .field("type", text())
            .field("aggregate_type", text())
            .field("additional_data", data)
            .field("timestamp", Schema::plain(SchemaType::Int64))
            .build();
        let topic = settings.config.notification_topic.as_deref().filter(|_| settings.notifies("sink"));
        Self {
            log: settings.notifies("log"),
            topic: topic.map(Text::from),
            connector: prefix.to_owned(),
            key_schema,
            value_schema,
        }
    }

    /// Whether anybody is told: what nobody hears need not be worded.
    #[must_use]
    pub const fn is_heard(&self) -> bool {
        self.log || self.topic.is_some()
    }

    /// Tells a note.
    pub fn notify(&self, note: Note, partition: &Arc<FlatMap>, offset: SourceOffset, outbox: &mut Outbox) {
        if self.log {
            tracing::info!(aggregate_type = note.aggregate, kind = note.kind, data = ?note.data, "notification");
        }
        let Some(topic) = &self.topic else { return };
        let Some((key, value)) = self.datum(note, Moment::now().milliseconds()) else { return };
        let record = Record {
            topic: topic.clone(),
            partition: None,
            key,
            value,
            timestamp: None,
            headers: Headers::new(),
            kafka_offset: None,
        };
        outbox.records.push(SourceRecord {
            record,
            source_partition: Arc::clone(partition),
            source_offset: offset,
        });
    }

    fn datum(&self, note: Note, now: i64) -> Option<(SchemaAndValue, SchemaAndValue)> {
        let id = note.id.unwrap_or_else(random_uuid);
        let connector = [("connector_name", self.connector.clone())];
        let data = connector.into_iter().chain(note.data);
        let data = data.map(|(name, value)| (Value::from_static(name), Value::from(value))).collect();
        let values = vec![
            Value::from(id.clone()),
            Value::from_static(note.kind),
            Value::from_static(note.aggregate),
            Value::Map(data),
            Value::Int64(now),
        ];
        // Neither can fail: the values are made for these schemas.
        let key = Struct::of(Arc::clone(&self.key_schema), vec![Value::from(id)]).ok()?;
        let value = Struct::of(Arc::clone(&self.value_schema), values).ok()?;
        Some((SchemaAndValue::of_struct(key), SchemaAndValue::of_struct(value)))
    }
}

/// A random UUID (version 4), for names that must not come twice.
#[must_use]
pub fn random_uuid() -> String {
    // The standard library seeds each of these from the system's random numbers.
    let word = |salt: u64| {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(salt);
        hasher.write_u128(u128::from(Moment::now().milliseconds().unsigned_abs()));
        hasher.finish()
    };
    let (high, low) = (word(1) & !0xf000 | 0x4000, word(2) & !(0b11 << 62) | (0b10 << 62));
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high.to_be_bytes());
    bytes[8..].copy_from_slice(&low.to_be_bytes());
    super::gtid::uuid_text(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_uuid_is_one_and_never_the_same() {
        let (one, other) = (random_uuid(), random_uuid());
        assert_ne!(one, other);
        assert!(super::super::gtid::uuid_bytes(&one).is_some());
        assert_eq!(
            (one.as_bytes()[14], matches!(one.as_bytes()[19], b'8' | b'9' | b'a' | b'b')),
            (b'4', true)
        );
    }
}
