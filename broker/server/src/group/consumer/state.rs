//! A group of the consumer protocol. Pure: requests, topics and time come in, answers and changes for the log come out.
//!
//! ```text
//! group epoch       grows when a member comes, goes or subscribes otherwise, or its topics change
//! assignment epoch  the group epoch that the target assignment was made for
//! member epoch      the assignment epoch that the member has been brought to (see `reconcile`)
//! ```
//! Invariants, checked after every step of the simulation in `tests`: a partition is in the hands of one member at most (assigned, or
//! not yet given back); epochs only grow and are ordered as above; what the log says after a step is what memory holds; left
//! alone, every member comes to the group's epoch and every subscribed partition has an owner.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use broker_protocol::{ErrorCode, Uuid};

use super::{
    answers::{JOIN_EPOCH, Refused},
    member::{Assigned, ConsumerMember, MemberState, each},
    subscription::Patterns,
};
use crate::group::member::Millis;

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsumerState {
    /// No members; perhaps offsets.
    Empty,
    /// The target assignment is older than the group.
    Assigning,
    /// Members are on their way to the target.
    Reconciling,
    /// Everyone has what it is to have.
    Stable,
}

impl ConsumerState {
    /// Kafka's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

/// Limits of all groups of the consumer protocol.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerLimits {
    /// `group.consumer.session.timeout.ms`
    pub(crate) session_timeout_ms: u64,
    /// `group.consumer.heartbeat.interval.ms`
    pub(crate) heartbeat_interval_ms: u64,
    /// `group.consumer.max.size`
    pub(crate) members_max: usize,
    /// `group.consumer.assignors`, the default first.
    pub(crate) assignors: Vec<super::target::Assignor>,
}

/// Something that the log must learn of; the order is that of Kafka's records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::group) enum Change {
    Member(String),
    Group,
    TargetOf(String),
    Target,
    Current(String),
}

/// A group.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerGroup {
    pub(super) epoch: i32,
    pub(super) target_epoch: i32,
    pub(super) members: BTreeMap<String, ConsumerMember>,
    /// Instance ids of static members.
    pub(super) instances: HashMap<String, String>,
    /// Who is to have what.
    pub(super) targets: BTreeMap<String, Assigned>,
    /// In whose hands a partition is.
    pub(super) holders: HashMap<(Uuid, i32), String>,
    /// Of the topics that `epoch` was made for.
    pub(super) topics_hash: i64,
    /// The version of the topics that `topics_hash` was taken of; 0 if it is to be taken again.
    pub(super) topics_version: u64,
    pub(super) patterns: Patterns,
    pub(super) changes: BTreeSet<Change>,
}

impl ConsumerGroup {
    pub(crate) fn new() -> Self {
        Self {
            epoch: 0,
            target_epoch: 0,
            members: BTreeMap::new(),
            instances: HashMap::new(),
            targets: BTreeMap::new(),
            holders: HashMap::new(),
            topics_hash: 0,
            topics_version: 0,
            patterns: Patterns::default(),
            changes: BTreeSet::new(),
        }
    }

