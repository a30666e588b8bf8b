//! A client that speaks frames, and brokers to speak to.

use std::time::Duration;

use broker_protocol::{
    Request,
    batch::{BatchBuilder, BatchFields, Batches, InflateLimits},
    header::{decode_response, encode_request},
    messages::{
        create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse},
        fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic},
        produce::{PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData},
    },
};
use broker_server::{Broker, BrokerConfig, Listener};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Anything that goes wrong fails the test with its message.
pub(crate) type TestResult = Result<(), TestError>;
pub(crate) type TestError = Box<dyn std::error::Error>;

/// A connection that asks one thing after the other.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub(crate) async fn connect(broker: &Broker) -> std::io::Result<Self> {
        Self::to(&broker.addresses()[0].to_string()).await
    }

    pub(crate) async fn to(address: &str) -> std::io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(address).await?, correlation_id: 0 })
    }

    pub(crate) async fn send<R: Request>(&mut self, request: &R, version: i16) -> Result<i32, TestError> {
        self.correlation_id += 1;
        let frame = encode_request(request, version, self.correlation_id, Some("test"))?;
        self.stream.write_all(&frame.into_bytes()).await?;
        Ok(self.correlation_id)
    }

    pub(crate) async fn receive<R: Request>(
        &mut self,
        version: i16,
        id: i32,
    ) -> Result<R::Response, TestError> {
        let mut frame = vec![0; usize::try_from(self.stream.read_i32().await?)?];
        self.stream.read_exact(&mut frame).await?;
        assert_eq!(frame[..4], id.to_be_bytes(), "answers come in the order of the requests");
        Ok(decode_response::<R>(frame.into(), version)?)
    }

    pub(crate) async fn ask<R: Request>(
        &mut self,
        request: R,
        version: i16,
    ) -> Result<R::Response, TestError> {
        let id = self.send(&request, version).await?;
        self.receive::<R>(version, id).await
    }

    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        matches!(self.stream.read(&mut byte).await, Ok(0) | Err(_))
    }

    pub(crate) async fn produce(
        &mut self,
        topic: &str,
        batch: Bytes,
    ) -> Result<PartitionProduceResponse, TestError> {
        let mut response = self.ask(produce_request(topic, batch, -1), 9).await?;
        Ok(response.responses.remove(0).partition_responses.remove(0))
    }

    pub(crate) async fn create(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Result<CreateTopicsResponse, TestError> {
        let configs = configs
            .iter()
            .map(|(name, value)| CreatableTopicConfig { name: (*name).into(), value: Some((*value).into()) });
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.collect(),
            ..Default::default()
        };
        self.ask(CreateTopicsRequest { topics: vec![topic], ..Default::default() }, 7).await
    }
}

pub(crate) async fn start(
    change: impl FnOnce(&mut BrokerConfig),
) -> Result<(Broker, tempfile::TempDir), TestError> {
    let folder = tempfile::tempdir()?;
    Ok((start_in(folder.path(), change).await?, folder))
}

pub(crate) async fn start_in(
    folder: &std::path::Path,
    change: impl FnOnce(&mut BrokerConfig),
) -> Result<Broker, broker_server::Error> {
    let mut config = BrokerConfig {
        listeners: vec![Listener { host: "127.0.0.1".to_owned(), port: 0 }],
        log_directory: folder.to_owned(),
        ..BrokerConfig::default()
    };
    change(&mut config);
    Broker::start(config).await
}

pub(crate) fn batch(values: &[&str], fields: BatchFields) -> Bytes {
    keyed(&values.iter().map(|value| (Some("key"), *value)).collect::<Vec<_>>(), fields)
}

pub(crate) fn keyed(records: &[(Option<&str>, &str)], fields: BatchFields) -> Bytes {
    let mut builder = BatchBuilder::new(100);
    for (at, (key, value)) in (0_i64..).zip(records) {
        let appended = builder.append(1_000 + at, key.map(str::as_bytes), Some(value.as_bytes()), &[]);
        assert!(appended.is_ok());
    }
    builder.finish(&fields).map(|(bytes, _)| bytes.into()).unwrap_or_default()
}

pub(crate) fn produce_request(topic: &str, records: Bytes, acks: i16) -> ProduceRequest {
    let partition_data = vec![PartitionProduceData { index: 0, records: Some(records) }];
    let topic_data = vec![TopicProduceData { name: topic.into(), partition_data, ..Default::default() }];
    ProduceRequest { acks, timeout_ms: 10_000, topic_data, ..Default::default() }
}

pub(crate) fn fetch_request(topic: &str, fetch_offset: i64, wait: Duration, min_bytes: i32) -> FetchRequest {
    let partition = FetchPartition { fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topics = vec![FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() }];
    let max_wait_ms = i32::try_from(wait.as_millis()).unwrap_or(0);
    FetchRequest { max_wait_ms, min_bytes, max_bytes: 1 << 20, topics, ..Default::default() }
}

pub(crate) fn values(response: &FetchResponse) -> Vec<String> {
    let bytes = response.responses[0].partitions[0].records.clone().unwrap_or_default();
    let batches = Batches::new(bytes).filter_map(Result::ok);
    let records = batches.filter_map(|batch| batch.records(InflateLimits::default()).ok());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    records
        .flat_map(|records| {
            records
                .iter()
                .filter_map(Result::ok)
                .filter_map(|record| record.value.map(text))
                .collect::<Vec<_>>()
        })
        .collect()
}
