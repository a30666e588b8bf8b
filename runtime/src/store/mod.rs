//! What the worker remembers, in compacted topics: configs, offsets, statuses and histories.
//!
//! Below the herder and the tasks, above `broker_client`. Formats are Kafka Connect's own (`*_record`), so that a cluster's topics
//! can be taken over. Invariant: what a write returned for is in the topic, acknowledged by the broker.

pub(crate) mod config_record;
pub(crate) mod flat_json;
pub(crate) mod offset_record;
pub(crate) mod status_record;
