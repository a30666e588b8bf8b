//! Load for a broker, any that speaks Kafka's protocol: prepared batches over raw sockets, so that the client costs next to nothing
//! and what is measured is the broker.
//!
//! Batches are not built and not decoded while the clock runs. Records are counted by what the broker answers: every produce answer
//! is checked, and a consumer walks the heads of the batches that it got.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use broker_protocol::batch::{BatchBuilder, BatchFields, BatchHeader};
use broker_protocol::header::{decode_response, encode_request};
use broker_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use broker_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker_protocol::{ErrorCode, Request};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Versions with topics by name, which brokers from 2.4 to 4.3 serve.
const PRODUCE_VERSION: i16 = 9;
const FETCH_VERSION: i16 = 12;
/// Requests of a producer that may be under way, as `max.in.flight.requests.per.connection` of an idempotent one.
const IN_FLIGHT: usize = 5;
/// Where a frame holds its correlation id: behind its length, the API and the version.
const CORRELATION_ID_AT: usize = 8;
/// librdkafka's `fetch.message.max.bytes` and `fetch.max.bytes`.
const PARTITION_BYTES_MAX: i32 = 1 << 20;
const FETCH_BYTES_MAX: i32 = 50 << 20;

/// A batch of `records` records of `bytes` bytes each that hardly compress, without compression.
///
/// # Errors
/// When it is too large for a batch.
pub fn batch(records: usize, bytes: usize) -> Result<Bytes> {
    let mut builder = BatchBuilder::new(records * (bytes + 16));
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut value = vec![0; bytes];
    for at in 0..records {
        for byte in &mut value {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = b'a' + u8::try_from((random >> 40) % 26)?;
        }
        let timestamp = 1_700_000_000_000 + i64::try_from(at / 100)?;
        builder.append(timestamp, None, Some(&value), &[])?;
    }
    Ok(builder.finish(&BatchFields::default())?.0.into())
}

/// A connection to a broker.
#[derive(Debug)]
pub struct Connection(TcpStream);

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// When the connection ends or the answer cannot be read.
    pub async fn ask<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        let frame = encode_request(request, version, 1, Some("load"))?.into_bytes();
        self.0.write_all(&frame).await?;
        Ok(decode_response::<R>(read_frame(&mut self.0).await?, version)?)
    }

    /// Produces one batch to each of these partitions, in one request.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn produce(
        &mut self,
        topic: &str,
        partitions: std::ops::Range<i32>,
        acks: i16,
        batch: &Bytes,
    ) -> Result<()> {
        let request = produce_request(topic, partitions, acks, batch);
        check(&self.ask(&request, PRODUCE_VERSION).await?)
    }

    /// Produces the same batch to partition 0 again and again, several requests under way at once. How long that took.
    ///
    /// # Errors
    /// When a batch is refused.
    pub async fn produce_many(self, topic: &str, acks: i16, batch: &Bytes, count: usize) -> Result<Duration> {
        let request = produce_request(topic, 0..1, acks, batch);
        let mut frame = encode_request(&request, PRODUCE_VERSION, 0, Some("load"))?.into_bytes().to_vec();
        let (mut reading, mut writing) = self.0.into_split();
        let room = Arc::new(Semaphore::new(IN_FLIGHT));
        let room_again = Arc::clone(&room);
        let began = Instant::now();
        let write = async move {
            for number in 0..count {
                room.acquire().await?.forget();
                let id = i32::try_from(number)?.to_be_bytes();
                frame
                    .get_mut(CORRELATION_ID_AT..CORRELATION_ID_AT + 4)
                    .context("a short frame")?
                    .copy_from_slice(&id);
                writing.write_all(&frame).await?;
            }
            anyhow::Ok(writing)
        };
        let read = async move {
            for _ in 0..count {
                let answer = read_frame(&mut reading).await?;
                check(&decode_response::<ProduceRequest>(answer, PRODUCE_VERSION)?)?;
                room_again.add_permits(1);
            }
            anyhow::Ok(began.elapsed())
        };
        let (_writing, took) = tokio::try_join!(write, read)?;
        Ok(took)
    }

    /// Reads partition 0 of a topic from its start until `records` have come, one request after the other as librdkafka does.
    /// How long that took.
    ///
    /// # Errors
    /// When the broker answers with an error, or with anything but whole batches.
    pub async fn consume(&mut self, topic: &str, records: u64) -> Result<Duration> {
        let (began, mut next, mut count) = (Instant::now(), 0, 0);
        while count < records {
            let request = fetch_request(topic, 0..1, next, Duration::from_millis(500));
            let mut response = self.ask(&request, FETCH_VERSION).await?;
            let topic = response.responses.pop().context("no topic in the answer")?;
            let part = topic.partitions.into_iter().next().context("no partition in the answer")?;
            ensure!(part.error_code == ErrorCode::NONE, "fetch at {next}: {}", part.error_code);
            let batches = part.records.unwrap_or_default();
            let mut at = 0;
            while let Some(rest) = batches.get(at..).filter(|rest| !rest.is_empty()) {
                let Ok(header) = BatchHeader::read(rest) else { break };
                // The last batch may be cut off, as Kafka does.
                if header.size > rest.len() {
                    break;
                }
                at += header.size;
                next = header.next_offset();
                count += u64::try_from(header.record_count)?;
            }
        }
        Ok(began.elapsed())
    }

    /// Sends a fetch that waits at the end of many partitions, and does not wait for its answer.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn long_poll(
        &mut self,
        topic: &str,
        partitions: i32,
        offset: i64,
        wait: Duration,
    ) -> Result<()> {
        let request = fetch_request(topic, 0..partitions, offset, wait);
        self.0.write_all(&encode_request(&request, FETCH_VERSION, 1, Some("load"))?.into_bytes()).await?;
        Ok(())
    }
}

async fn read_frame(stream: &mut (impl AsyncReadExt + Unpin)) -> Result<Bytes> {
    let length = usize::try_from(stream.read_i32().await?)?;
    let mut frame = Vec::with_capacity(length);
    let received = (&mut *stream).take(u64::try_from(length)?).read_to_end(&mut frame).await?;
    ensure!(received == length, "the connection ended within an answer");
    Ok(frame.into())
}

fn check(response: &<ProduceRequest as Request>::Response) -> Result<()> {
    let parts = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    let failed: BTreeMap<_, _> = parts
        .filter(|part| part.error_code != ErrorCode::NONE)
        .map(|part| (part.index, format!("{} {:?}", part.error_code, part.error_message)))
        .collect();
    ensure!(failed.is_empty(), "refused: {failed:?}");
    Ok(())
}

fn produce_request(
    topic: &str,
    partitions: std::ops::Range<i32>,
    acks: i16,
    batch: &Bytes,
) -> ProduceRequest {
    let part = |index| PartitionProduceData { index, records: Some(batch.clone()) };
    let partition_data = partitions.map(part).collect();
    let topic = TopicProduceData { name: topic.into(), partition_data, ..TopicProduceData::default() };
    ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic], ..ProduceRequest::default() }
}

fn fetch_request(
    topic: &str,
    partitions: std::ops::Range<i32>,
    fetch_offset: i64,
    wait: Duration,
) -> FetchRequest {
    let part = |partition| FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: PARTITION_BYTES_MAX,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: topic.into(),
        partitions: partitions.map(part).collect(),
        ..FetchTopic::default()
    };
    FetchRequest {
        max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: 1,
        max_bytes: FETCH_BYTES_MAX,
        topics: vec![topic],
        ..FetchRequest::default()
    }
}
