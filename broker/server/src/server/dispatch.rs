//! From a frame to its handler, and from what the handler says to an answer.

use std::{any::Any, future::Future, pin::Pin, sync::Arc};

use broker_protocol::{
    ApiKey, EncodeError, Encoded, Message,
    header::{self, RequestHeader},
    messages::{
        api_versions::ApiVersionsRequest, list_partition_reassignments::ListPartitionReassignmentsRequest,
        produce::ProduceRequest,
    },
    reader::Reader,
};
use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    api,
    authorization::{Authorize, Gate, Verdict},
    connection::{ConnectionError, Pace, Session},
    served::is_served,
};
use crate::broker::State;

/// What comes of a request.
#[derive(Debug)]
pub(super) enum Reply {
    /// An answer, now or later.
    Answer(Answer),
    /// acks=0.
    Nothing,
}

/// An answer in the queue of a connection.
pub(super) enum Answer {
    /// It can be sent.
    Ready(Encoded),
    /// It waits for something.
    Waiting(Pin<Box<dyn Future<Output = Result<Encoded, EncodeError>> + Send>>),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if matches!(self, Self::Ready(_)) { "Ready" } else { "Waiting" })
    }
}

impl Answer {
    /// Waits for what it waits for.
    pub(super) async fn resolve(self) -> Result<Encoded, EncodeError> {
        match self {
            Self::Ready(encoded) => Ok(encoded),
            Self::Waiting(waiting) => waiting.await,
        }
    }
}

/// One request, without its body.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) api: ApiKey,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    pub(super) client_id: String,
    pace: Pace,
    gate: Gate,
    /// What authorization adds to the answer, once [`decode`] has looked.
    amendment: Arc<Mutex<Option<Amendment>>>,
}

/// Changes an answer of the request's type.
type Amendment = Box<dyn FnOnce(&mut dyn Any) + Send>;

impl std::fmt::Debug for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} v{} from {}", self.api, self.version, self.client_id)
    }
}

impl Call {
    fn encode<M: Message + 'static>(&self, response: &M) -> Result<Encoded, EncodeError> {
        let amendment = self.amendment.lock().take();
        let amended = amendment.map(|amend| {
            let mut amended = response.clone();
            amend(&mut amended);
            amended
        });
        let response = amended.as_ref().unwrap_or(response);
        header::encode_response(self.api, response, self.version, self.correlation_id)
    }

    fn ready<M: Message + 'static>(&self, response: &M) -> Result<Reply, ConnectionError> {
        Ok(Reply::Answer(Answer::Ready(self.encode(response)?)))
    }

    fn later<M: Message + Send + 'static>(
        self,
        response: impl Future<Output = M> + Send + 'static,
    ) -> Result<Reply, ConnectionError> {
        let answer = async move { self.encode(&response.await) };
        Ok(Reply::Answer(Answer::Waiting(Box::pin(answer))))
    }
}

/// Answers ApiVersions as it may be asked before a login, in any version.
pub(super) fn api_versions(
    state: &State,
    header: &RequestHeader,
    mut body: Reader,
) -> Result<Encoded, EncodeError> {
    let (version, id) = (header.api_version, header.correlation_id);
    match ApiVersionsRequest::decode_from(&mut body, version) {
        Ok(request) => {
            let response = api::cluster::api_versions(state, &request, version);
            header::encode_response(ApiKey::ApiVersions, &response, version, id)
        }
        Err(_unknown) => header::encode_api_versions_refusal(id),
    }
}

/// Reads a request and begins it; returns once the next request of the connection may begin.
pub(super) async fn handle(
    state: &Arc<State>,
    session: &Session,
    frame: Bytes,
    pace: Pace,
) -> Result<Reply, ConnectionError> {
    let mut reader = Reader::new(frame, false);
    let header = RequestHeader::read(&mut reader)?;
    let api = match header::check_version(&header) {
        Ok(api) if is_served(api, &state.config) => api,
        Err(_) if header.api_key == i16::from(ApiKey::ApiVersions) => {
            let refusal = header::encode_api_versions_refusal(header.correlation_id)?;
            return Ok(Reply::Answer(Answer::Ready(refusal)));
        }
        Ok(api) => return Err(ConnectionError::Refused(format!("{api} is not served"))),
        Err(error) => return Err(error.into()),
    };
    let client_id = header.client_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let version = header.api_version;
    let gate = Gate::new(state, &session.identity, version);
    let correlation_id = header.correlation_id;
    let call = Call { api, version, correlation_id, client_id, pace, gate, amendment: Arc::default() };
    match route(state, session, call, reader).await {
        Err(ConnectionError::Denied(answer)) => Ok(Reply::Answer(Answer::Ready(answer))),
        routed => routed,
    }
}

