//! The shell around the groups: hands requests to the state machines, and what comes of them to the journal.
//!
//! One lock guards all groups; nothing is read, written or awaited under it.

use std::{collections::HashMap, sync::Arc};

use broker_protocol::ErrorCode;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use super::{
    assignment::Sync,
    beats::{consumer_limits, consumer_records},
    commits,
    consumer::{ConsumerGroup, ConsumerLimits, ConsumerState, TopicImage},
    journal::{GroupRecord, Journal},
    loading::LoadedGroups,
    member::Millis,
    offsets::{CommittedOffset, OffsetTable},
    rebalance::Join,
    remembered::group_record,
    state::{Answered, Claim, Group, GroupLimits, JoinAnswer, SyncAnswer},
    waiting::{Due, Waiting},
};
use crate::{
    BrokerConfig,
    broker::now_ms,
    topics::{OFFSETS_TOPIC, Topics},
};

/// All groups and committed offsets.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(super) started: Instant,
    pub(super) limits: GroupLimits,
    pub(super) consumer_limits: ConsumerLimits,
    /// The topics as groups of the consumer protocol saw them last.
    pub(super) image: Mutex<Arc<TopicImage>>,
    pub(super) groups: Mutex<Groups>,
    pub(super) offsets: Mutex<OffsetTable>,
    pub(super) journal: Journal,
    /// A deadline may have come closer.
    pub(super) deadline_moved: Notify,
    failure: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) by_id: HashMap<String, Cell>,
    pub(super) waiting: Waiting,
    /// When the timer wakes.
    pub(super) wakes_at: Option<Millis>,
}

/// A group of one protocol or the other.
#[derive(Debug)]
pub(super) enum Kind {
    Classic(Group),
    Consumer(ConsumerGroup),
}

/// A group and what the shell knows of it.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) kind: Kind,
    /// When it last became Stable or Empty, in milliseconds since 1970.
    pub(super) since_ms: i64,
    /// Its last entry in the journal.
    pub(super) last_entry: u64,
}

impl Cell {
    pub(super) fn new(kind: Kind, since_ms: i64) -> Self {
        Self { kind, since_ms, last_entry: 0 }
    }

    /// Whether nothing would be lost by forgetting the group (its offsets are kept elsewhere).
    pub(super) fn is_idle(&self) -> bool {
        match &self.kind {
            Kind::Classic(group) => group.is_idle(),
            Kind::Consumer(group) => group.state() == ConsumerState::Empty,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        match &self.kind {
            Kind::Classic(group) => group.next_deadline(),
            Kind::Consumer(group) => group.next_deadline(),
        }
    }

    /// What the log is told when the group ends.
    pub(super) fn end(&self, id: &str) -> Vec<GroupRecord> {
        match &self.kind {
            Kind::Classic(_) => group_record(id, None).into_iter().collect(),
            Kind::Consumer(group) => consumer_records(id, &ConsumerGroup::new(), &group.all_changes()),
        }
    }
}

impl Coordinator {
    /// Loads groups and committed offsets. If they cannot be read, there is no coordinator, and the rest of the broker serves: to
    /// go on with a part of the offsets would send consumers back or forth in silence. Blocks on the disk.
    pub(crate) fn open(config: &BrokerConfig, topics: &Topics) -> Self {
        let (mut offsets, mut loaded, mut failure) = (OffsetTable::default(), LoadedGroups::default(), None);
        if let Some(topic) = topics.get(OFFSETS_TOPIC) {
            let mut load = |log: &Arc<_>| commits::load(log, &mut offsets, &mut loaded);
            if let Err(error) = topic.partitions().iter().try_for_each(&mut load) {
                tracing::error!("committed offsets cannot be read, groups are not served: {error}");
                failure = Some(format!("committed offsets cannot be read: {error}"));
            }
        }
        let delay = config.group_initial_rebalance_delay.as_millis();
        let limits = GroupLimits {
            initial_rebalance_delay_ms: u64::try_from(delay).unwrap_or(u64::MAX),
            members_max: config.group_size_max,
        };
        let consumer_limits = consumer_limits(config);
        Self {
            started: Instant::now(),
            limits,
            groups: Mutex::new(recall(loaded, limits, &consumer_limits)),
            consumer_limits,
            image: Mutex::default(),
            offsets: Mutex::new(offsets),
            journal: Journal::default(),
            deadline_moved: Notify::new(),
            failure,
        }
    }

