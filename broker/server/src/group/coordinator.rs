//! The shell around the groups: hands requests to the state machines, answers to those who wait, and time to both.
//!
//! One lock guards all groups; nothing is read, written or awaited under it. The timer sleeps until the earliest deadline of
//! any group, so a broker without groups never wakes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use broker_protocol::ErrorCode;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use super::{
    assignment::Sync,
    commits,
    member::{Millis, Token},
    offsets::{CommittedOffset, OffsetTable},
    rebalance::Join,
    state::{Answered, Claim, Group, GroupLimits, GroupState, JoinAnswer, SyncAnswer},
};
use crate::{
    BrokerConfig,
    broker::{State, now_ms},
    topics::{OFFSETS_TOPIC, Topics},
};

/// All groups and committed offsets.
#[derive(Debug)]
pub(crate) struct Coordinator {
    started: Instant,
    limits: GroupLimits,
    groups: Mutex<Groups>,
    pub(super) offsets: Mutex<OffsetTable>,
    /// A deadline may have come closer.
    deadline_moved: Notify,
    failure: Option<String>,
}

#[derive(Debug, Default)]
struct Groups {
    by_id: HashMap<String, Cell>,
    joins: HashMap<Token, oneshot::Sender<JoinAnswer>>,
    syncs: HashMap<Token, oneshot::Sender<SyncAnswer>>,
    next_token: Token,
    /// When the timer wakes.
    wakes_at: Option<Millis>,
}

#[derive(Debug)]
struct Cell {
    group: Group,
    /// When its last member went, in milliseconds since 1970.
    emptied_ms: i64,
}

/// A group for those who list and describe.
#[derive(Clone, Debug)]
pub(crate) struct GroupView {
    pub(crate) id: String,
    pub(crate) state: GroupState,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) members: Vec<MemberView>,
}

/// A member of a [`GroupView`].
#[derive(Clone, Debug)]
pub(crate) struct MemberView {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}

impl Coordinator {
    /// Loads the committed offsets. If they cannot be read, there is no coordinator, and the rest of the broker serves: to go on
    /// with a part of the offsets would send consumers back or forth in silence. Blocks on the disk.
    pub(crate) fn open(config: &BrokerConfig, topics: &Topics) -> Self {
        let (mut offsets, mut failure) = (OffsetTable::default(), None);
        if let Some(topic) = topics.get(OFFSETS_TOPIC) {
            let loaded = topic.partitions().iter().try_for_each(|log| commits::load(log, &mut offsets));
            if let Err(error) = loaded {
                tracing::error!("committed offsets cannot be read, groups are not served: {error}");
                failure = Some(format!("committed offsets cannot be read: {error}"));
            }
        }
        let delay = config.group_initial_rebalance_delay.as_millis();
        Self {
            started: Instant::now(),
            limits: GroupLimits {
                initial_rebalance_delay_ms: u64::try_from(delay).unwrap_or(u64::MAX),
                members_max: config.group_size_max,
            },
            groups: Mutex::default(),
            offsets: Mutex::new(offsets),
            deadline_moved: Notify::new(),
            failure,
        }
    }

    /// Why groups are not served, if they are not.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn now(&self) -> Millis {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Does something to a group and sends the answers that come of it.
    fn with_group<T>(
        &self,
        groups: &mut Groups,
        id: &str,
        act: impl FnOnce(&mut Group, Millis) -> T,
    ) -> Option<T> {
        let now = self.now();
        let cell = groups.by_id.get_mut(id)?;
        let had_members = !cell.group.is_idle();
        let result = act(&mut cell.group, now);
        if had_members && cell.group.is_idle() {
            cell.emptied_ms = now_ms();
        }
        let (answers, deadline) = (cell.group.take_answers(), cell.group.next_deadline());
        for answer in answers {
            groups.send(answer);
        }
        if deadline.is_some_and(|deadline| groups.wakes_at.is_none_or(|wakes_at| deadline < wakes_at)) {
            self.deadline_moved.notify_one();
        }
        Some(result)
    }

    /// A member joins; the answer may take a whole rebalance.
    pub(crate) fn join(&self, group: &str, join: Join) -> oneshot::Receiver<JoinAnswer> {
        let mut groups = self.groups.lock();
        let (token, receiver) = groups.wait_for_join();
        if !groups.by_id.contains_key(group) {
            if !join.member_id.is_empty() {
                let answer = JoinAnswer::failed(ErrorCode::UNKNOWN_MEMBER_ID, join.member_id);
                groups.send(Answered::Join(token, answer));
                return receiver;
            }
            let cell = Cell { group: Group::new(self.limits), emptied_ms: now_ms() };
            groups.by_id.insert(group.to_owned(), cell);
        }
        self.with_group(&mut groups, group, |group, now| group.join(join, token, now));
        receiver
    }

