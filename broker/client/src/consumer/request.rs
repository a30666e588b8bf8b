//! One Fetch request to one leader: what is asked, and the answer decoded per partition.
//!
//! Invariant: every part of an answer is paired with what was asked for it; parts that nobody asked for are dropped.

use std::collections::HashMap;
use std::sync::Arc;

use broker_protocol::ApiKey;
use broker_protocol::batch::InflateLimits;
use broker_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, PartitionData};

use super::decode::{Decoded, decode};
use crate::admin::refused;
use crate::client::Client;
use crate::config::{ConsumerConfig, Isolation};
use crate::error::{Error, Result};
use crate::net::connection::Connection;
use crate::net::pool::Pool;
use crate::types::{OffsetSpec, TopicPartition};

/// From version 13 on topics are named by id.
const FETCH_VERSION_MAX: i16 = 12;

/// A partition that is asked for: where, and in which epoch of its position.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) partition: TopicPartition,
    pub(crate) offset: i64,
    pub(crate) epoch: u64,
}

/// What one partition's part of an answer came to.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) asked: Asked,
    pub(crate) high_watermark: i64,
    /// Where reading ends for now: the high watermark, or for readers of what is committed the first open transaction.
    pub(crate) end: i64,
    pub(crate) outcome: Result<Decoded>,
}

/// The offset to start at.
pub(crate) async fn look_up(
    client: &Client,
    asked: &Asked,
    at: OffsetSpec,
    isolation: Isolation,
) -> Result<i64> {
    let timestamp = if at == OffsetSpec::Latest { -1 } else { -2 };
    let TopicPartition { topic, partition } = &asked.partition;
    client.list_offset(topic, *partition, timestamp, isolation.wire()).await
}

/// One request to one leader, and its answer decoded.
pub(crate) async fn fetch(
    client: &Client,
    pool: &Pool,
    address: &str,
    asked: &[Asked],
    config: &ConsumerConfig,
) -> Result<Vec<Part>> {
    let connection = pool.connection(address).await?;
    let timeout = config.fetch_wait + client.config().request_timeout;
    let response = connection.call(&fetch_request(asked, config), FETCH_VERSION_MAX, Some(timeout)).await?;
    let code = response.error_code;
    code.check().map_err(|code| refused(&connection, ApiKey::Fetch, "all partitions", code, None))?;
    let mut by_partition: HashMap<_, _> =
        asked.iter().map(|asked| (asked.partition.clone(), asked.clone())).collect();
    let mut parts = Vec::with_capacity(asked.len());
    for topic in response.responses {
        for data in topic.partitions {
            let partition = TopicPartition { topic: topic.topic.clone(), partition: data.partition_index };
            let Some(asked) = by_partition.remove(&partition) else { continue };
            let high_watermark = data.high_watermark;
            let end = readable_end(&data, config.isolation);
            let outcome = decode_part(&connection, &asked, data, config);
            parts.push(Part { asked, high_watermark, end, outcome });
            // Inflating is work for the processor; others of this thread get their turn in between.
            tokio::task::yield_now().await;
        }
    }
    Ok(parts)
}

fn readable_end(data: &PartitionData, isolation: Isolation) -> i64 {
    let committed_only = isolation == Isolation::ReadCommitted && data.last_stable_offset >= 0;
    if committed_only { data.last_stable_offset } else { data.high_watermark }
}

fn decode_part(
    connection: &Connection,
    asked: &Asked,
    data: PartitionData,
    config: &ConsumerConfig,
) -> Result<Decoded> {
    let code = data.error_code;
    let subject = || format!("partition {} at offset {}", asked.partition, asked.offset);
    code.check().map_err(|code| refused(connection, ApiKey::Fetch, subject(), code, None))?;
    let aborted = data.aborted_transactions.unwrap_or_default();
    let aborted = aborted.iter().map(|it| (it.producer_id, it.first_offset)).collect();
    let limits = InflateLimits { bytes_max: config.batch_bytes_max, ..Default::default() };
    let bytes = data.records.unwrap_or_default();
    decode(bytes, asked.offset, config.isolation, aborted, limits).map_err(|source| Error::Batch {
        topic: asked.partition.topic.to_string(),
        partition: asked.partition.partition,
        offset: asked.offset,
        source: Arc::new(source),
    })
}

fn fetch_request(asked: &[Asked], config: &ConsumerConfig) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for Asked { partition, offset, .. } in asked {
        let entry = FetchPartition {
            partition: partition.partition,
            fetch_offset: *offset,
            partition_max_bytes: bytes_i32(config.partition_bytes_max),
            ..Default::default()
        };
        match topics.iter_mut().find(|topic| topic.topic == partition.topic) {
            Some(topic) => topic.partitions.push(entry),
            None => topics.push(FetchTopic {
                topic: partition.topic.clone(),
                partitions: vec![entry],
                ..Default::default()
            }),
        }
    }
    FetchRequest {
        max_wait_ms: i32::try_from(config.fetch_wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: bytes_i32(config.fetch_bytes_min),
        max_bytes: bytes_i32(config.fetch_bytes_max),
        isolation_level: config.isolation.wire(),
        topics,
        ..Default::default()
    }
}

fn bytes_i32(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
