//! Whether what a Produce request brings belongs to a transaction, and may.

use std::collections::BTreeSet;

use broker_protocol::{ErrorCode, batch::Batch, messages::produce::ProduceRequest};

use super::{find_topic, produce::Refusal};
use crate::{
    broker::State,
    transactions::{AppendPermit, ProducerIdentity, TopicPartition, Transactions, WriteClaim},
};

/// From this version on partitions join the transaction by being written to (KIP-890); older clients ask before.
const VERSION_JOINS: i16 = 12;
/// Before this version TRANSACTION_ABORTABLE is not known.
const VERSION_ABORTABLE: i16 = 11;

/// The transaction that a request writes in, if it says one.
#[derive(Debug)]
pub(super) struct Membership {
    transactional_id: Option<String>,
    version: i16,
    /// All partitions of the request, which join together: one write for all of them.
    joining: BTreeSet<TopicPartition>,
}

impl Membership {
    pub(super) fn of(state: &State, request: &ProduceRequest, version: i16) -> Self {
        let transactional_id = request.transactional_id.as_ref().map(ToString::to_string);
        let mut joining = BTreeSet::new();
        let joins = transactional_id.is_some() && version >= VERSION_JOINS;
        for data in request.topic_data.iter().filter(|_| joins) {
            let Some(topic) = find_topic(state, &data.name, data.topic_id) else { continue };
            let indexes = data.partition_data.iter().map(|partition| partition.index);
            let known = indexes.filter(|index| !topic.is_internal() && topic.partition(*index).is_some());
            joining.extend(
                known.map(|index| TopicPartition { topic: topic.name.to_string(), partition: index }),
            );
        }
        Self { transactional_id, version, joining }
    }

    /// Leave to append the batch; none is needed outside of a transaction.
    pub(super) fn admit(
        &self,
        state: &State,
        batch: &Batch,
        topic: &str,
        partition: i32,
    ) -> Result<Option<AppendPermit>, Refusal> {
        let header = batch.header();
        if !header.is_transactional() {
            return Ok(None);
        }
        let Some(transactional_id) = &self.transactional_id else {
            let reason = "a request with records of a transaction must name its transactional.id";
            return Err(Refusal::new(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, reason));
        };
        let claim = WriteClaim {
            transactional_id,
            producer: ProducerIdentity { id: header.producer_id, epoch: header.producer_epoch },
            joining: (self.version >= VERSION_JOINS).then_some(&self.joining),
        };
        let place = TopicPartition { topic: topic.to_owned(), partition };
        Transactions::admit(state, claim, &place).map(Some).map_err(|error| self.refusal(error))
    }

    fn refusal(&self, error: ErrorCode) -> Refusal {
        let (code, reason) = match error {
            ErrorCode::INVALID_TXN_STATE if self.version >= VERSION_ABORTABLE => {
                (ErrorCode::TRANSACTION_ABORTABLE, "the partition is not part of the transaction")
            }
            ErrorCode::INVALID_TXN_STATE => (error, "the partition is not part of the transaction"),
            ErrorCode::INVALID_PRODUCER_EPOCH => {
                (error, "another producer has taken over the transactional id")
            }
            ErrorCode::INVALID_PRODUCER_ID_MAPPING => {
                (error, "the transactional id is unknown, or another producer id has it")
            }
            ErrorCode::NOT_ENOUGH_REPLICAS | ErrorCode::CONCURRENT_TRANSACTIONS => {
                (error, "the transaction before is being ended")
            }
            other => (other, "the transaction's state cannot be read or written"),
        };
        Refusal::new(code, reason)
    }
}