    pub(crate) fn state(&self) -> ConsumerState {
        let arrived = |member: &ConsumerMember| {
            member.state == MemberState::Stable && member.epoch == self.target_epoch
        };
        if self.members.is_empty() {
            ConsumerState::Empty
        } else if self.epoch > self.target_epoch {
            ConsumerState::Assigning
        } else if self.members.values().all(arrived) {
            ConsumerState::Stable
        } else {
            ConsumerState::Reconciling
        }
    }

    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(crate) fn assignment_epoch(&self) -> i32 {
        self.target_epoch
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &ConsumerMember> {
        self.members.values()
    }

    /// What a member is to have.
    pub(crate) fn target_of(&self, member_id: &str) -> Assigned {
        self.targets.get(member_id).cloned().unwrap_or_default()
    }

    /// What the log must learn of.
    pub(in crate::group) fn take_changes(&mut self) -> BTreeSet<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Whether this member may commit, or read what it committed. Without an epoch only for groups without members, as admin tools do.
    pub(crate) fn check_offsets(&self, member_id: &str, epoch: i32, commits: bool) -> ErrorCode {
        if epoch < 0 && (self.members.is_empty() || (!commits && member_id.is_empty())) {
            return ErrorCode::NONE;
        }
        match self.members.get(member_id) {
            None => ErrorCode::UNKNOWN_MEMBER_ID,
            Some(member) if member.epoch != epoch => ErrorCode::STALE_MEMBER_EPOCH,
            Some(_) => ErrorCode::NONE,
        }
    }

    /// Whether the member speaks of the epoch that it is in, or of the one before if it holds nothing but what it may hold: then the
    /// answer that told it of the new epoch was lost.
    pub(super) fn check_epoch(
        &self,
        member: &ConsumerMember,
        epoch: i32,
        owned: Option<&Assigned>,
    ) -> Result<(), Refused> {
        if epoch == JOIN_EPOCH || epoch == member.epoch {
            return Ok(());
        }
        let missed_answer = epoch == member.previous_epoch
            && owned.is_some_and(|owned| {
                each(owned).all(|(topic, partition)| super::member::has(&member.assigned, topic, partition))
            });
        if epoch < member.epoch && missed_answer {
            return Ok(());
        }
        let compared = if epoch > member.epoch { "greater" } else { "smaller" };
        let message = format!(
            "The consumer group member has a {compared} member epoch ({epoch}) than the one known by the group \
             coordinator ({}). The member must abandon all its partitions and rejoin.",
            member.epoch
        );
        Err(Refused::new(ErrorCode::FENCED_MEMBER_EPOCH, message))
    }

    /// Members, topics or subscriptions have changed: a new epoch, for which there will be a new target.
    pub(super) fn bump(&mut self) {
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        self.changes.insert(Change::Group);
    }

    /// Puts a member in the place of its former self, and its partitions in its hands.
    pub(super) fn put(&mut self, member: ConsumerMember) {
        if let Some(former) = self.members.remove(&member.id) {
            self.release(&former);
        }
        for partition in member.in_hands() {
            self.holders.insert(partition, member.id.clone());
        }
        if let Some(instance) = &member.instance_id {
            self.instances.insert(instance.clone(), member.id.clone());
        }
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out with all it has; others may have its partitions now.
    pub(super) fn take(&mut self, id: &str) -> Option<ConsumerMember> {
        let member = self.members.remove(id)?;
        self.release(&member);
        // The topics of the group may be fewer now.
        self.topics_version = 0;
        if let Some(instance) = &member.instance_id
            && self.instances.get(instance).is_some_and(|holder| holder == id)
        {
            self.instances.remove(instance);
        }
        self.targets.remove(id);
        for change in [Change::Member(id.into()), Change::TargetOf(id.into()), Change::Current(id.into())] {
            self.changes.insert(change);
        }
        Some(member)
    }

    fn release(&mut self, member: &ConsumerMember) {
        for partition in member.in_hands() {
            if self.holders.get(&partition).is_some_and(|holder| *holder == member.id) {
                self.holders.remove(&partition);
            }
        }
    }

    /// When [`ConsumerGroup::tick`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let of = |member: &ConsumerMember| {
            member.revokes_until.map_or(member.expires_at, |until| until.min(member.expires_at))
        };
        self.members.values().map(of).min()
    }

    /// Time has passed: members that are silent, or do not give back in time, are removed.
    pub(crate) fn tick(&mut self, now: Millis) {
        let gone = |member: &&ConsumerMember| {
            member.expires_at <= now || member.revokes_until.is_some_and(|until| until <= now)
        };
        let gone: Vec<String> = self.members.values().filter(gone).map(|member| member.id.clone()).collect();
        for id in &gone {
            self.take(id);
        }
        if !gone.is_empty() {
            self.bump();
        }
    }
}
