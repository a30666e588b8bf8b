//! The requests of a transactional producer to its coordinators, one attempt each; retrying and judging is the caller's.
//!
//! Invariant: at most one request that changes a transaction is under way (`turn`), so a late AddPartitionsToTxn cannot
//! reopen a transaction behind its EndTxn.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use broker_protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use broker_protocol::messages::add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnTopic};
use broker_protocol::messages::end_txn::EndTxnRequest;
use broker_protocol::messages::init_producer_id::InitProducerIdRequest;
use broker_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use broker_protocol::{ApiKey, ErrorCode};
use parking_lot::Mutex;

use super::transaction::{ProducerIdentity, Terms};
use super::verdict::decisive;
use crate::admin::{refused, topics::millis};
use crate::client::{Client, Kept};
use crate::error::{Error, Result};
use crate::net::connection::Connection;
use crate::net::seats::Seated;
use crate::types::{GroupMetadata, OffsetAndMetadata, TopicPartition};

/// AddPartitionsToTxn as clients send it; newer versions are for brokers.
const ADD_PARTITIONS_VERSION_MAX: i16 = 3;
/// EndTxn and TxnOffsetCommit before KIP-890.
const CLASSIC_VERSION_MAX: i16 = 4;

/// See the module.
#[derive(Debug)]
pub(crate) struct Coordinators {
    client: Client,
    known: Mutex<HashMap<Kept, String>>,
    transactions: Kept,
    transactional_id: String,
    /// Held over each request that changes the transaction, to its very end: also if nobody waits for the answer any more.
    turn: tokio::sync::Mutex<()>,
}

