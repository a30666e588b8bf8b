//! Membership in a group of any protocol type (Kafka's classic group protocol): consumers, and workers of Kafka Connect.
//!
//! ```text
//! coordination: one request each (join, sync, heartbeat, leave), to the coordinator, wherever it is now
//! beats:        heartbeats beside everything else, and how long membership can be proven
//! membership:   a member of any protocol type; what is shared out, and by whom, is its user's business
//! ```

mod beats;
pub(crate) mod coordination;
mod membership;
#[cfg(test)]
mod tests;

pub use beats::Standing;
pub use membership::{GroupMembership, GroupProtocol, JoinedGroup, MembershipConfig};
