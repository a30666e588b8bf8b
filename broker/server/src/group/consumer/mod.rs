//! Groups of the consumer protocol (KIP-848): the broker assigns, members follow one heartbeat at a time.
//!
//! - `state`, `member`: a group and its members; `answers`: what goes in and out
//! - `heartbeat`, `leave`: what requests and time do to a group
//! - `reconcile`: the steps by which a member comes to its target, so that no partition has two owners
//! - `target`, `uniform`, `range`: who is to have what; `subscription`, `topics`: which topics that is about
//! - `records`: groups on disk

mod answers;
mod heartbeat;
mod leave;
mod member;
mod range;
mod reconcile;
mod records;
mod state;
mod subscription;
mod target;
#[cfg(test)]
mod tests;
mod topics;
mod uniform;

pub use self::target::Assignor;
pub(crate) use self::{
    answers::{Beat, BeatAnswer, Refused},
    member::{Assigned, ConsumerMember},
    state::{ConsumerGroup, ConsumerLimits, ConsumerState},
    topics::TopicImage,
};
pub(super) use self::{
    records::{LoadedConsumerGroup, is_consumer_key},
    state::Change,
};
