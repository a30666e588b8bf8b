//! What the worker remembers, in compacted topics: configs, offsets, statuses and histories.
//!
//! Below the herder and the tasks, above `broker_client`. Formats are Kafka Connect's own (`*_record`), so that a cluster's topics
//! can be taken over. Invariant: what a write returned for is in the topic, acknowledged by the broker.

mod config;
pub(crate) mod config_record;
mod connector_offsets;
mod error;
pub(crate) mod flat_json;
mod history;
mod internal_topic;
mod leader_writer;
mod offset;
mod offset_record;
mod rounds;
mod status;
pub(crate) mod status_record;
mod topic_log;

pub(crate) use config::ConfigStore;
pub(crate) use connector_offsets::ConnectorOffsets;
pub(crate) use error::broker_error;
pub(crate) use history::HistoryStore;
pub(crate) use offset::OffsetStore;
pub(crate) use status::StatusStore;
pub(crate) use topic_log::Change;
