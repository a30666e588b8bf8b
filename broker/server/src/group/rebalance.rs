//! Joining: how a generation comes about.

use broker_protocol::ErrorCode;
use bytes::Bytes;

use super::{
    member::{Member, Millis, Token},
    state::{Answered, Group, GroupState, JoinAnswer, SyncAnswer},
};

/// How long a newcomer's first rebalance may take before the newcomer is given up, as in Kafka.
const NEWCOMER_WAIT_MS: u64 = 300_000;

/// A JoinGroup request.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// Empty for a newcomer.
    pub(crate) member_id: String,
    /// The id it gets if it has none.
    pub(crate) new_member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout_ms: u64,
    pub(crate) rebalance_timeout_ms: u64,
    pub(crate) protocol_type: String,
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// A newcomer must come again with the id that it is given (KIP-394).
    pub(crate) known_id_required: bool,
    /// The member understands that the leader may skip the assignment (KIP-814).
    pub(crate) can_skip_assignment: bool,
}

impl Group {
    /// A member joins, or joins again. It is answered at once or when the rebalance is complete.
    pub(crate) fn join(&mut self, join: Join, token: Token, now: Millis) {
        if !self.has_room_for(&join.member_id) {
            self.remove_member(&join.member_id);
            self.refuse_join(token, ErrorCode::GROUP_MAX_SIZE_REACHED, "");
            return self.try_complete_join(now);
        }
        if !self.agrees(&join) {
            return self.refuse_join(token, ErrorCode::INCONSISTENT_GROUP_PROTOCOL, &join.member_id);
        }
        if join.member_id.is_empty() {
            return self.join_newcomer(join, token, now);
        }
        if join.instance_id.is_none() && self.pending.remove(&join.member_id).is_some() {
            let id = join.member_id.clone();
            return self.add_member(id, join, token, now);
        }
        if let Err(error) = self.check_identity(&join.member_id, join.instance_id.as_deref()) {
            return self.refuse_join(token, error, &join.member_id);
        }
        self.rejoin(join, token, now);
    }

