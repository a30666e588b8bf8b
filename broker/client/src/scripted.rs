//! A broker for tests that does what the test says: real sockets, real frames, scripted answers.
//!
//! It answers ApiVersions, Metadata and InitProducerId (of no transactional id) by itself; every other request waits for the test to answer, to
//! refuse, or to cut the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use broker_protocol::header::{RequestHeader, encode_api_versions_refusal, encode_response};
use broker_protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse, FinalizedFeatureKey};
use broker_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use broker_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use broker_protocol::reader::Reader;
use broker_protocol::{ApiKey, Encoded, Message, Request, frame};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use crate::client::Client;
use crate::config::ClientConfig;

/// What the broker is like.
#[derive(Debug, Clone)]
pub(crate) struct Manners {
    /// Partitions of every topic.
    pub(crate) partitions: i32,
    /// Newest version of ApiVersions; newer ones are refused in version 0.
    pub(crate) api_versions_max: i16,
    /// The level of `transaction.version`; 0 for a cluster that has no such feature.
    pub(crate) transaction_version: i16,
}

impl Default for Manners {
    fn default() -> Self {
        Self { partitions: 1, api_versions_max: 4, transaction_version: 0 }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ScriptedBroker {
    pub(crate) address: String,
    /// Fetches are left without an answer, as if nothing were ever written: for tests that are about something else.
    pub(crate) never_answers_fetches: bool,
    requests: mpsc::Receiver<Received>,
}

/// A request that waits for an answer.
#[derive(Debug)]
pub(crate) struct Received {
    connection: usize,
    header: RequestHeader,
    body: Bytes,
    answer: oneshot::Sender<Option<Encoded>>,
}

/// Answers one request.
#[derive(Debug)]
pub(crate) struct Answer {
    connection: usize,
    header: RequestHeader,
    sender: oneshot::Sender<Option<Encoded>>,
}

impl ScriptedBroker {
    pub(crate) async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, requests) = mpsc::channel(100);
        let own = address.clone();
        tokio::spawn(async move {
            let ids = Arc::new(AtomicI64::new(1000));
            for number in 0.. {
                let Ok((stream, _peer)) = listener.accept().await else { return };
                let script = (number, sender.clone());
                tokio::spawn(serve(stream, own.clone(), manners.clone(), Arc::clone(&ids), script));
            }
        });
        Self { address, never_answers_fetches: false, requests }
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with(ClientConfig::default())
    }

    pub(crate) fn client_with(&self, config: ClientConfig) -> Client {
        Client::new(ClientConfig {
            bootstrap_servers: vec![self.address.clone()],
            retry_backoff: Duration::from_millis(10),
            reconnect_backoff: Duration::from_millis(5),
            ..config
        })
    }

    /// The next request, which must be an `R`.
    pub(crate) async fn expect<R: Request>(&mut self) -> (R, Answer) {
        let Received { connection, header, body, answer: sender } = self.any().await;
        assert_eq!(header.api().unwrap(), R::KEY, "another request was expected");
        let request = R::decode(body, header.api_version).unwrap();
        (request, Answer { connection, header, sender })
    }

    /// The next request, which must be an `A` (`Ok`) or a `B` (`Err`).
    pub(crate) async fn expect_either<A: Request, B: Request>(
        &mut self,
    ) -> std::result::Result<(A, Answer), (B, Answer)> {
        let Received { connection, header, body, answer: sender } = self.any().await;
        let (api, version) = (header.api().unwrap(), header.api_version);
        let answer = Answer { connection, header, sender };
        if api == A::KEY {
            return Ok((A::decode(body, version).unwrap(), answer));
        }
        assert_eq!(api, B::KEY, "another request was expected");
        Err((B::decode(body, version).unwrap(), answer))
    }

    /// The next request, whatever it is.
    pub(crate) async fn any(&mut self) -> Received {
        loop {
            let received = tokio::time::timeout(Duration::from_secs(60), self.requests.recv());
            let received = received.await.expect("no request came").unwrap();
            let is_fetch = received.header.api() == Ok(ApiKey::Fetch);
            if !(is_fetch && self.never_answers_fetches) {
                return received;
            }
        }
    }

    /// Nothing may be waiting.
    pub(crate) fn expect_silence(&mut self) {
        assert!(self.requests.try_recv().is_err(), "a request came that was not expected");
    }
}

impl Answer {
    pub(crate) fn send<M: Message>(self, response: &M) {
        let RequestHeader { api_version, correlation_id, .. } = self.header;
        let encoded = encode_response(self.header.api().unwrap(), response, api_version, correlation_id);
        self.sender.send(Some(encoded.unwrap())).unwrap();
    }