/// Reads a request and takes out of it what the client may not do. What is denied as a whole ends here, with its answer as the error:
/// no handler sees it.
fn decode<R: Authorize>(call: &Call, mut reader: Reader) -> Result<R, ConnectionError>
where
    R::Response: 'static,
{
    let mut request = R::decode_from(&mut reader, call.version)?;
    match request.authorize(&call.gate) {
        Verdict::Pass => {}
        Verdict::Refused(answer) => return Err(ConnectionError::Denied(call.encode(&answer)?)),
        Verdict::Amend(amend) => {
            let amend: Amendment = Box::new(move |answer| match answer.downcast_mut::<R::Response>() {
                Some(answer) => amend(answer),
                None => tracing::error!("an answer of {} has another request's type", R::NAME),
            });
            *call.amendment.lock() = Some(amend);
        }
    }
    Ok(request)
}

async fn route(
    state: &Arc<State>,
    session: &Session,
    call: Call,
    body: Reader,
) -> Result<Reply, ConnectionError> {
    let shared = Arc::clone(state);
    match call.api {
        ApiKey::Produce => produce(state, call, body).await,
        ApiKey::Fetch => {
            let request = decode(&call, body)?;
            call.clone().later(api::fetch::fetch(shared, request, call.version))
        }
        ApiKey::ListOffsets => {
            let request = decode(&call, body)?;
            call.clone().later(api::list_offsets::list_offsets(shared, request, call.version))
        }
        ApiKey::Metadata => {
            let request = decode(&call, body)?;
            let response = api::metadata::metadata(shared, session, request, call.version).await;
            call.ready(&response)
        }
        ApiKey::ApiVersions => {
            let request = decode(&call, body)?;
            call.ready(&api::cluster::api_versions(state, &request, call.version))
        }
        ApiKey::DescribeCluster => {
            call.ready(&api::cluster::describe_cluster(state, session, &decode(&call, body)?))
        }
        ApiKey::FindCoordinator => {
            let request = decode(&call, body)?;
            call.ready(&api::cluster::find_coordinator(state, session, &request, call.version))
        }
        ApiKey::CreateTopics => call.ready(&api::topics::create(shared, decode(&call, body)?).await),
        ApiKey::DeleteTopics => {
            let request = decode(&call, body)?;
            call.ready(&api::topics::delete(shared, request, call.version).await)
        }
        ApiKey::CreatePartitions => {
            call.ready(&api::topics::create_partitions(shared, decode(&call, body)?).await)
        }
        ApiKey::DeleteRecords => call.ready(&api::topics::delete_records(shared, decode(&call, body)?).await),
        ApiKey::DescribeConfigs => call.ready(&api::configs::describe(state, &decode(&call, body)?)),
        ApiKey::AlterConfigs => call.ready(&api::configs::alter::replace(shared, decode(&call, body)?).await),
        ApiKey::IncrementalAlterConfigs => {
            call.ready(&api::configs::alter::incremental(shared, decode(&call, body)?).await)
        }
        ApiKey::DescribeProducers => {
            call.ready(&api::describe_producers::describe(state, &decode(&call, body)?))
        }
        ApiKey::OffsetForLeaderEpoch => {
            call.ready(&api::list_offsets::offset_for_leader_epoch(state, &decode(&call, body)?))
        }
        _ => route_placement(state, session, call, body).await,
    }
}

/// Where partitions rest and who leads them.
async fn route_placement(
    state: &Arc<State>,
    session: &Session,
    call: Call,
    body: Reader,
) -> Result<Reply, ConnectionError> {
    match call.api {
        ApiKey::DescribeLogDirs => {
            let request = decode(&call, body)?;
            call.ready(&api::log_dirs::describe(Arc::clone(state), request).await)
        }
        ApiKey::ElectLeaders => call.ready(&api::reassignments::elect(state, &decode(&call, body)?)),
        ApiKey::AlterPartitionReassignments => {
            call.ready(&api::reassignments::alter(state, &decode(&call, body)?))
        }
        ApiKey::ListPartitionReassignments => {
            let _request: ListPartitionReassignmentsRequest = decode(&call, body)?;
            call.ready(&api::reassignments::list())
        }
        ApiKey::DescribeTopicPartitions => {
            call.ready(&api::topic_partitions::describe(state, &decode(&call, body)?))
        }
        _ => route_group(state, session, call, body).await,
    }
}

