//! Committed offsets in memory: what the log of `__consumer_offsets` says, kept in step with it.
//!
//! Commits are appended first and shown once they are on disk. Because two of them may become durable at the same moment, each
//! entry remembers the log offset of its record, and an older record never replaces a newer one.
//!
//! Commits within a transaction are pending: nobody sees them before the transaction's marker, which commits or drops them. A deletion drops
//! pending commits of its key that lie before it, too.

use std::collections::{BTreeMap, HashMap};

/// Whose offset, of what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct OffsetKey {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

/// What was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    /// When, in milliseconds since 1970.
    pub(crate) commit_ms: i64,
}

#[derive(Clone, Debug)]
struct Entry {
    committed: CommittedOffset,
    record_offset: i64,
}

/// Offsets of one group by topic and partition.
type GroupOffsets = BTreeMap<(String, i32), Entry>;

/// All committed offsets.
#[derive(Debug, Default)]
pub(crate) struct OffsetTable {
    groups: HashMap<String, GroupOffsets>,
    /// Record offsets of deletions that may be overtaken by the commits before them.
    deleted: HashMap<OffsetKey, i64>,
    /// Commits whose transaction has not ended, by producer id.
    pending: HashMap<i64, HashMap<OffsetKey, Entry>>,
    /// How many transactions hold a commit for a key.
    pending_counts: HashMap<OffsetKey, usize>,
}

impl OffsetTable {
    /// Takes a record of the log: a commit, or its deletion.
    pub(crate) fn apply(&mut self, key: OffsetKey, committed: Option<CommittedOffset>, record_offset: i64) {
        if self.deleted.get(&key).is_some_and(|deleted| *deleted > record_offset) {
            return;
        }
        let at = (key.topic.clone(), key.partition);
        let newer = |entry: &Entry| entry.record_offset > record_offset;
        if self.groups.get(&key.group).and_then(|group| group.get(&at)).is_some_and(newer) {
            return;
        }
        match committed {
            Some(committed) => {
                self.deleted.remove(&key);
                self.groups.entry(key.group).or_default().insert(at, Entry { committed, record_offset });
            }
            None => {
                if let Some(group) = self.groups.get_mut(&key.group) {
                    group.remove(&at);
                    if group.is_empty() {
                        self.groups.remove(&key.group);
                    }
                }
                self.drop_pending(&key, record_offset);
                self.deleted.insert(key, record_offset);
            }
        }
    }

    /// Takes a commit within a transaction.
    pub(crate) fn apply_pending(
        &mut self,
        producer_id: i64,
        key: OffsetKey,
        committed: CommittedOffset,
        record_offset: i64,
    ) {
        if self.deleted.get(&key).is_some_and(|deleted| *deleted > record_offset) {
            return;
        }
        let pending = self.pending.entry(producer_id).or_default();
        match pending.get_mut(&key) {
            Some(entry) if entry.record_offset > record_offset => {}
            Some(entry) => *entry = Entry { committed, record_offset },
            None => {
                *self.pending_counts.entry(key.clone()).or_default() += 1;
                pending.insert(key, Entry { committed, record_offset });
            }
        }
    }