    /// A member asks for its assignment, or brings everyone's.
    pub(crate) fn sync(&self, group: &str, sync: Sync<'_>) -> oneshot::Receiver<SyncAnswer> {
        let mut groups = self.groups.lock();
        let (token, receiver) = groups.wait_for_sync();
        if self.with_group(&mut groups, group, |group, now| group.sync(sync, token, now)).is_none() {
            groups.send(Answered::Sync(token, SyncAnswer::failed(ErrorCode::UNKNOWN_MEMBER_ID)));
        }
        receiver
    }

    /// A member lives.
    pub(crate) fn heartbeat(&self, group: &str, claim: Claim<'_>) -> ErrorCode {
        let mut groups = self.groups.lock();
        let result = self.with_group(&mut groups, group, |group, now| group.heartbeat(claim, now));
        result.unwrap_or(ErrorCode::UNKNOWN_MEMBER_ID)
    }

    /// A member goes.
    pub(crate) fn leave(&self, group: &str, member_id: &str, instance_id: Option<&str>) -> ErrorCode {
        let mut groups = self.groups.lock();
        let result =
            self.with_group(&mut groups, group, |group, now| group.leave(member_id, instance_id, now));
        result.unwrap_or(ErrorCode::UNKNOWN_MEMBER_ID)
    }

    /// Whether a commit by this member is in order.
    pub(crate) fn check_commit(&self, group: &str, claim: Claim<'_>) -> ErrorCode {
        if self.failure.is_some() {
            return ErrorCode::COORDINATOR_NOT_AVAILABLE;
        }
        let mut groups = self.groups.lock();
        let result = self.with_group(&mut groups, group, |group, now| group.check_commit(claim, now));
        let unknown = if claim.generation < 0 { ErrorCode::NONE } else { ErrorCode::ILLEGAL_GENERATION };
        result.unwrap_or(unknown)
    }

    /// All groups that have members or offsets, by name.
    pub(crate) fn list(&self) -> Vec<GroupView> {
        let mut ids: Vec<String> = self.offsets.lock().groups().cloned().collect();
        ids.extend(self.groups.lock().by_id.keys().cloned());
        ids.sort_unstable();
        ids.dedup();
        ids.iter().filter_map(|id| self.describe(id)).collect()
    }

    /// One group; `None` if there is none of that name.
    pub(crate) fn describe(&self, id: &str) -> Option<GroupView> {
        let has_offsets = self.offsets.lock().contains(id);
        let groups = self.groups.lock();
        match groups.by_id.get(id) {
            Some(cell) if has_offsets || !cell.group.is_idle() => Some(view(id, &cell.group)),
            None | Some(_) if has_offsets => Some(view(id, &Group::new(self.limits))),
            _ => None,
        }
    }

    /// How many groups there are.
    pub(crate) fn group_count(&self) -> usize {
        self.list().len()
    }

    /// One committed offset.
    pub(crate) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<CommittedOffset> {
        self.offsets.lock().get(group, topic, partition).cloned()
    }

    /// All committed offsets of a group.
    pub(crate) fn committed_of(&self, group: &str) -> Vec<(String, i32, CommittedOffset)> {
        self.offsets.lock().of_group(group)
    }

    /// Takes a group without members and its offsets out of memory and log.
    pub(crate) async fn delete_group(state: &Arc<State>, id: &str) -> ErrorCode {
        let Some(view) = state.groups.describe(id) else { return ErrorCode::GROUP_ID_NOT_FOUND };
        if view.state != GroupState::Empty {
            return ErrorCode::NON_EMPTY_GROUP;
        }
        let keys = {
            let offsets = state.groups.offsets.lock();
            let mut keys = offsets.keys_where(|group, _, _| group == id);
            keys.extend(offsets.pending_of_group(id));
            keys.sort_unstable();
            keys.dedup();
            keys
        };
        let deleted = Self::commit(state, keys.into_iter().map(|key| (key, None)).collect()).await;
        if deleted == ErrorCode::NONE {
            let mut groups = state.groups.groups.lock();
            if groups.by_id.get(id).is_some_and(|cell| cell.group.is_idle()) {
                groups.by_id.remove(id);
            }
        }
        deleted
    }

