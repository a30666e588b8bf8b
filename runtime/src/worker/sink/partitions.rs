//! Partitions of a sink task: taken in, given up, and translated between the client's names and the api's.
//!
//! Between the group and the sink loop. Invariant: a partition is given up only after its last commit, and nothing of it is put
//! afterwards.

use api::{AssignedPartition, OffsetAndMetadata, Result, SinkTask, TopicPartition};
use broker_client::FetchedRecords;

use super::SinkLoop;
use crate::worker::activity::Doing;

impl SinkLoop {
    pub(super) async fn take_partitions(
        &mut self,
        task: &mut dyn SinkTask,
        partitions: Vec<broker_client::AssignedPartition>,
    ) -> Result<()> {
        let assigned = partitions.into_iter().map(|partition| AssignedPartition {
            partition: TopicPartition { topic: partition.topic, partition: partition.partition },
            committed: partition
                .committed
                .map(|known| OffsetAndMetadata { offset: known.offset, metadata: known.metadata }),
        });
        let new: Vec<_> = assigned.filter(|new| !self.assigned.contains(&new.partition)).collect();
        if !new.is_empty() {
            tracing::info!(partitions = new.len(), "partitions assigned");
        }
        let opening = self.life.doing(Doing::Open);
        let seeks = task.open(&new).await.map_err(|error| error.context("opening partitions"))?;
        drop(opening);
        for (partition, offset) in seeks {
            self.consumer.seek(&to_client(&partition), offset);
        }
        for AssignedPartition { partition, committed } in new {
            if let Some(sink) = &self.metrics.sink {
                sink.lag.lock().insert(partition.clone(), 0);
            }
            if let Some(known) = committed {
                self.committed.insert(partition.clone(), known.offset);
            }
            self.assigned.insert(partition);
        }
        if self.life.is_paused() {
            let partitions = self.client_partitions();
            self.consumer.pause(&partitions);
        }
        Ok(())
    }

    pub(super) async fn give_partitions(
        &mut self,
        task: &mut dyn SinkTask,
        partitions: &[TopicPartition],
    ) -> Result<()> {
        self.waiting.retain(|fetched| !partitions.contains(&partition_of(fetched)));
        self.commit(task).await?;
        let closing = self.life.doing(Doing::Close);
        let closed = task.close(partitions).await;
        drop(closing);
        if let Err(error) = closed {
            tracing::warn!(%error, "the sink did not close its partitions");
        }
        if !partitions.is_empty() {
            tracing::info!(partitions = partitions.len(), "partitions revoked");
        }
        for partition in partitions {
            self.assigned.remove(partition);
            self.lost.insert(partition.clone());
            self.consumed.remove(partition);
            self.committed.remove(partition);
            self.errant.forget(partition);
            if let Some(sink) = &self.metrics.sink {
                sink.lag.lock().remove(partition);
            }
        }
        Ok(())
    }

    pub(super) fn client_partitions(&self) -> Vec<broker_client::TopicPartition> {
        self.assigned.iter().map(to_client).collect()
    }
}

pub(super) fn partition_of(fetched: &FetchedRecords) -> TopicPartition {
    TopicPartition { topic: fetched.topic.clone(), partition: fetched.partition }
}

pub(super) fn of_client(partition: broker_client::TopicPartition) -> TopicPartition {
    TopicPartition { topic: partition.topic, partition: partition.partition }
}

pub(super) fn to_client(partition: &TopicPartition) -> broker_client::TopicPartition {
    broker_client::TopicPartition::new(partition.topic.clone(), partition.partition)
}