async fn route_group(
    state: &Arc<State>,
    session: &Session,
    call: Call,
    body: Reader,
) -> Result<Reply, ConnectionError> {
    let shared = Arc::clone(state);
    match call.api {
        ApiKey::JoinGroup => {
            let joined = api::groups::join(state, session, &call, decode(&call, body)?);
            call.later(joined)
        }
        ApiKey::SyncGroup => {
            let synced = api::groups::sync(state, decode(&call, body)?, call.version);
            call.later(synced)
        }
        ApiKey::Heartbeat => call.ready(&api::groups::heartbeat(state, &decode(&call, body)?)),
        ApiKey::LeaveGroup => {
            let left = api::groups::leave(state, &decode(&call, body)?, call.version);
            call.later(left)
        }
        ApiKey::OffsetCommit => {
            let request = decode(&call, body)?;
            call.later(api::offsets::commit(shared, request))
        }
        ApiKey::OffsetFetch => call.ready(&api::offsets::fetch(state, &decode(&call, body)?, call.version)),
        ApiKey::OffsetDelete => call.ready(&api::offsets::delete(shared, decode(&call, body)?).await),
        ApiKey::DescribeGroups => {
            call.ready(&api::groups::describe(state, &decode(&call, body)?, call.version))
        }
        ApiKey::ListGroups => call.ready(&api::groups::list(state, &decode(&call, body)?)),
        ApiKey::DeleteGroups => call.ready(&api::groups::delete(shared, decode(&call, body)?).await),
        ApiKey::ConsumerGroupHeartbeat => {
            let answered = api::consumer_groups::heartbeat(state, session, &call, &decode(&call, body)?);
            call.later(answered)
        }
        ApiKey::ConsumerGroupDescribe => {
            call.ready(&api::consumer_groups::describe(state, &decode(&call, body)?))
        }
        _ => route_transaction(state, session, call, body).await,
    }
}

async fn route_transaction(
    state: &Arc<State>,
    session: &Session,
    call: Call,
    body: Reader,
) -> Result<Reply, ConnectionError> {
    let shared = Arc::clone(state);
    let version = call.version;
    match call.api {
        ApiKey::InitProducerId => {
            let request = decode(&call, body)?;
            call.ready(&api::producers::init_producer_id(shared, request, version).await)
        }
        ApiKey::AddPartitionsToTxn => {
            let request = decode(&call, body)?;
            call.ready(&api::transactions::add_partitions(shared, request, version).await)
        }
        ApiKey::AddOffsetsToTxn => {
            let request = decode(&call, body)?;
            call.ready(&api::transactions::add_offsets(shared, request, version).await)
        }
        ApiKey::EndTxn => {
            let request = decode(&call, body)?;
            call.ready(&api::transactions::end(shared, request, version).await)
        }
        ApiKey::TxnOffsetCommit => {
            let request = decode(&call, body)?;
            call.ready(&api::transaction_offsets::commit(shared, request, version).await)
        }
        ApiKey::WriteTxnMarkers => {
            call.ready(&api::transaction_markers::write(shared, decode(&call, body)?).await)
        }
        ApiKey::ListTransactions => call.ready(&api::transaction_list::list(state, &decode(&call, body)?)),
        ApiKey::DescribeTransactions => {
            call.ready(&api::transaction_list::describe(state, &decode(&call, body)?))
        }
        _ => route_security(state, session, call, body).await,
    }
}

async fn route_security(
    state: &Arc<State>,
    session: &Session,
    call: Call,
    body: Reader,
) -> Result<Reply, ConnectionError> {
    let shared = Arc::clone(state);
    match call.api {
        ApiKey::SaslHandshake => call.ready(&api::sasl::handshake(&decode(&call, body)?)),
        ApiKey::SaslAuthenticate => call.ready(&api::sasl::authenticate(&decode(&call, body)?)),
        ApiKey::DescribeAcls => call.ready(&api::acls::describe(state, session, &decode(&call, body)?)),
        ApiKey::CreateAcls => call.ready(&api::acls::create(shared, session, decode(&call, body)?).await),
        ApiKey::DeleteAcls => call.ready(&api::acls::delete(shared, session, decode(&call, body)?).await),
        ApiKey::DescribeUserScramCredentials => {
            call.ready(&api::scram::describe(state, session, &decode(&call, body)?))
        }
        ApiKey::AlterUserScramCredentials => {
            call.ready(&api::scram::alter(shared, session, decode(&call, body)?).await)
        }
        other => Err(ConnectionError::Refused(format!("{other} is not served"))),
    }
}

async fn produce(state: &Arc<State>, call: Call, body: Reader) -> Result<Reply, ConnectionError> {
    let request: ProduceRequest = decode(&call, body)?;
    let (acks, version) = (request.acks, call.version);
    let pending = api::produce::append(Arc::clone(state), request, version, call.pace).await;
    if acks != 0 {
        return call.later(pending.acknowledge());
    }
    // Nobody waits for an answer; a client learns of an error by the connection's end, as in Kafka.
    match pending.first_error() {
        None if call.amendment.lock().is_some() => {
            Err(ConnectionError::Refused("produce with acks=0 was denied".to_owned()))
        }
        None => Ok(Reply::Nothing),
        Some(reason) => Err(ConnectionError::Refused(format!("produce with acks=0 failed: {reason}"))),
    }
}
