//! Heartbeats: records that carry the position on while nothing captured changes (`heartbeat.interval.ms`).
//!
//! Without them a quiet table's offset stays where it is until the server purges the binlog behind it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{
    FlatMap, Headers, Record, Schema, SchemaAndValue, SchemaRef, SchemaType, SourceOffset, SourceRecord,
    Struct, Text, Value,
};

use crate::mysql::binlog::tracker::Tracker;
use crate::mysql::config::MySqlConfig;
use crate::mysql::envelope::{Envelopes, Moment};
use crate::mysql::outbox::Outbox;
use crate::mysql::position::{OffsetDetails, Position, offset, signed};
use crate::mysql::snapshot::plan::extended;

/// When the next one is due, and what it is made of.
pub(super) struct Heartbeats {
    interval: Option<Duration>,
    last: Instant,
    topic: Text,
    server: Text,
    key_schema: SchemaRef,
    value_schema: SchemaRef,
    partition: Arc<FlatMap>,
}

impl Heartbeats {
    pub(super) fn new(config: &MySqlConfig, envelopes: &Envelopes) -> Self {
        let structure = |name: &str, field: &str, kind| {
            let name = format!("io.debezium.connector.common.{name}");
            Schema::structure().name(name).version(1).field(field, Schema::plain(kind)).build()
        };
        let interval = Some(config.heartbeat_interval).filter(|interval| !interval.is_zero());
        Self {
            interval,
            last: Instant::now(),
            topic: Text::from(
                envelopes
                    .events()
                    .config
                    .heartbeat_topic
                    .clone()
                    .unwrap_or_else(|| format!("{}.{}", config.heartbeat_prefix, config.topic_prefix)),
            ),
            server: Text::from(config.topic_prefix.as_str()),
            key_schema: structure("ServerNameKey", "serverName", SchemaType::String),
            value_schema: structure("Heartbeat", "ts_ms", SchemaType::Int64),
            partition: Arc::clone(envelopes.partition()),
        }
    }

    /// Whether the next one is due.
    pub(super) fn is_due(&self, tracker: &Tracker) -> bool {
        self.due_in(tracker).is_some_and(|rest| rest.is_zero())
    }

    /// When the next one is due; `None` when none is wanted, or there is no position yet that it could carry.
    pub(super) fn due_in(&self, tracker: &Tracker) -> Option<Duration> {
        let interval = self.interval.filter(|_| !tracker.restart().file.is_empty())?;
        Some(interval.saturating_sub(self.last.elapsed()))
    }

    /// Adds a heartbeat to the outbox. Its offset has the position, and what else an offset must say now.
    pub(super) fn beat(&mut self, tracker: &Tracker, extra: &FlatMap, outbox: &mut Outbox) {
        self.last = Instant::now();
        let now = Value::Int64(Moment::now().milliseconds());
        let of = |schema: &SchemaRef, value| {
            Struct::of(Arc::clone(schema), vec![value]).map(SchemaAndValue::of_struct)
        };
        let (Ok(key), Ok(value)) =
            (of(&self.key_schema, self.server.clone().into()), of(&self.value_schema, now))
        else {
            return;
        };
        let record = Record {
            topic: self.topic.clone(),
            partition: None,
            key,
            value,
            timestamp: None,
            headers: Headers::new(),
            kafka_offset: None,
        };
        let source_partition = Arc::clone(&self.partition);
        outbox.records.push(SourceRecord {
            record,
            source_partition,
            source_offset: position_offset(tracker, extra),
        });
    }
}

/// The offset of where the tracker is.
pub(super) fn position_offset(tracker: &Tracker, extra: &FlatMap) -> SourceOffset {
    offset_of(tracker, tracker.position(), extra)
}

/// The same without the last row that was handed out.
pub(super) fn offset_before_row(tracker: &Tracker, extra: &FlatMap) -> SourceOffset {
    let mut position = tracker.position();
    position.skip.rows = position.skip.rows.saturating_sub(1);
    offset_of(tracker, position, extra)
}

fn offset_of(tracker: &Tracker, position: Position, extra: &FlatMap) -> SourceOffset {
    let details = OffsetDetails {
        timestamp_s: Some(tracker.timestamp_us() / 1_000_000),
        server_id: tracker.server_id(),
        in_snapshot: false,
    };
    let shared = extended(offset(&position, details), extra.entries());
    if position.skip.is_none() {
        return SourceOffset::new(shared);
    }
    SourceOffset::with_counters(
        shared,
        [("row", signed(position.skip.rows)), ("event", signed(position.skip.events))],
    )
}
