//! The answers, one file per API or family of them. Handlers read requests and call the rooms that know; they keep no state.

mod accept;
pub(super) mod acls;
pub(super) mod cluster;
pub(super) mod configs;
pub(super) mod consumer_groups;
pub(super) mod describe_producers;
mod errors;
pub(super) mod fetch;
pub(super) mod groups;
pub(super) mod list_offsets;
pub(super) mod log_dirs;
mod membership;
pub(super) mod metadata;
pub(super) mod offsets;
pub(super) mod produce;
pub(super) mod producers;
pub(super) mod reassignments;
pub(super) mod sasl;
pub(super) mod scram;
pub(super) mod topic_partitions;
pub(super) mod topics;
pub(super) mod transaction_list;
pub(super) mod transaction_markers;
pub(super) mod transaction_offsets;
pub(super) mod transactions;

use broker_protocol::{Text, Uuid};

use crate::{broker::State, topics::Topic};
use std::sync::Arc;

/// Finds a topic by its name or, in versions that have ids, by its id.
fn find_topic(state: &State, name: &Text, id: Uuid) -> Option<Arc<Topic>> {
    if id.is_zero() { state.topics.get(name) } else { state.topics.by_id(uuid::Uuid::from_bytes(id.0)) }
}

/// A topic's id as it goes over the wire.
fn wire_id(topic: &Topic) -> Uuid {
    Uuid(topic.id.into_bytes())
}
