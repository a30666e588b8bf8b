//! Which part of the work is this worker's, and may it decide for the others?
//!
//! Between the group and the herder. A worker that is alone owns everything ([`Solo`]); a group's member is told its share.
//! Invariant: work that was taken away is given to nobody else before the herder has said that it is gone
//! ([`Membership::revoked`]), so nothing runs twice.

mod assignor;
mod driver;
mod group;
mod leading;
mod place;
mod protocol;
mod reserve;
#[cfg(test)]
mod simulation;
mod solo;

pub(crate) use group::{Group, GroupSettings};
pub(crate) use solo::Solo;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::herder::{Assignment, TaskId};

/// What a member is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MembershipEvent {
    /// From now on this is its work, and nothing else: what it runs beyond is to be stopped, and [`Membership::revoked`] called
    /// once it is gone. What it runs already runs on undisturbed.
    Assigned(Member),
    /// The group went on without it, or it cannot prove that it did not: all of its work is to be stopped, at once.
    Revoked,
}

/// A member's place in a generation of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The generation, which statuses carry.
    pub(crate) generation: i32,
    /// Whether it writes task configurations for all.
    pub(crate) is_leader: bool,
    /// Where the leader's REST is reached (`http://host:port/`). A worker that is alone has no need of it.
    pub(crate) leader_url: Option<String>,
    /// Up to where the config topic must have been read before this work is run.
    pub(crate) config_offset: i64,
    /// Who has what, as far as the leader knows; empty on the others.
    pub(crate) owners: Arc<Owners>,
    /// What it runs.
    pub(crate) work: Work,
}

/// Where each connector and task runs: the URLs of workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Owners {
    /// The URL of the worker that runs a connector, by its name.
    pub(crate) connectors: BTreeMap<String, String>,
    /// The URL of the worker that runs a task, by its id.
    pub(crate) tasks: BTreeMap<TaskId, String>,
}

/// What a member runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// Whatever there is.
    Everything,
    /// This.
    Share(Assignment),
}

/// What those who answer requests may know of the group; the herder's task keeps it up to date.
#[derive(Debug, Clone, Default)]
#[allow(dead_code, reason = "read by whoever answers for the group")]
pub(crate) struct GroupView {
    /// This worker's place, or `None` while it has none.
    pub(crate) member: Option<Member>,
    /// What the member is doing, for people who wait.
    pub(crate) stage: &'static str,
}

/// Membership in a group of workers.
#[async_trait]
pub(crate) trait Membership: Send {
    /// The next thing that the member is told. May be dropped before it is ready, without loss.
    async fn next(&mut self) -> MembershipEvent;

    /// Connectors or tasks came or went: they are to be given out anew.
    fn rejoin(&mut self);

    /// Nothing runs here beyond what was assigned last. Said again and again; it counts when something was to be given up.
    fn revoked(&mut self);

    /// Says goodbye, so that the others need not wait; everything has been stopped before.
    async fn leave(&mut self);
}
