//! One Produce request: built from batches, and its answer taken apart per batch.

use std::collections::HashMap;
use std::time::Duration;

use broker_protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
};
use broker_protocol::{ErrorCode, Request};
use bytestring::ByteString;

use super::lane::SealedBatch;
use crate::admin::refused;
use crate::config::Acks;
use crate::error::Result;
use crate::net::connection::{Connection, Pending};
use crate::types::TopicPartition;

/// From version 13 on topics are named by id; names do for all brokers.
const PRODUCE_VERSION_MAX: i16 = 12;
/// From version 12 on producing adds the partition to the transaction (KIP-890).
const CLASSIC_VERSION_MAX: i16 = 11;

/// What all batches of a request have in common.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) acks: Acks,
    pub(crate) timeout: Duration,
    pub(crate) transactional_id: Option<ByteString>,
    /// The transaction goes by the rules before KIP-890.
    pub(crate) classic: bool,
}

/// A batch and where it goes.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) topic: ByteString,
    pub(crate) partition: i32,
    pub(crate) batch: SealedBatch,
}

/// Puts a request with these batches in line on the connection.
pub(crate) fn start(
    connection: &Connection,
    batches: &[Sending],
    terms: &Terms,
) -> Result<Pending<ProduceRequest>> {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    for Sending { topic, partition, batch } in batches {
        let data = PartitionProduceData { index: *partition, records: Some(batch.bytes.clone()) };
        match topics.iter_mut().find(|known| known.name == *topic) {
            Some(known) => known.partition_data.push(data),
            None => topics.push(TopicProduceData {
                name: topic.clone(),
                partition_data: vec![data],
                ..Default::default()
            }),
        }
    }
    let request = ProduceRequest {
        transactional_id: terms.transactional_id.clone(),
        acks: terms.acks.wire(),
        timeout_ms: i32::try_from(terms.timeout.as_millis()).unwrap_or(i32::MAX),
        topic_data: topics,
    };
    let newest = if terms.classic { CLASSIC_VERSION_MAX } else { PRODUCE_VERSION_MAX };
    let version = connection.version::<ProduceRequest>(newest)?;
    connection.start_version(&request, version, terms.acks != Acks::None)
}

/// What the broker says of each partition.
#[derive(Debug)]
pub(crate) struct Outcomes {
    by_partition: HashMap<TopicPartition, PartitionProduceResponse>,
}

impl Outcomes {
    pub(crate) fn new(response: ProduceResponse) -> Self {
        let rows = response.responses.into_iter().flat_map(|topic| {
            let name = topic.name;
            let partitions = topic.partition_responses.into_iter();
            partitions.map(move |it| (TopicPartition { topic: name.clone(), partition: it.index }, it))
        });
        Self { by_partition: rows.collect() }
    }

    /// The outcome of one batch.
    pub(crate) fn of(&self, connection: &Connection, sending: &Sending) -> Result<()> {
        let place = TopicPartition { topic: sending.topic.clone(), partition: sending.partition };
        let silence = ByteString::from_static("the answer does not mention the partition");
        let (code, message) = match self.by_partition.get(&place) {
            Some(answer) => (answer.error_code, answer.error_message.clone()),
            None => (ErrorCode::UNKNOWN_SERVER_ERROR, Some(silence)),
        };
        let subject = || format!("partition {place} ({} bytes)", sending.batch.bytes.len());
        code.check()
            .map_err(|code| refused(connection, ProduceRequest::KEY, subject(), code, message.as_ref()))
    }
}
