//! The life of a group: who is in it, and who gets what. Pure: time and requests come in, answers go out.
//!
//! ```text
//! Empty -> PreparingRebalance -> CompletingRebalance -> Stable
//!            ^  all joined or time up   |  leader's SyncGroup  |
//!            +--------------------------+----------------------+   a member joins, leaves, expires or changes
//! ```
//! Invariants, checked after every step of the simulation in `tests`: a leader is a member; nobody waits for SyncGroup outside of
//! CompletingRebalance and nobody for JoinGroup outside of PreparingRebalance; the generation only grows; every request gets exactly one answer;
//! a group without members is Empty. Semantics: Kafka's classic protocol, KIP-62, KIP-345 (static members), KIP-394 (known member ids).

use std::collections::{BTreeMap, HashMap, HashSet};

use broker_protocol::{
    ErrorCode,
    consumer_protocol::{Subscription, decode},
};
use bytes::Bytes;

use super::member::{Member, Millis, Token};

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupState {
    /// No members; perhaps offsets.
    Empty,
    /// Members are to join again.
    PreparingRebalance,
    /// All have joined; the leader's assignment is awaited.
    CompletingRebalance,
    /// Everyone has an assignment.
    Stable,
}

impl GroupState {
    /// Kafka's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// What a member gets for its JoinGroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JoinAnswer {
    pub(crate) error: ErrorCode,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: String,
    pub(crate) member_id: String,
    /// For the leader: id, instance id and metadata of everyone.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
    pub(crate) skip_assignment: bool,
}

impl JoinAnswer {
    pub(crate) fn failed(error: ErrorCode, member_id: impl Into<String>) -> Self {
        Self { error, generation: -1, member_id: member_id.into(), ..Self::default() }
    }
}

/// What a member gets for its SyncGroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SyncAnswer {
    pub(crate) error: ErrorCode,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignment: Bytes,
}

impl SyncAnswer {
    pub(crate) fn failed(error: ErrorCode) -> Self {
        Self { error, ..Self::default() }
    }
}

/// An answer to a request that waited, or that did not have to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    Join(Token, JoinAnswer),
    Sync(Token, SyncAnswer),
}

/// Who says something, as most requests name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    pub(crate) generation: i32,
}

/// Limits of all groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupLimits {
    pub(crate) initial_rebalance_delay_ms: u64,
    pub(crate) members_max: usize,
}

/// A group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(super) limits: GroupLimits,
    pub(super) state: GroupState,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    /// Instance ids of static members.
    pub(super) instances: HashMap<String, String>,
    /// Ids that were given out and not yet used to join, with when they are forgotten.
    pub(super) pending: HashMap<String, Millis>,
    /// PreparingRebalance: when it goes on without those who have not joined. CompletingRebalance: without those who have not synced.
    pub(super) phase_ends_at: Option<Millis>,
    /// The first rebalance of an empty group waits for more members until then at the latest.
    pub(super) gathering_until: Option<Millis>,
    pub(super) joined_while_gathering: bool,
    pub(super) answers: Vec<Answered>,
    /// It became Stable or Empty, or a static member came back under a new id: the log must learn of it.
    pub(super) changed: bool,
}

impl Group {
    pub(crate) fn new(limits: GroupLimits) -> Self {
        Self {
            limits,
            state: GroupState::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: HashMap::new(),
            pending: HashMap::new(),
            phase_ends_at: None,
            gathering_until: None,
            joined_while_gathering: false,
            answers: Vec::new(),
            changed: false,
        }
    }

    pub(crate) fn state(&self) -> GroupState {
        self.state
    }

    pub(crate) fn protocol_type(&self) -> &str {
        self.protocol_type.as_deref().unwrap_or_default()
    }

