//! Committed offsets in memory: what the log of `__consumer_offsets` says, kept in step with it.
//!
//! Commits are appended first and shown once they are on disk. Because two of them may become durable at the same moment, each
//! entry remembers the log offset of its record, and an older record never replaces a newer one.

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
                self.deleted.insert(key, record_offset);
            }
        }
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

    /// Names of the groups that have offsets.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &String> {
        self.groups.keys()
    }

    /// Whether the group has offsets.
    pub(crate) fn contains(&self, group: &str) -> bool {
        self.groups.contains_key(group)
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
}
