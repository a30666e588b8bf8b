//! Consumers: partitions of one's choice, or shared with a group.
//!
//! ```text
//! fetcher: one Fetch under way per leader, decoded in its own task -> PartitionConsumer::poll
//!                                                                  -> GroupConsumer::next
//! membership: find coordinator, join, sync, heartbeat; assignor: who gets what
//! ```

mod assignor;
mod decode;
mod fetcher;
mod group_consumer;
mod membership;
mod partition_consumer;
mod position;
mod request;
mod sticky;
#[cfg(test)]
mod tests;

pub use group_consumer::GroupConsumer;
pub use membership::Subscription;
pub use partition_consumer::PartitionConsumer;