impl Coordinators {
    pub(crate) fn new(client: &Client, transactional_id: &str) -> Self {
        Self {
            client: client.clone(),
            known: Mutex::default(),
            transactions: Kept::Transactions(transactional_id.to_owned()),
            transactional_id: transactional_id.to_owned(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Runs one request when the others are through. It is a task of its own: a caller that stops waiting does not let the next
    /// request overtake this one.
    pub(crate) async fn in_turn<T, F>(self: &Arc<Self>, request: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let coordinators = Arc::clone(self);
        let task = tokio::spawn(async move {
            let _turn = coordinators.turn.lock().await;
            request.await
        });
        task.await.unwrap_or_else(|panic| {
            tracing::error!(%panic, "a task of the producer failed");
            Err(Error::Closed { what: "producer's request to its coordinator (its task failed)" })
        })
    }

    async fn connection(&self, kept: &Kept) -> Result<Seated> {
        let known = self.known.lock().get(kept).cloned();
        let address = match known {
            Some(address) => address,
            None => {
                let found = self.client.coordinator_of(kept).await?;
                self.known.lock().insert(kept.clone(), found.clone());
                found
            }
        };
        self.client.transaction_seat(&address).await
    }

    /// Looks for all coordinators anew with the next request.
    pub(crate) fn forget(&self) {
        self.known.lock().clear();
    }

    /// A producer id of this transactional id. Without `present` older producers of it are fenced; with it the epoch goes up by one.
    pub(crate) async fn init(
        &self,
        timeout: Duration,
        present: Option<ProducerIdentity>,
    ) -> Result<(ProducerIdentity, Terms)> {
        let connection = self.connection(&self.transactions).await?;
        let (producer_id, producer_epoch) = present.unwrap_or((-1, -1));
        let request = InitProducerIdRequest {
            transactional_id: Some(self.transactional_id.as_str().into()),
            transaction_timeout_ms: millis(timeout),
            producer_id,
            producer_epoch,
        };
        let answer = connection.call(&request, i16::MAX, None).await?;
        self.check(&connection, ApiKey::InitProducerId, answer.error_code)?;
        Ok(((answer.producer_id, answer.producer_epoch), terms(&connection)))
    }

    /// Adds partitions to the transaction (not needed with KIP-890).
    pub(crate) async fn add_partitions(
        &self,
        identity: ProducerIdentity,
        partitions: &[TopicPartition],
    ) -> Result<()> {
        let connection = self.connection(&self.transactions).await?;
        let mut topics: Vec<AddPartitionsToTxnTopic> = Vec::new();
        for TopicPartition { topic, partition } in partitions {
            match topics.iter_mut().find(|known| known.name == *topic) {
                Some(known) => known.partitions.push(*partition),
                None => {
                    topics.push(AddPartitionsToTxnTopic { name: topic.clone(), partitions: vec![*partition] })
                }
            }
        }
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: self.transactional_id.as_str().into(),
            v3_and_below_producer_id: identity.0,
            v3_and_below_producer_epoch: identity.1,
            v3_and_below_topics: topics,
            ..Default::default()
        };
        let answer = connection.call(&request, ADD_PARTITIONS_VERSION_MAX, None).await?;
        let results = answer.results_by_topic_v3_and_below.into_iter().flat_map(|topic| {
            let name = topic.name;
            topic.results_by_partition.into_iter().map(move |it| {
                let partition = TopicPartition { topic: name.clone(), partition: it.partition_index };
                (partition, it.partition_error_code)
            })
        });
        decisive(results).map_or(Ok(()), |(partition, code)| {
            let subject = format!("{}, partition {partition}", self.transactions);
            Err(refused(&connection, ApiKey::AddPartitionsToTxn, subject, code, None))
        })
    }

    /// Commits or aborts. The answer is the next transaction's identity, if the broker bumps the epoch (KIP-890).
    pub(crate) async fn end(
        &self,
        (producer_id, producer_epoch): ProducerIdentity,
        commit: bool,
        v2: bool,
    ) -> Result<(Option<ProducerIdentity>, Terms)> {
        let connection = self.connection(&self.transactions).await?;
        let request = EndTxnRequest {
            transactional_id: self.transactional_id.as_str().into(),
            producer_id,
            producer_epoch,
            committed: commit,
        };
        let newest = if v2 { i16::MAX } else { CLASSIC_VERSION_MAX };
        let answer = connection.call(&request, newest, None).await?;
        self.check(&connection, ApiKey::EndTxn, answer.error_code)?;
        let next = (answer.producer_id >= 0).then_some((answer.producer_id, answer.producer_epoch));
        Ok((next, terms(&connection)))
    }

    /// Adds a group's offsets to the transaction (not needed with KIP-890).
    pub(crate) async fn add_offsets(
        &self,
        (producer_id, producer_epoch): ProducerIdentity,
        group: &str,
    ) -> Result<()> {
        let connection = self.connection(&self.transactions).await?;
        let request = AddOffsetsToTxnRequest {
            transactional_id: self.transactional_id.as_str().into(),
            producer_id,
            producer_epoch,
            group_id: group.into(),
        };
        let answer = connection.call(&request, i16::MAX, None).await?;
        self.check(&connection, ApiKey::AddOffsetsToTxn, answer.error_code)
    }

    /// Commits a group's offsets within the transaction, at the group's coordinator.
    pub(crate) async fn commit_offsets(
        &self,
        (producer_id, producer_epoch): ProducerIdentity,
        group: &GroupMetadata,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
        v2: bool,
    ) -> Result<()> {
        let connection = self.connection(&Kept::Group(group.group.clone())).await?;
        let newest = if v2 { i16::MAX } else { CLASSIC_VERSION_MAX };
        // Before version 3 (KIP-447) the coordinator is not told who commits.
        if connection.version::<TxnOffsetCommitRequest>(newest)? < 3 && group.generation >= 0 {
            return Err(Error::UnsupportedApi {
                broker: connection.broker().to_string(),
                api: ApiKey::TxnOffsetCommit,
                ours: "3 and up, to commit as a member of a group".to_owned(),
                theirs: "an older one".to_owned(),
            });
        }
        let request = TxnOffsetCommitRequest {
            transactional_id: self.transactional_id.as_str().into(),
            group_id: group.group.as_str().into(),
            producer_id,
            producer_epoch,
            generation_id: group.generation,
            member_id: group.member_id.as_str().into(),
            group_instance_id: group.instance_id.as_deref().map(Into::into),
            topics: offset_topics(offsets),
        };
        let answer = connection.call(&request, newest, None).await?;
        let results = answer.topics.into_iter().flat_map(|topic| {
            let name = topic.name;
            topic.partitions.into_iter().map(move |it| {
                let partition = TopicPartition { topic: name.clone(), partition: it.partition_index };
                (partition, it.error_code)
            })
        });
        decisive(results).map_or(Ok(()), |(partition, code)| {
            let subject = format!("group {}, partition {partition}", group.group);
            Err(refused(&connection, ApiKey::TxnOffsetCommit, subject, code, None))
        })
    }

    fn check(&self, connection: &Connection, api: ApiKey, code: ErrorCode) -> Result<()> {
        code.check().map_err(|code| refused(connection, api, self.transactions.to_string(), code, None))
    }
}

fn terms(connection: &Connection) -> Terms {
    let can_bump = connection.version::<InitProducerIdRequest>(i16::MAX).is_ok_and(|version| version >= 3);
    let ends_by_v2 = connection.version::<EndTxnRequest>(i16::MAX).is_ok_and(|version| version >= 5);
    Terms { v2: connection.versions().has_transactions_v2() && ends_by_v2, can_bump }
}

fn offset_topics(offsets: &[(TopicPartition, OffsetAndMetadata)]) -> Vec<TxnOffsetCommitRequestTopic> {
    let mut topics: Vec<TxnOffsetCommitRequestTopic> = Vec::new();
    for (TopicPartition { topic, partition }, offset) in offsets {
        let entry = TxnOffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: offset.offset,
            committed_leader_epoch: offset.leader_epoch,
            committed_metadata: Some(offset.metadata.as_str().into()),
        };
        match topics.iter_mut().find(|known| known.name == *topic) {
            Some(known) => known.partitions.push(entry),
            None => topics.push(TxnOffsetCommitRequestTopic { name: topic.clone(), partitions: vec![entry] }),
        }
    }
    topics
}