    /// Whether the member shares a protocol with all members, itself as it was included.
    fn agrees(&self, join: &Join) -> bool {
        if self.state == GroupState::Empty {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        let shared = |(name, _): &(String, Bytes)| self.members.values().all(|member| member.supports(name));
        self.protocol_type.as_deref() == Some(&join.protocol_type) && join.protocols.iter().any(shared)
    }

    /// Whether the group takes this member, or keeps it: members count, and while they gather, those who have joined.
    fn has_room_for(&self, member_id: &str) -> bool {
        let member = self.members.get(member_id);
        match self.state {
            GroupState::Empty => true,
            GroupState::PreparingRebalance => {
                let joined = |member: &&Member| member.waits_for_join.is_some();
                member.as_ref().is_some_and(joined)
                    || self.members.values().filter(joined).count() < self.limits.members_max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                member.is_some() || self.members.len() < self.limits.members_max
            }
        }
    }

    fn refuse_join(&mut self, token: Token, error: ErrorCode, member_id: &str) {
        self.answers.push(Answered::Join(token, JoinAnswer::failed(error, member_id)));
    }

    fn join_newcomer(&mut self, join: Join, token: Token, now: Millis) {
        let id = join.new_member_id.clone();
        if let Some(instance) = &join.instance_id {
            return match self.instances.get(instance).cloned() {
                Some(old_id) => self.replace_static_member(&old_id, join, token, now),
                None => self.add_member(id, join, token, now),
            };
        }
        if join.known_id_required {
            self.pending.insert(id.clone(), now.saturating_add(join.session_timeout_ms));
            return self.refuse_join(token, ErrorCode::MEMBER_ID_REQUIRED, &id);
        }
        self.add_member(id, join, token, now);
    }

    fn add_member(&mut self, id: String, join: Join, token: Token, now: Millis) {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        if let Some(instance) = &join.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        let mut member = Member {
            id: id.clone(),
            instance_id: join.instance_id,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: join.protocols,
            assignment: Bytes::new(),
            waits_for_join: Some(token),
            waits_for_sync: None,
            expires_at: 0,
            given_up_at: Some(now.saturating_add(NEWCOMER_WAIT_MS)),
        };
        member.refresh(now);
        self.members.insert(id, member);
        self.joined_while_gathering = true;
        self.go_on(now);
    }

    /// A member that is known joins again: it waits for the rebalance that this makes, unless nothing changes for it.
    fn rejoin(&mut self, join: Join, token: Token, now: Millis) {
        let (id, is_leader) = (join.member_id.clone(), self.leader.as_deref() == Some(&join.member_id));
        let changed = self.members.get(&id).is_none_or(|member| member.protocols != join.protocols);
        let repeats_itself = match self.state {
            GroupState::CompletingRebalance => !changed,
            GroupState::Stable => !changed && !is_leader,
            GroupState::Empty | GroupState::PreparingRebalance => false,
        };
        if repeats_itself {
            if let Some(member) = self.members.get_mut(&id) {
                member.refresh(now);
            }
            // It missed the answer of this generation.
            let answer = self.join_answer(&id);
            self.answers.push(Answered::Join(token, answer));
            return;
        }
        self.update_member(&id, join, token, now);
        self.go_on(now);
    }

    fn update_member(&mut self, id: &str, join: Join, token: Token, now: Millis) {
        let Some(mut member) = self.members.remove(id) else { return };
        // A request that was waiting is overtaken by this one.
        self.answer_waiting(&member, ErrorCode::REBALANCE_IN_PROGRESS);
        member.waits_for_sync = None;
        member.waits_for_join = Some(token);
        member.protocols = join.protocols;
        member.session_timeout_ms = join.session_timeout_ms;
        member.rebalance_timeout_ms = join.rebalance_timeout_ms;
        (member.client_id, member.client_host) = (join.client_id, join.client_host);
        member.refresh(now);
        self.members.insert(id.to_owned(), member);
    }

    /// A static member came back without its id, as after a restart: it takes the place of its former self.
    fn replace_static_member(&mut self, old_id: &str, join: Join, token: Token, now: Millis) {
        let Some(mut member) = self.members.remove(old_id) else { return };
        self.answer_waiting(&member, ErrorCode::FENCED_INSTANCE_ID);
        (member.waits_for_join, member.waits_for_sync) = (None, None);
        let new_id = join.new_member_id.clone();
        let was_leader = self.leader.as_deref() == Some(old_id);
        if was_leader {
            self.leader = Some(new_id.clone());
        }
        if let Some(instance) = &join.instance_id {
            self.instances.insert(instance.clone(), new_id.clone());
        }
        member.id.clone_from(&new_id);
        member.protocols.clone_from(&join.protocols);
        member.session_timeout_ms = join.session_timeout_ms;
        member.rebalance_timeout_ms = join.rebalance_timeout_ms;
        (member.client_id, member.client_host) = (join.client_id.clone(), join.client_host.clone());
        member.refresh(now);
        self.members.insert(new_id.clone(), member);
        let can_skip = join.can_skip_assignment;
        if self.state == GroupState::Stable && self.choose_protocol() == self.protocol {
            // Its assignment is still right, so the others need not stop for it.
            self.changed = true;
            let mut answer = self.join_answer(&new_id);
            answer.skip_assignment = was_leader && can_skip;
            if was_leader && !can_skip {
                // It must not assign anew; it takes itself for a follower.
                old_id.clone_into(&mut answer.leader);
                answer.members.clear();
            }
            self.answers.push(Answered::Join(token, answer));
            return;
        }
        self.update_member(&new_id, join, token, now);
        self.go_on(now);
    }

    /// A member waits for a rebalance: begins one, or sees whether the one under way is complete.
    fn go_on(&mut self, now: Millis) {
        if self.state == GroupState::PreparingRebalance {
            self.try_complete_join(now);
        } else {
            self.prepare_rebalance(now);
        }
    }

    /// Asks everyone to join again.
    pub(super) fn prepare_rebalance(&mut self, now: Millis) {
        for member in self.members.values_mut() {
            if let Some(token) = member.waits_for_sync.take() {
                let answer = SyncAnswer::failed(ErrorCode::REBALANCE_IN_PROGRESS);
                self.answers.push(Answered::Sync(token, answer));
                member.refresh(now);
            }
        }
        let timeout = self.rebalance_timeout_ms();
        let delay = self.limits.initial_rebalance_delay_ms.min(timeout);
        if self.state == GroupState::Empty && delay > 0 {
            self.gathering_until = Some(now.saturating_add(timeout));
            self.joined_while_gathering = false;
            self.phase_ends_at = Some(now.saturating_add(delay));
        } else {
            self.gathering_until = None;
            self.phase_ends_at = Some(now.saturating_add(timeout));
        }
        self.state = GroupState::PreparingRebalance;
        self.try_complete_join(now);
    }

    fn rebalance_timeout_ms(&self) -> u64 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// Goes on if everyone has joined.
    pub(super) fn try_complete_join(&mut self, now: Millis) {
        if self.state != GroupState::PreparingRebalance {
            return;
        }
        let everyone =
            self.pending.is_empty() && self.members.values().all(|member| member.waits_for_join.is_some());
        let gathering = self.gathering_until.is_some() && !self.members.is_empty();
        if everyone && !gathering {
            self.complete_join(now);
        }
    }

    /// The time to join is up, or another member came while the group gathered.
    pub(super) fn end_join_phase(&mut self, now: Millis) {
        if let Some(until) = self.gathering_until
            && self.joined_while_gathering
            && now < until
        {
            self.joined_while_gathering = false;
            self.phase_ends_at = Some(until.min(now.saturating_add(self.limits.initial_rebalance_delay_ms)));
            return;
        }
        self.complete_join(now);
    }

    fn complete_join(&mut self, now: Millis) {
        (self.phase_ends_at, self.gathering_until) = (None, None);
        // Static members may be away; they go when their session expires.
        let late = |member: &&Member| member.waits_for_join.is_none() && member.instance_id.is_none();
        let late: Vec<String> = self.members.values().filter(late).map(|member| member.id.clone()).collect();
        for id in late {
            self.remove_member(&id);
        }
        if self.members.is_empty() {
            self.generation = self.generation.checked_add(1).unwrap_or(1);
            self.state = GroupState::Empty;
            (self.leader, self.protocol) = (None, None);
            self.changed = true;
            return;
        }
        let joined = |id: &String| self.members.get(id).is_some_and(|member| member.waits_for_join.is_some());
        if !self.leader.as_ref().is_some_and(joined) {
            let first = self.members.values().find(|member| member.waits_for_join.is_some());
            let Some(first) = first else {
                // Only static members, all away: wait for the first to come back, or to expire.
                self.phase_ends_at = Some(now.saturating_add(self.rebalance_timeout_ms().max(1)));
                return;
            };
            self.leader = Some(first.id.clone());
        }
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.protocol = self.choose_protocol();
        self.state = GroupState::CompletingRebalance;
        self.phase_ends_at = Some(now.saturating_add(self.rebalance_timeout_ms()));
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.join_answer(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            (member.assignment, member.given_up_at) = (Bytes::new(), None);
            if let Some(token) = member.waits_for_join.take() {
                member.refresh(now);
                self.answers.push(Answered::Join(token, answer));
            }
        }
    }

    /// The protocol that everyone can do and most like best.
    fn choose_protocol(&self) -> Option<String> {
        let everyone_can = |name: &str| self.members.values().all(|member| member.supports(name));
        let candidates = &self.members.values().next()?.protocols;
        let candidates: Vec<&String> =
            candidates.iter().map(|(name, _)| name).filter(|name| everyone_can(name)).collect();
        let vote = |member: &Member| {
            member.protocols.iter().find(|(name, _)| candidates.contains(&name)).map(|(name, _)| name.clone())
        };
        let votes: Vec<String> = self.members.values().filter_map(vote).collect();
        let count = |name: &String| votes.iter().filter(|vote| *vote == name).count();
        // The first of those with the most votes, in the order of the first member.
        candidates.iter().rev().max_by_key(|name| count(name)).map(|name| (*name).clone())
    }

    /// What a member of this generation is told.
    fn join_answer(&self, member_id: &str) -> JoinAnswer {
        let is_leader = self.leader.as_deref() == Some(member_id);
        let protocol = self.protocol();
        let describe =
            |member: &Member| (member.id.clone(), member.instance_id.clone(), member.metadata(protocol));
        JoinAnswer {
            error: ErrorCode::NONE,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: member_id.to_owned(),
            members: if is_leader { self.members.values().map(describe).collect() } else { Vec::new() },
            skip_assignment: false,
        }
    }
}
