//! How groups and offsets go: deleted by someone, with their topic, or because nobody has used them for too long (KIP-211).
//!
//! Offsets expire after `offsets.retention.minutes`: those of a group without members counted from when it became empty; those of a
//! stable consumer group, counted from the commit, if no member subscribes to their topic any more; those of a group that never had
//! members, counted from the commit. A group without members and offsets is forgotten, and its record in the log with it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use broker_protocol::ErrorCode;
use tokio::sync::oneshot;

use super::{
    coordinator::{Cell, Coordinator, Groups, Kind},
    offsets::{CommittedOffset, OffsetKey},
    state::GroupState,
    waiting::Due,
};
use crate::broker::{State, now_ms};

/// Which offsets of a group may expire, and since when they count.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expiry {
    /// None.
    Never,
    /// All, since the group became empty.
    Since(i64),
    /// Those of other topics than these, since their commit.
    UnlessSubscribed(HashSet<String>),
}

impl Expiry {
    fn of(cell: &Cell) -> Self {
        let group = match &cell.kind {
            Kind::Classic(group) => group,
            Kind::Consumer(group) => {
                let topics = group.members().flat_map(|member| group.topics_of(member));
                return Self::UnlessSubscribed(topics.cloned().collect());
            }
        };
        match group.state() {
            // Nobody has joined it yet: its offsets are those of a consumer without a group.
            GroupState::Empty if group.protocol_type().is_empty() => Self::UnlessSubscribed(HashSet::new()),
            GroupState::Empty => Self::Since(cell.since_ms),
            GroupState::Stable => group.subscribed_topics().map_or(Self::Never, Self::UnlessSubscribed),
            GroupState::PreparingRebalance | GroupState::CompletingRebalance => Self::Never,
        }
    }

    fn is_over(&self, topic: &str, committed: &CommittedOffset, oldest_ms: i64) -> bool {
        match self {
            Self::Never => false,
            // As in Kafka, a group that does not say when it became empty is judged by its commits.
            Self::Since(since_ms) if *since_ms >= 0 => *since_ms <= oldest_ms,
            Self::Since(_) => committed.commit_ms <= oldest_ms,
            Self::UnlessSubscribed(topics) => !topics.contains(topic) && committed.commit_ms <= oldest_ms,
        }
    }
}

impl Coordinator {
    /// Takes a group without members and its offsets out of memory and log.
    pub(crate) async fn delete_group(state: &Arc<State>, id: &str) -> ErrorCode {
        match state.groups.is_empty(id) {
            None => return ErrorCode::GROUP_ID_NOT_FOUND,
            Some(false) => return ErrorCode::NON_EMPTY_GROUP,
            Some(true) => {}
        }
        let keys = {
            let offsets = state.groups.offsets.lock();
            let mut keys = offsets.keys_where(|group, _, _| group == id);
            keys.extend(offsets.pending_of_group(id));
            keys.sort_unstable();
            keys.dedup();
            keys
        };
        let deleted = Self::commit(state, without_values(keys)).await;
        if deleted != ErrorCode::NONE {
            return deleted;
        }
        let (sender, written) = oneshot::channel();
        let forgotten = state.groups.groups.lock().forget(&state.groups, id, Some(sender));
        match forgotten {
            // Somebody joined while the offsets went.
            Some(false) => ErrorCode::NON_EMPTY_GROUP,
            Some(true) => written.await.unwrap_or(ErrorCode::COORDINATOR_NOT_AVAILABLE),
            None => ErrorCode::NONE,
        }
    }

    /// Forgets the offsets of a deleted topic.
    pub(crate) async fn forget_topic(state: &Arc<State>, name: &str) {
        let keys = state.groups.offsets.lock().keys_where(|_, topic, _| topic == name);
        let code = Self::commit(state, without_values(keys)).await;
        if code != ErrorCode::NONE {
            tracing::warn!(topic = name, "committed offsets of the deleted topic stay: {code}");
        }
    }

    /// Removes offsets that have been kept long enough, then groups that have neither members nor offsets.
    pub(crate) async fn expire_offsets(state: &Arc<State>) {
        let retention = i64::try_from(state.config.offsets_retention.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = now_ms().saturating_sub(retention);
        let rules: HashMap<String, Expiry> = {
            let groups = state.groups.groups.lock();
            groups.by_id.iter().map(|(id, cell)| (id.clone(), Expiry::of(cell))).collect()
        };
        let standalone = Expiry::UnlessSubscribed(HashSet::new());
        let over = |group: &str, topic: &str, committed: &CommittedOffset| {
            rules.get(group).unwrap_or(&standalone).is_over(topic, committed, oldest_ms)
        };
        let keys = {
            let offsets = state.groups.offsets.lock();
            let mut keys = offsets.keys_where(over);
            // A transaction is about to renew it, perhaps.
            keys.retain(|key| !offsets.is_pending(key));
            keys
        };
        if !keys.is_empty() {
            tracing::info!(offsets = keys.len(), "committed offsets expired");
            let code = Self::commit(state, without_values(keys)).await;
            if code != ErrorCode::NONE {
                tracing::warn!("expired offsets stay until the next look: {code}");
            }
        }
        let with_offsets: HashSet<String> = state.groups.offsets.lock().groups().cloned().collect();
        let mut groups = state.groups.groups.lock();
        let idle = groups.by_id.iter().filter(|(id, cell)| cell.is_idle() && !with_offsets.contains(*id));
        let idle: Vec<String> = idle.map(|(id, _)| id.clone()).collect();
        for id in idle {
            groups.forget(&state.groups, &id, None);
        }
    }
}

impl Groups {
    /// Forgets a group in memory and in the log, if it has no members; whether it did so, `None` if there is no such group.
    fn forget(
        &mut self,
        coordinator: &Coordinator,
        id: &str,
        waits: Option<oneshot::Sender<ErrorCode>>,
    ) -> Option<bool> {
        if !self.by_id.get(id)?.is_idle() {
            return Some(false);
        }
        let mut cell = self.by_id.remove(id)?;
        let records = cell.end(id);
        coordinator.journal.settle(
            &mut cell.last_entry,
            records,
            waits.map(Due::Written).into_iter().collect(),
        );
        Some(true)
    }
}

fn without_values(keys: Vec<OffsetKey>) -> Vec<(OffsetKey, Option<CommittedOffset>)> {
    keys.into_iter().map(|key| (key, None)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(commit_ms: i64) -> CommittedOffset {
        CommittedOffset { offset: 1, leader_epoch: -1, metadata: String::new(), commit_ms }
    }

    #[test]
    fn offsets_of_topics_that_nobody_subscribes_to_expire_by_their_commit() {
        let subscribed = Expiry::UnlessSubscribed(HashSet::from(["read".to_owned()]));
        assert!(subscribed.is_over("left", &committed(10), 10));
        assert!(!subscribed.is_over("left", &committed(11), 10));
        assert!(!subscribed.is_over("read", &committed(0), 10));
    }

    #[test]
    fn offsets_of_an_empty_group_expire_by_when_it_became_empty() {
        assert!(!Expiry::Since(11).is_over("t", &committed(0), 10));
        assert!(Expiry::Since(10).is_over("t", &committed(100), 10));
        assert!(Expiry::Since(-1).is_over("t", &committed(9), 10));
        assert!(!Expiry::Since(-1).is_over("t", &committed(11), 10));
        assert!(!Expiry::Never.is_over("t", &committed(0), i64::MAX));
    }
}
