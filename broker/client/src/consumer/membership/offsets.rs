//! The offsets of a group, as a member reads and writes them.
//!
//! Invariant: of two commits of a member in one generation the later one counts, also when nobody waited for the answer to the first: it
//! follows on the same connection, whose requests a broker works off one after the other. In another generation the group refuses the first.

use broker_protocol::messages::offset_commit::OffsetCommitRequest;

use super::{AssignedPartition, ErrorCode, Instant, Membership, OffsetAndMetadata, Result, TopicPartition};
use crate::admin::offsets::{OFFSET_VERSION_MAX, check_commit, commit_request, fetch_group_offsets};
use crate::net::seats::Seated;

/// A commit whose answer is due.
#[derive(Debug)]
pub(super) struct Committing {
    generation: i32,
    connection: Seated,
}

impl Membership {
    /// These partitions with what the group committed for them; asked until there is an answer. Commits that are part of an
    /// open transaction are waited for: membership goes on meanwhile.
    pub(crate) async fn with_offsets(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> Result<Vec<AssignedPartition>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let committed = loop {
            let attempt = async {
                let connection = self.coordination.connection().await?;
                fetch_group_offsets(&connection, &self.config.group, Some(&partitions)).await
            };
            match attempt.await {
                Ok(committed) => break committed,
                Err(error) if error.is_retriable() => {
                    tracing::debug!(group = self.config.group, %error, "asking for committed offsets again");
                    self.coordination.learn_from(&error);
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(self.client.config().retry_backoff).await;
        };
        let mut committed: std::collections::HashMap<_, _> = committed.into_iter().collect();
        let assigned = partitions.into_iter().map(|partition| {
            let committed = committed.remove(&partition);
            let TopicPartition { topic, partition } = partition;
            AssignedPartition { topic, partition, committed }
        });
        Ok(assigned.collect())
    }

    /// Commits as a member of this generation.
    pub(crate) async fn commit(
        &self,
        generation: i32,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        let mut request = commit_request(&self.config.group, offsets);
        request.generation_id_or_member_epoch = generation;
        request.member_id = self.coordination.member_id();
        request.group_instance_id = self.coordination.instance_id();
        let deadline = Instant::now() + self.client.config().operation_timeout;
        loop {
            let Err(error) = self.try_commit(&request).await else { return Ok(()) };
            self.coordination.learn_from(&error);
            if error.code() == Some(ErrorCode::REBALANCE_IN_PROGRESS) || !error.is_retriable() {
                return Err(error);
            }
            if Instant::now() >= deadline {
                return Err(error);
            }
            tokio::time::sleep(self.client.config().retry_backoff).await;
        }
    }

    /// Asks once. When it is dropped before there is an answer, the connection is kept for the next commit.
    async fn try_commit(&self, request: &OffsetCommitRequest) -> Result<()> {
        let mut committing = self.committing.lock().await;
        let generation = request.generation_id_or_member_epoch;
        let due = committing.take().filter(|it| it.generation == generation && it.connection.is_open());
        let connection = match due {
            Some(Committing { connection, .. }) => connection,
            None => self.coordination.connection().await?,
        };
        let connection = &committing.insert(Committing { generation, connection }).connection;
        let answered = connection.call(request, OFFSET_VERSION_MAX, None).await;
        let outcome = answered.and_then(|response| check_commit(connection, &self.config.group, &response));
        *committing = None;
        outcome
    }
}
