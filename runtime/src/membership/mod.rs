//! Which part of the work is this worker's, and may it decide for the others?
//!
//! Between the group and the herder. A worker that is alone owns everything ([`Solo`]); a group's member is told its share.
//! Invariant: work that was revoked is not run after [`MembershipEvent::Revoked`] was answered, so nothing runs twice.

mod solo;

pub(crate) use solo::Solo;

use async_trait::async_trait;

use crate::herder::Assignment;

/// What a member is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MembershipEvent {
    /// From now on this is its work.
    Assigned(Member),
    /// From now on it has no work, until it is told otherwise.
    #[allow(dead_code, reason = "a worker that is alone is never told so; a group's member will be")]
    Revoked,
}

/// A member's place in a generation of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The generation, which statuses carry.
    pub(crate) generation: i32,
    /// Whether it writes task configurations for all.
    pub(crate) is_leader: bool,
    /// What it runs.
    pub(crate) work: Work,
}

/// What a member runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// Whatever there is.
    Everything,
    /// This.
    #[allow(
        dead_code,
        reason = "a worker that is alone runs everything; a group's member will be given this"
    )]
    Share(Assignment),
}

/// Membership in a group of workers.
#[async_trait]
pub(crate) trait Membership: Send {
    /// The next thing that the member is told. May be dropped before it is ready, without loss.
    async fn next(&mut self) -> MembershipEvent;
}
