//! Commits of a sink task: the sink flushes and says how far it is, and that is committed with its group.
//!
//! At an interval, before partitions are given up, and at the end. Invariant: what is committed was returned by `pre_commit`, is not
//! beyond what the sink got, and every dead letter before it is safe.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use api::{OffsetAndMetadata, Result, SinkTask, TopicPartition};

use super::SinkLoop;
use super::partitions::to_client;
use crate::worker::activity::Doing;

impl SinkLoop {
    /// Has the sink flush, and commits what it says. What cannot be committed now is committed with the next.
    pub(super) async fn commit(&mut self, task: &mut dyn SinkTask) -> Result<()> {
        let behind =
            |(partition, offset): (&TopicPartition, &i64)| self.committed.get(partition) != Some(offset);
        if !self.consumed.iter().any(behind) {
            return Ok(());
        }
        let flushing = self.life.doing(Doing::Flush);
        self.errant.flush().await?;
        let started = Instant::now();
        let flushed = task.pre_commit(&self.consumed).await;
        drop(flushing);
        let offsets = match flushed {
            Ok(offsets) => offsets,
            Err(error) if error.is_retriable() => {
                self.metrics.offset_commit_failure.fetch_add(1, Relaxed);
                tracing::warn!(%error, "the sink cannot flush now; nothing is committed");
                return Ok(());
            }
            Err(error) => return Err(error.context("flushing the sink")),
        };
        let sound: Vec<_> =
            offsets.into_iter().filter(|(partition, offset)| self.is_sound(partition, offset)).collect();
        if sound.is_empty() {
            return Ok(());
        }
        let request: Vec<_> = sound
            .iter()
            .map(|(partition, offset)| {
                let metadata = offset.metadata.clone();
                let offset =
                    broker_client::OffsetAndMetadata { offset: offset.offset, leader_epoch: -1, metadata };
                (to_client(partition), offset)
            })
            .collect();
        let _committing = self.life.doing(Doing::Commit);
        let outcome = tokio::time::timeout(self.flush_timeout, self.consumer.commit(&request)).await;
        self.metrics.offset_commit.add(started.elapsed());
        match outcome {
            Ok(Ok(())) => self.committed(sound),
            Ok(Err(error)) => {
                self.metrics.offset_commit_failure.fetch_add(1, Relaxed);
                tracing::warn!(%error, "offsets were not committed; they are with the next commit, or by who has the partitions now");
            }
            Err(_elapsed) => {
                self.metrics.offset_commit_failure.fetch_add(1, Relaxed);
                tracing::warn!(timeout = ?self.flush_timeout, "offsets were not committed in time (offset.flush.timeout.ms)");
            }
        }
        Ok(())
    }

    /// Whether a sink may commit this: not beyond what it got, and only for what is its own.
    pub(super) fn is_sound(&self, partition: &TopicPartition, offset: &OffsetAndMetadata) -> bool {
        // What was committed before it had the partition is a place that it may be at, too.
        let got = self.consumed.get(partition).max(self.committed.get(partition));
        let sound = got.is_some_and(|got| offset.offset <= *got);
        if !sound {
            tracing::warn!(
                topic = %partition.topic,
                partition = partition.partition,
                offset = offset.offset,
                "ignoring an offset that the sink wants to commit: it is beyond what the sink got, or not its partition"
            );
        }
        sound
    }

    pub(super) fn committed(&mut self, offsets: Vec<(TopicPartition, OffsetAndMetadata)>) {
        self.metrics.offset_commit_success.fetch_add(1, Relaxed);
        self.metrics.progress(Instant::now());
        for (partition, offset) in offsets {
            self.errant.release(&partition, offset.offset);
            self.committed.insert(partition, offset.offset);
        }
        let Some(sink) = &self.metrics.sink else { return };
        let open = |(partition, consumed): (&TopicPartition, &i64)| {
            let committed = self.committed.get(partition).copied().unwrap_or(*consumed);
            u64::try_from(consumed - committed).unwrap_or(0)
        };
        sink.record_active.store(self.consumed.iter().map(open).sum(), Relaxed);
    }
}