    pub(crate) fn protocol(&self) -> &str {
        self.protocol.as_deref().unwrap_or_default()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Whether nothing would be lost by forgetting the group (its offsets are kept elsewhere).
    pub(crate) fn is_idle(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    /// The answers that are due.
    pub(crate) fn take_answers(&mut self) -> Vec<Answered> {
        std::mem::take(&mut self.answers)
    }

    /// Whether the log must learn of the group before the answers go out.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The topics that the members of a consumer group read; `None` if that cannot be told.
    pub(crate) fn subscribed_topics(&self) -> Option<HashSet<String>> {
        if self.protocol_type() != "consumer" {
            return None;
        }
        let mut topics = HashSet::new();
        for member in self.members.values() {
            match decode::<Subscription>(member.metadata(self.protocol())) {
                Ok(subscription) => topics.extend(subscription.topics.iter().map(ToString::to_string)),
                Err(error) => {
                    tracing::debug!(
                        member = member.id,
                        "what the member subscribes to cannot be read: {error}"
                    );
                    return None;
                }
            }
        }
        Some(topics)
    }

    /// A member lives, and learns whether it must join again.
    pub(crate) fn heartbeat(&mut self, claim: Claim<'_>, now: Millis) -> ErrorCode {
        if let Err(error) = self.check_claim(claim) {
            return error;
        }
        if let Some(member) = self.members.get_mut(claim.member_id) {
            member.refresh(now);
        }
        match self.state {
            GroupState::PreparingRebalance => ErrorCode::REBALANCE_IN_PROGRESS,
            _ => ErrorCode::NONE,
        }
    }

    /// Whether this member may commit offsets now. Without a generation only for groups without members, as admin tools do.
    pub(crate) fn check_commit(&mut self, claim: Claim<'_>, now: Millis) -> ErrorCode {
        if claim.generation < 0 && self.state == GroupState::Empty {
            return ErrorCode::NONE;
        }
        if let Err(error) = self.check_claim(claim) {
            return error;
        }
        if let Some(member) = self.members.get_mut(claim.member_id) {
            member.refresh(now);
        }
        match self.state {
            GroupState::CompletingRebalance => ErrorCode::REBALANCE_IN_PROGRESS,
            _ => ErrorCode::NONE,
        }
    }

    /// A member goes, or someone removes a static one by its instance id alone.
    pub(crate) fn leave(&mut self, member_id: &str, instance_id: Option<&str>, now: Millis) -> ErrorCode {
        let id = match instance_id {
            Some(instance) => match self.instances.get(instance) {
                None => return ErrorCode::UNKNOWN_MEMBER_ID,
                Some(known) if !member_id.is_empty() && known != member_id => {
                    return ErrorCode::FENCED_INSTANCE_ID;
                }
                Some(known) => known.clone(),
            },
            None => member_id.to_owned(),
        };
        if self.pending.remove(&id).is_some() {
            self.try_complete_join(now);
            return ErrorCode::NONE;
        }
        if !self.members.contains_key(&id) {
            return ErrorCode::UNKNOWN_MEMBER_ID;
        }
        self.remove_member(&id);
        self.rebalance_after_loss(now);
        ErrorCode::NONE
    }

    /// When [`Group::tick`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let sessions = self.members.values().filter_map(Member::deadline);
        sessions.chain(self.pending.values().copied()).chain(self.phase_ends_at).min()
    }

    /// Time has passed: the silent are removed, and rebalances go on without the late.
    pub(crate) fn tick(&mut self, now: Millis) {
        let forgotten = self.pending.len();
        self.pending.retain(|_, until| *until > now);
        if self.pending.len() < forgotten {
            self.try_complete_join(now);
        }
        let dead = |member: &&Member| member.deadline().is_some_and(|deadline| deadline <= now);
        let dead: Vec<String> = self.members.values().filter(dead).map(|member| member.id.clone()).collect();
        self.remove_and_rebalance(&dead, now);
        if self.phase_ends_at.is_some_and(|at| at <= now) {
            self.end_phase(now);
        }
    }

    fn end_phase(&mut self, now: Millis) {
        match self.state {
            GroupState::PreparingRebalance => self.end_join_phase(now),
            GroupState::CompletingRebalance => {
                let late = self.members.values().filter(|member| member.waits_for_sync.is_none());
                let late: Vec<String> = late.map(|member| member.id.clone()).collect();
                self.phase_ends_at = None;
                self.remove_and_rebalance(&late, now);
            }
            GroupState::Empty | GroupState::Stable => self.phase_ends_at = None,
        }
    }

    fn remove_and_rebalance(&mut self, ids: &[String], now: Millis) {
        for id in ids {
            self.remove_member(id);
        }
        if !ids.is_empty() {
            self.rebalance_after_loss(now);
        }
    }

    /// Takes a member out; whatever it waits for is answered.
    pub(super) fn remove_member(&mut self, id: &str) {
        let Some(member) = self.members.remove(id) else { return };
        self.answer_waiting(&member, ErrorCode::UNKNOWN_MEMBER_ID);
        if let Some(instance) = &member.instance_id {
            self.instances.remove(instance);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// Answers whatever a member waits for with an error.
    pub(super) fn answer_waiting(&mut self, member: &Member, error: ErrorCode) {
        if let Some(token) = member.waits_for_join {
            self.answers.push(Answered::Join(token, JoinAnswer::failed(error, &*member.id)));
        }
        if let Some(token) = member.waits_for_sync {
            self.answers.push(Answered::Sync(token, SyncAnswer::failed(error)));
        }
    }

    fn rebalance_after_loss(&mut self, now: Millis) {
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => self.prepare_rebalance(now),
            GroupState::PreparingRebalance => self.try_complete_join(now),
            GroupState::Empty => {}
        }
    }

    /// Whether the request comes from a member of this generation.
    pub(super) fn check_claim(&self, claim: Claim<'_>) -> Result<(), ErrorCode> {
        self.check_identity(claim.member_id, claim.instance_id)?;
        if claim.generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        Ok(())
    }

    pub(super) fn check_identity(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance_id {
            match self.instances.get(instance) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(known) if known != member_id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
    }
}

#[cfg(test)]
mod tests;