    /// The version in which was asked.
    pub(crate) fn version(&self) -> i16 {
        self.header.api_version
    }

    /// The number of the connection that the request came on.
    pub(crate) const fn connection(&self) -> usize {
        self.connection
    }

    /// Cuts the connection instead.
    pub(crate) fn hang_up(self) {
        self.sender.send(None).unwrap();
    }
}

async fn serve(
    mut stream: TcpStream,
    address: String,
    manners: Manners,
    ids: Arc<AtomicI64>,
    (connection, script): (usize, mpsc::Sender<Received>),
) {
    let (mut reading, mut writing) = stream.split();
    let (sender, mut answers) = mpsc::channel::<oneshot::Receiver<Option<Encoded>>>(100);
    let read = async {
        let mut buffer = BytesMut::new();
        loop {
            while let Some(request) = frame::take_frame(&mut buffer, 10 << 20).unwrap() {
                let (answer, waiting) = oneshot::channel();
                sender.send(waiting).await.unwrap();
                let mut reader = Reader::new(request, false);
                let header = RequestHeader::read(&mut reader).unwrap();
                let body = reader.into_rest();
                match by_itself(&header, &body, &address, &manners, &ids) {
                    Some(encoded) => drop(answer.send(Some(encoded))),
                    None => drop(script.send(Received { connection, header, body, answer }).await),
                }
            }
            if reading.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
    };
    // Answers leave in the order of the requests, as a broker's do.
    let write = async {
        while let Some(answer) = answers.recv().await {
            // Dropped without an answer: this request is never answered, and so are those behind it.
            let Ok(answer) = answer.await else { return std::future::pending().await };
            let Some(mut encoded) = answer else { return };
            if writing.write_all_buf(&mut encoded).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}

fn by_itself(
    header: &RequestHeader,
    body: &Bytes,
    address: &str,
    manners: &Manners,
    ids: &AtomicI64,
) -> Option<Encoded> {
    let (version, id) = (header.api_version, header.correlation_id);
    let encoded = match header.api().unwrap() {
        ApiKey::ApiVersions if version > manners.api_versions_max => encode_api_versions_refusal(id),
        ApiKey::ApiVersions => encode_response(ApiKey::ApiVersions, &all_versions(manners), version, id),
        ApiKey::InitProducerId => {
            let request = InitProducerIdRequest::decode(body.clone(), version).unwrap();
            if request.transactional_id.is_some() {
                return None;
            }
            let producer_id = ids.fetch_add(1, Ordering::Relaxed);
            let response = InitProducerIdResponse { producer_id, ..Default::default() };
            encode_response(ApiKey::InitProducerId, &response, version, id)
        }
        ApiKey::Metadata => {
            let request = MetadataRequest::decode(body.clone(), version).unwrap();
            encode_response(ApiKey::Metadata, &metadata(&request, address, manners), version, id)
        }
        _ => return None,
    };
    Some(encoded.unwrap())
}

fn all_versions(manners: &Manners) -> ApiVersionsResponse {
    let range = |api: &ApiKey| ApiVersion {
        api_key: (*api).into(),
        min_version: *api.versions().start(),
        max_version: *api.versions().end(),
    };
    let feature = FinalizedFeatureKey {
        name: "transaction.version".into(),
        max_version_level: manners.transaction_version,
        min_version_level: manners.transaction_version,
    };
    let has_feature = manners.transaction_version > 0;
    ApiVersionsResponse {
        api_keys: ApiKey::ALL.iter().map(range).collect(),
        finalized_features: has_feature.then_some(feature).into_iter().collect(),
        finalized_features_epoch: if has_feature { 1 } else { -1 },
        ..Default::default()
    }
}

fn metadata(request: &MetadataRequest, address: &str, manners: &Manners) -> MetadataResponse {
    let (host, port) = address.split_once(':').unwrap();
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        replica_nodes: vec![1],
        isr_nodes: vec![1],
        ..Default::default()
    };
    let topics = request.topics.iter().flatten().map(|topic| MetadataResponseTopic {
        name: topic.name.clone(),
        partitions: (0..manners.partitions).map(partition).collect(),
        ..Default::default()
    });
    MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: 1,
            host: host.into(),
            port: port.parse().unwrap(),
            rack: None,
        }],
        controller_id: 1,
        topics: topics.collect(),
        ..Default::default()
    }
}