    /// A transaction has ended: its commits count, each as of its own record, or never were.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, commit: bool) {
        for (key, entry) in self.pending.remove(&producer_id).into_iter().flatten() {
            self.uncount_pending(&key);
            if commit {
                self.apply(key, Some(entry.committed), entry.record_offset);
            }
        }
    }

    fn drop_pending(&mut self, key: &OffsetKey, before: i64) {
        if !self.pending_counts.contains_key(key) {
            return;
        }
        let mut dropped = 0;
        for pending in self.pending.values_mut() {
            if pending.get(key).is_some_and(|entry| entry.record_offset < before) {
                pending.remove(key);
                dropped += 1;
            }
        }
        self.pending.retain(|_, pending| !pending.is_empty());
        (0..dropped).for_each(|_| self.uncount_pending(key));
    }

    fn uncount_pending(&mut self, key: &OffsetKey) {
        if let Some(count) = self.pending_counts.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.pending_counts.remove(key);
            }
        }
    }

    /// Whether a transaction that has not ended holds a commit for this key.
    pub(crate) fn is_pending(&self, key: &OffsetKey) -> bool {
        self.pending_counts.contains_key(key)
    }

    /// The keys of a group that have pending commits.
    pub(crate) fn pending_of_group(&self, group: &str) -> Vec<OffsetKey> {
        self.pending_counts.keys().filter(|key| key.group == group).cloned().collect()
    }

    /// Nothing before this record is under way any more: deletions need not be remembered.
    pub(crate) fn settle(&mut self, record_offset: i64) {
        self.deleted.retain(|_, deleted| *deleted >= record_offset);
    }

    /// One offset.
    pub(crate) fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.groups.get(group)?.get(&(topic.to_owned(), partition)).map(|entry| &entry.committed)
    }

    /// All offsets of a group, by topic and partition.
    pub(crate) fn of_group(&self, group: &str) -> Vec<(String, i32, CommittedOffset)> {
        let offsets = self.groups.get(group).into_iter().flatten();
        offsets
            .map(|((topic, partition), entry)| (topic.clone(), *partition, entry.committed.clone()))
            .collect()
    }

    /// Names of the groups that have offsets, or will have when a transaction is committed; some may come twice.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &String> {
        self.groups.keys().chain(self.pending_counts.keys().map(|key| &key.group))
    }

    /// Whether the group has offsets, or will have when a transaction is committed.
    pub(crate) fn contains(&self, group: &str) -> bool {
        self.groups.contains_key(group) || self.pending_counts.keys().any(|key| key.group == group)
    }

    /// The keys that `doomed` says yes to.
    pub(crate) fn keys_where(&self, doomed: impl Fn(&str, &str, &CommittedOffset) -> bool) -> Vec<OffsetKey> {
        let mut keys = Vec::new();
        for (group, offsets) in &self.groups {
            for ((topic, partition), entry) in offsets {
                if doomed(group, topic, &entry.committed) {
                    keys.push(OffsetKey {
                        group: group.clone(),
                        topic: topic.clone(),
                        partition: *partition,
                    });
                }
            }
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> OffsetKey {
        OffsetKey { group: "g".to_owned(), topic: "t".to_owned(), partition: 0 }
    }

    fn at(offset: i64) -> Option<CommittedOffset> {
        Some(CommittedOffset { offset, leader_epoch: -1, metadata: String::new(), commit_ms: 0 })
    }

    #[test]
    fn records_that_become_durable_together_end_in_the_order_of_the_log() {
        let mut table = OffsetTable::default();
        table.apply(key(), at(20), 11);
        table.apply(key(), at(10), 10);
        assert_eq!(table.get("g", "t", 0).unwrap().offset, 20);
        table.apply(key(), None, 13);
        table.apply(key(), at(30), 12);
        assert_eq!(table.get("g", "t", 0), None);
        assert!(!table.contains("g"));
        table.apply(key(), at(40), 14);
        assert_eq!(table.get("g", "t", 0).unwrap().offset, 40);
    }

    #[test]
    fn commits_of_a_transaction_count_from_its_end_and_as_of_their_own_record() {
        let mut table = OffsetTable::default();
        table.apply_pending(7, key(), at(10).unwrap(), 0);
        assert!(table.is_pending(&key()) && table.contains("g") && table.get("g", "t", 0).is_none());
        table.end_transaction(7, true);
        assert!(!table.is_pending(&key()));
        assert_eq!(table.get("g", "t", 0).unwrap().offset, 10);
        table.apply_pending(7, key(), at(20).unwrap(), 2);
        table.end_transaction(7, false);
        assert_eq!(table.get("g", "t", 0).unwrap().offset, 10);
        // A plain commit behind the transaction's record stands when the transaction ends later.
        table.apply_pending(7, key(), at(30).unwrap(), 4);
        table.apply(key(), at(25), 5);
        table.end_transaction(7, true);
        assert_eq!(table.get("g", "t", 0).unwrap().offset, 25);
    }

    #[test]
    fn a_deletion_takes_pending_commits_before_it_along() {
        let mut table = OffsetTable::default();
        table.apply_pending(7, key(), at(10).unwrap(), 0);
        table.apply_pending(8, key(), at(11).unwrap(), 3);
        table.apply(key(), None, 2);
        assert!(table.is_pending(&key()), "the commit behind the deletion stays");
        table.end_transaction(7, true);
        assert_eq!(table.get("g", "t", 0), None);
        table.end_transaction(8, true);
        assert_eq!(table.get("g", "t", 0).unwrap().offset, 11);
        assert!(table.pending.is_empty() && table.pending_counts.is_empty());
    }
}
