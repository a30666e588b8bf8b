//! The shell around groups of the consumer protocol: heartbeats in, answers out once what they say is on disk.

use std::{collections::BTreeSet, sync::Arc};

use broker_protocol::ErrorCode;
use tokio::sync::oneshot;

use super::{
    consumer::{Beat, Change, ConsumerGroup, ConsumerLimits, ConsumerState, Refused, TopicImage},
    coordinator::{Cell, Coordinator, Groups, Kind},
    journal::GroupRecord,
    waiting::{BeatResult, Due},
};
use crate::{BrokerConfig, broker::now_ms, topics::Topics};

/// What the settings say about groups of the consumer protocol.
pub(super) fn consumer_limits(config: &BrokerConfig) -> ConsumerLimits {
    let milliseconds = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    ConsumerLimits {
        session_timeout_ms: milliseconds(config.consumer_group_session_timeout),
        heartbeat_interval_ms: milliseconds(config.consumer_group_heartbeat_interval),
        members_max: config.consumer_group_size_max,
        assignors: config.consumer_group_assignors.clone(),
    }
}

/// The records of these changes; none and a line in the log if they are too long to be stored.
pub(super) fn consumer_records(
    id: &str,
    group: &ConsumerGroup,
    changes: &BTreeSet<Change>,
) -> Vec<GroupRecord> {
    group.records(id, changes).unwrap_or_else(|error| {
        tracing::warn!(group = id, "the group cannot be stored, a restart forgets its members: {error}");
        Vec::new()
    })
}

impl Coordinator {
    /// A member of a group of the consumer protocol joins, stays or leaves.
    pub(crate) fn beat(&self, topics: &Topics, group: &str, beat: &Beat) -> oneshot::Receiver<BeatResult> {
        let image = self.image(topics);
        let (sender, receiver) = oneshot::channel();
        let mut groups = self.groups.lock();
        let now = self.now();
        let wakes_at = groups.wakes_at;
        let result = self.consumer_group(&mut groups, group, beat.member_epoch == 0).map(|cell| {
            let Kind::Consumer(consumers) = &mut cell.kind else { return None };
            let result = consumers.heartbeat(beat, &self.consumer_limits, &image, now);
            Some((result, self.changes_of(group, consumers), cell))
        });
        match result {
            Ok(Some((result, records, cell))) => {
                self.journal.settle(&mut cell.last_entry, records, vec![Due::Beat(sender, result)]);
                self.wake_for(cell.next_deadline(), wakes_at);
            }
            Ok(None) => Due::Beat(sender, Err(not_a_consumer_group(group))).deliver(),
            Err(refused) => Due::Beat(sender, Err(refused)).deliver(),
        }
        receiver
    }

    /// Time has passed for a group of the consumer protocol.
    pub(super) fn tick_consumer_group(&self, groups: &mut Groups, id: &str) {
        let now = self.now();
        let Some(cell) = groups.by_id.get_mut(id) else { return };
        let Kind::Consumer(group) = &mut cell.kind else { return };
        group.tick(now);
        let records = self.changes_of(id, group);
        self.journal.settle(&mut cell.last_entry, records, Vec::new());
    }

    fn changes_of(&self, id: &str, group: &mut ConsumerGroup) -> Vec<GroupRecord> {
        let changes = group.take_changes();
        consumer_records(id, group, &changes)
    }

    /// The group of that name. A newcomer makes it, or takes over a classic group without members.
    fn consumer_group<'a>(
        &self,
        groups: &'a mut Groups,
        id: &str,
        joins: bool,
    ) -> Result<&'a mut Cell, Refused> {
        let replaceable = match groups.by_id.get(id) {
            Some(Cell { kind: Kind::Consumer(_), .. }) => false,
            Some(cell) => joins && cell.is_idle(),
            None => joins,
        };
        if replaceable {
            self.replace(groups, id, Kind::Consumer(ConsumerGroup::new()));
        }
        let missing = || Refused::new(ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {id} not found."));
        groups.by_id.get_mut(id).ok_or_else(missing)
    }

    /// A member of the classic protocol comes: whether the name is free for it. A consumer group without members goes.
    pub(super) fn make_way_for_classic(&self, groups: &mut Groups, id: &str) -> bool {
        match groups.by_id.get(id) {
            Some(Cell { kind: Kind::Consumer(group), .. }) if group.state() == ConsumerState::Empty => {
                self.replace(groups, id, Kind::Classic(super::state::Group::new(self.limits)));
                true
            }
            Some(Cell { kind: Kind::Consumer(_), .. }) => false,
            _ => true,
        }
    }

    /// Puts a new group in the place of one without members, in memory and in the log.
    fn replace(&self, groups: &mut Groups, id: &str, kind: Kind) {
        let mut cell = Cell::new(kind, now_ms());
        if let Some(former) = groups.by_id.remove(id) {
            cell.last_entry = former.last_entry;
            self.journal.settle(&mut cell.last_entry, former.end(id), Vec::new());
        }
        groups.by_id.insert(id.to_owned(), cell);
    }

    /// Whether this member may read the group's offsets.
    pub(crate) fn check_fetch(&self, group: &str, member_id: &str, epoch: i32) -> ErrorCode {
        match self.groups.lock().by_id.get(group) {
            Some(Cell { kind: Kind::Consumer(group), .. }) => group.check_offsets(member_id, epoch, false),
            _ => ErrorCode::NONE,
        }
    }

    /// The topics as they are now.
    pub(super) fn image(&self, topics: &Topics) -> Arc<TopicImage> {
        let version = topics.version();
        let mut image = self.image.lock();
        if image.version != version {
            let shape = |topic: &Arc<crate::topics::Topic>| {
                let partitions = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
                (topic.name.to_string(), broker_protocol::Uuid(topic.id.into_bytes()), partitions)
            };
            *image = Arc::new(TopicImage::new(version, topics.all().iter().map(shape)));
        }
        Arc::clone(&image)
    }
}

fn not_a_consumer_group(id: &str) -> Refused {
    Refused::new(ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {id} is not a consumer group."))
}
