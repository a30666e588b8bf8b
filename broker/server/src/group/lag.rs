//! How far each group is behind, partition by partition.
//!
//! The list is bounded, so that whoever collects the numbers is not flooded; what does not fit is counted.

use super::coordinator::Coordinator;
use crate::{
    metrics::{GroupLag, GroupLags},
    topics::Topics,
};

/// Partitions that are listed, over all groups.
const PARTITIONS_MAX: usize = 10_000;

impl Coordinator {
    /// What every group has committed, and how many records come after it that readers of committed records can see.
    pub(crate) fn lags(&self, topics: &Topics) -> GroupLags {
        let mut groups: Vec<String> = self.offsets.lock().groups().cloned().collect();
        groups.sort_unstable();
        let mut lags = GroupLags::default();
        for group in groups {
            for (topic, partition, committed) in self.committed_of(&group) {
                if lags.partitions.len() >= PARTITIONS_MAX {
                    lags.left_out += 1;
                    continue;
                }
                let Some(log) = topics.partition(&topic, partition) else { continue };
                let behind = log.offsets().last_stable.saturating_sub(committed.offset);
                lags.partitions.push(GroupLag {
                    group: group.clone(),
                    topic,
                    partition,
                    committed_offset: committed.offset,
                    lag: u64::try_from(behind).unwrap_or(0),
                });
            }
        }
        lags
    }
}