    /// Forgets the offsets of a deleted topic.
    pub(crate) async fn forget_topic(state: &Arc<State>, name: &str) {
        let keys = state.groups.offsets.lock().keys_where(|_, topic, _| topic == name);
        let code = Self::commit(state, keys.into_iter().map(|key| (key, None)).collect()).await;
        if code != ErrorCode::NONE {
            tracing::warn!(topic = name, "committed offsets of the deleted topic stay: {code}");
        }
    }

    /// Removes offsets of groups that have been without members for too long.
    pub(crate) async fn expire_offsets(state: &Arc<State>) {
        let retention = i64::try_from(state.config.offsets_retention.as_millis()).unwrap_or(i64::MAX);
        let oldest = now_ms().saturating_sub(retention);
        let emptied: HashMap<String, Option<i64>> = {
            let groups = state.groups.groups.lock();
            let since = |cell: &Cell| cell.group.is_idle().then_some(cell.emptied_ms);
            groups.by_id.iter().map(|(id, cell)| (id.clone(), since(cell))).collect()
        };
        let expired = |group: &str, committed: &CommittedOffset| match emptied.get(group) {
            Some(None) => false,
            Some(Some(emptied_ms)) => committed.commit_ms.max(*emptied_ms) < oldest,
            None => committed.commit_ms < oldest,
        };
        let keys = {
            let offsets = state.groups.offsets.lock();
            let mut keys = offsets.keys_where(|group, _, committed| expired(group, committed));
            // A transaction is about to renew it, perhaps.
            keys.retain(|key| !offsets.is_pending(key));
            keys
        };
        if !keys.is_empty() {
            tracing::info!(offsets = keys.len(), "committed offsets expired");
            Self::commit(state, keys.into_iter().map(|key| (key, None)).collect()).await;
        }
        let known: Vec<String> = state.groups.offsets.lock().groups().cloned().collect();
        let mut groups = state.groups.groups.lock();
        groups
            .by_id
            .retain(|id, cell| !cell.group.is_idle() || cell.emptied_ms >= oldest || known.contains(id));
    }
}

impl Groups {
    fn wait_for_join(&mut self) -> (Token, oneshot::Receiver<JoinAnswer>) {
        let (sender, receiver) = oneshot::channel();
        self.next_token += 1;
        self.joins.insert(self.next_token, sender);
        (self.next_token, receiver)
    }

    fn wait_for_sync(&mut self) -> (Token, oneshot::Receiver<SyncAnswer>) {
        let (sender, receiver) = oneshot::channel();
        self.next_token += 1;
        self.syncs.insert(self.next_token, sender);
        (self.next_token, receiver)
    }

    /// Sends an answer; whoever asked may be gone.
    fn send(&mut self, answer: Answered) {
        let gone = match answer {
            Answered::Join(token, answer) => {
                self.joins.remove(&token).is_some_and(|sender| sender.send(answer).is_err())
            }
            Answered::Sync(token, answer) => {
                self.syncs.remove(&token).is_some_and(|sender| sender.send(answer).is_err())
            }
        };
        if gone {
            tracing::debug!("a group member hung up before its answer");
        }
    }
}

fn view(id: &str, group: &Group) -> GroupView {
    let protocol = group.protocol().to_owned();
    let stable = group.state() == GroupState::Stable;
    let member = |member: &super::member::Member| MemberView {
        id: member.id.clone(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        metadata: if stable { member.metadata(&protocol) } else { Bytes::new() },
        assignment: if stable { member.assignment.clone() } else { Bytes::new() },
    };
    GroupView {
        id: id.to_owned(),
        state: group.state(),
        protocol_type: group.protocol_type().to_owned(),
        members: group.members().map(member).collect(),
        protocol,
    }
}

/// Gives time to the groups until shutdown.
pub(crate) async fn run_timer(state: Arc<State>) {
    let coordinator = &state.groups;
    loop {
        let wakes_at = {
            let mut groups = coordinator.groups.lock();
            groups.wakes_at = groups.by_id.values().filter_map(|cell| cell.group.next_deadline()).min();
            groups.wakes_at
        };
        let sleep = async {
            match wakes_at {
                Some(at) => tokio::time::sleep_until(coordinator.started + Duration::from_millis(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = coordinator.deadline_moved.notified() => {}
            () = state.shutdown.cancelled() => return,
        }
        let mut groups = coordinator.groups.lock();
        let now = coordinator.now();
        let due = |cell: &Cell| cell.group.next_deadline().is_some_and(|deadline| deadline <= now);
        let due: Vec<String> =
            groups.by_id.iter().filter(|(_, cell)| due(cell)).map(|(id, _)| id.clone()).collect();
        for id in due {
            coordinator.with_group(&mut groups, &id, Group::tick);
        }
    }
}