    /// Why groups are not served, if they are not.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(super) fn now(&self) -> Millis {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Does something to a group; what it remembers goes to the journal, and its answers behind it.
    pub(super) fn with_group<T>(
        &self,
        groups: &mut Groups,
        id: &str,
        act: impl FnOnce(&mut Group, Millis) -> T,
    ) -> Option<T> {
        let now = self.now();
        let cell = groups.by_id.get_mut(id)?;
        let Kind::Classic(group) = &mut cell.kind else { return None };
        let result = act(group, now);
        let mut records = Vec::new();
        if group.take_changed() {
            cell.since_ms = now_ms();
            records.extend(group_record(id, Some(&group.remember(cell.since_ms))));
        }
        let answers = group.take_answers();
        let due: Vec<Due> = answers.into_iter().filter_map(|answer| groups.waiting.due(answer)).collect();
        self.journal.settle(&mut cell.last_entry, records, due);
        self.wake_for(cell.next_deadline(), groups.wakes_at);
        Some(result)
    }

    /// Wakes the timer if it would sleep for too long.
    pub(super) fn wake_for(&self, deadline: Option<Millis>, wakes_at: Option<Millis>) {
        if deadline.is_some_and(|deadline| wakes_at.is_none_or(|wakes_at| deadline < wakes_at)) {
            self.deadline_moved.notify_one();
        }
    }

    /// A member joins; the answer may take a whole rebalance.
    pub(crate) fn join(&self, group: &str, join: Join) -> oneshot::Receiver<JoinAnswer> {
        let mut groups = self.groups.lock();
        let (token, receiver) = groups.waiting.for_join();
        if !self.make_way_for_classic(&mut groups, group) {
            let answer = JoinAnswer::failed(ErrorCode::INCONSISTENT_GROUP_PROTOCOL, join.member_id);
            groups.answer_now(Answered::Join(token, answer));
            return receiver;
        }
        if !groups.by_id.contains_key(group) {
            if !join.member_id.is_empty() {
                let answer = JoinAnswer::failed(ErrorCode::UNKNOWN_MEMBER_ID, join.member_id);
                groups.answer_now(Answered::Join(token, answer));
                return receiver;
            }
            groups
                .by_id
                .insert(group.to_owned(), Cell::new(Kind::Classic(Group::new(self.limits)), now_ms()));
        }
        self.with_group(&mut groups, group, |group, now| group.join(join, token, now));
        receiver
    }

    /// A member asks for its assignment, or brings everyone's.
    pub(crate) fn sync(&self, group: &str, sync: Sync<'_>) -> oneshot::Receiver<SyncAnswer> {
        let mut groups = self.groups.lock();
        let (token, receiver) = groups.waiting.for_sync();
        if self.with_group(&mut groups, group, |group, now| group.sync(sync, token, now)).is_none() {
            groups.answer_now(Answered::Sync(token, SyncAnswer::failed(ErrorCode::UNKNOWN_MEMBER_ID)));
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

    /// Completes when all that the group has recorded so far is on disk.
    pub(crate) fn written(&self, group: &str) -> oneshot::Receiver<ErrorCode> {
        let (sender, receiver) = oneshot::channel();
        let mut groups = self.groups.lock();
        match groups.by_id.get_mut(group) {
            Some(cell) => self.journal.settle(&mut cell.last_entry, Vec::new(), vec![Due::Written(sender)]),
            None => Due::Written(sender).deliver(),
        }
        receiver
    }

    /// Whether a commit by this member is in order.
    pub(crate) fn check_commit(&self, group: &str, claim: Claim<'_>) -> ErrorCode {
        if self.failure.is_some() {
            return ErrorCode::COORDINATOR_NOT_AVAILABLE;
        }
        let mut groups = self.groups.lock();
        if let Some(Cell { kind: Kind::Consumer(group), .. }) = groups.by_id.get(group) {
            return group.check_offsets(claim.member_id, claim.generation, true);
        }
        let result = self.with_group(&mut groups, group, |group, now| group.check_commit(claim, now));
        let unknown = if claim.generation < 0 { ErrorCode::NONE } else { ErrorCode::ILLEGAL_GENERATION };
        result.unwrap_or(unknown)
    }

    /// One committed offset.
    pub(crate) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<CommittedOffset> {
        self.offsets.lock().get(group, topic, partition).cloned()
    }

    /// All committed offsets of a group.
    pub(crate) fn committed_of(&self, group: &str) -> Vec<(String, i32, CommittedOffset)> {
        self.offsets.lock().of_group(group)
    }
}

impl Groups {
    fn answer_now(&mut self, answered: Answered) {
        if let Some(due) = self.waiting.due(answered) {
            due.deliver();
        }
    }
}

/// The groups that the log told of, as they are at the start.
fn recall(loaded: LoadedGroups, limits: GroupLimits, consumer_limits: &ConsumerLimits) -> Groups {
    let mut groups = Groups::default();
    for (id, value) in loaded.classic {
        let since_ms = value.current_state_timestamp;
        groups.by_id.insert(id, Cell::new(Kind::Classic(Group::recall(limits, value, 0)), since_ms));
    }
    for (id, loaded) in loaded.consumer {
        if let Some(group) = loaded.recall(consumer_limits, 0) {
            groups.by_id.insert(id, Cell::new(Kind::Consumer(group), -1));
        }
    }
    groups
}
