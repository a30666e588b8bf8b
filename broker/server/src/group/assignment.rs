//! Syncing: how the assignment that the leader made reaches everyone.

use broker_protocol::ErrorCode;
use bytes::Bytes;

use super::{
    member::{Millis, Token},
    state::{Answered, Claim, Group, GroupState, SyncAnswer},
};

/// A SyncGroup request.
#[derive(Clone, Debug)]
pub(crate) struct Sync<'a> {
    pub(crate) claim: Claim<'a>,
    pub(crate) protocol_type: Option<&'a str>,
    pub(crate) protocol: Option<&'a str>,
    /// From the leader: member id and what it gets.
    pub(crate) assignments: Vec<(String, Bytes)>,
}

impl Group {
    /// A member asks for its assignment; the leader brings them all.
    pub(crate) fn sync(&mut self, sync: Sync<'_>, token: Token, now: Millis) {
        if let Err(error) = self.check_sync(&sync) {
            self.answers.push(Answered::Sync(token, SyncAnswer::failed(error)));
            return;
        }
        let id = sync.claim.member_id;
        if self.state == GroupState::Stable {
            let answer = self.sync_answer(id);
            if let Some(member) = self.members.get_mut(id) {
                member.refresh(now);
            }
            self.answers.push(Answered::Sync(token, answer));
            return;
        }
        if let Some(member) = self.members.get_mut(id)
            && let Some(overtaken) = member.waits_for_sync.replace(token)
        {
            let answer = SyncAnswer::failed(ErrorCode::REBALANCE_IN_PROGRESS);
            self.answers.push(Answered::Sync(overtaken, answer));
        }
        if self.leader.as_deref() == Some(id) {
            self.assign(sync.assignments, now);
        }
    }

    fn check_sync(&self, sync: &Sync<'_>) -> Result<(), ErrorCode> {
        self.check_claim(sync.claim)?;
        let differs = |given: Option<&str>, ours: &Option<String>| {
            given.is_some_and(|given| ours.as_deref() != Some(given))
        };
        if differs(sync.protocol_type, &self.protocol_type) || differs(sync.protocol, &self.protocol) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match self.state {
            GroupState::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            GroupState::PreparingRebalance => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
        }
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Millis) {
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.state = GroupState::Stable;
        self.phase_ends_at = None;
        self.changed = true;
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.sync_answer(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            if let Some(token) = member.waits_for_sync.take() {
                member.refresh(now);
                self.answers.push(Answered::Sync(token, answer));
            }
        }
    }

    fn sync_answer(&self, member_id: &str) -> SyncAnswer {
        SyncAnswer {
            error: ErrorCode::NONE,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self
                .members
                .get(member_id)
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
        }
    }
}
