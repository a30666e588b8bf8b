//! What can go wrong between us and a broker. Every error names who was asked, what for, and what to do.
//!
//! Errors are cheap to clone: one failed batch tells everyone who waits for one of its records.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use broker_protocol::batch::BatchError;
use broker_protocol::{ApiKey, DecodeError, EncodeError, ErrorCode};

/// What the client answers with.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed request, delivery or fetch.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A broker cannot be reached.
    #[error(
        "cannot connect to broker {broker}; is it running, and is the address in bootstrap.servers (or the broker's advertised.listeners) right?"
    )]
    Connect {
        /// Its host and port.
        broker: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// No trust between us and a broker.
    #[error(
        "no TLS connection to broker {broker}; does it speak TLS there (security.protocol), is its certificate signed by one of ssl.truststore.location and made out to this name, and does it want one of ours (ssl.keystore.location)?"
    )]
    Tls {
        /// Its host and port.
        broker: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// The broker does not let us in, or did not prove who it is.
    #[error("authentication at broker {broker} by {mechanism} failed: {reason}; see sasl.jaas.config")]
    Authentication {
        /// Its host and port.
        broker: String,
        /// As in `sasl.mechanism`.
        mechanism: &'static str,
        /// Why.
        reason: String,
    },
    /// The connection ended while a request was under way: whether it was carried out is unknown.
    #[error("the connection to broker {broker} ended before {api} was answered")]
    Disconnected {
        /// Its host and port.
        broker: String,
        /// What was asked.
        api: ApiKey,
        /// Why, if an error ended it.
        #[source]
        source: Arc<io::Error>,
    },
    /// No answer in time: whether the request was carried out is unknown.
    #[error(
        "broker {broker} did not answer {api} within {after:?}; it may be overloaded, see request.timeout.ms"
    )]
    Timeout {
        /// Its host and port.
        broker: String,
        /// What was asked.
        api: ApiKey,
        /// How long was waited.
        after: Duration,
    },
    /// None of the bootstrap servers and known brokers answers.
    #[error("no broker answers at {servers}; check bootstrap.servers and that a broker runs there")]
    NoBroker {
        /// All that were tried.
        servers: String,
        /// What the last one said.
        #[source]
        source: Arc<Self>,
    },
    /// The answer cannot be read.
    #[error("broker {broker} answered {api} with something else than the protocol says")]
    Response {
        /// Its host and port.
        broker: String,
        /// What was asked.
        api: ApiKey,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// A request too large for the protocol.
    #[error("{api} cannot be written")]
    Request {
        /// What was to be asked.
        api: ApiKey,
        /// Why.
        #[source]
        source: EncodeError,
    },
    /// The broker speaks no version of the API that we speak.
    #[error(
        "broker {broker} does not offer {api} in a version that this client speaks ({ours}; it offers {theirs})"
    )]
    UnsupportedApi {
        /// Its host and port.
        broker: String,
        /// The API.
        api: ApiKey,
        /// Our versions.
        ours: String,
        /// Its versions.
        theirs: String,
    },
    /// The broker refused.
    #[error("{api} for {subject}: broker {broker} answered {code}{}", message.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused {
        /// Its host and port.
        broker: String,
        /// What was asked.
        api: ApiKey,
        /// The topic, partition or group.
        subject: String,
        /// Its answer.
        code: ErrorCode,
        /// Its own words, if it gave any.
        message: Option<String>,
    },
    /// A partition without leader (yet).
    #[error("partition {partition} of topic {topic} has no leader among the known brokers")]
    NoLeader {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// A topic that is not there.
    #[error("topic {topic} does not exist; create it, or let the broker do so (auto.create.topics.enable)")]
    UnknownTopic {
        /// The topic.
        topic: String,
    },
    /// `append` needs the topic's partitions first.
    #[error("topic {topic} was not prepared; call Producer::prepare before the first append")]
    TopicNotPrepared {
        /// The topic.
        topic: String,
    },
    /// A partition that the topic does not have.
    #[error("topic {topic} has partitions 0 to {last}, not {partition}")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// As asked.
        partition: i32,
        /// The largest there is.
        last: i32,
    },
    /// More was appended than the producer may hold.
    #[error(
        "{buffered} bytes wait to be sent, the limit is {limit}; wait for Producer::ready between batches (buffer.memory)"
    )]
    BufferFull {
        /// Bytes waiting.
        buffered: usize,
        /// The limit beyond which nothing is taken.
        limit: usize,
    },
    /// A record that no request may hold.
    #[error(
        "a record of {size} bytes for partition {partition} of topic {topic} exceeds the {limit} bytes of max.request.size; raise it here, and message.max.bytes (max.message.bytes of the topic) at the broker"
    )]
    RecordTooLarge {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Bytes of the record (or of the batch it is alone in, compressed).
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Records were not acknowledged in time.
    #[error(
        "records for partition {partition} of topic {topic} were not acknowledged within {after:?} (delivery.timeout.ms)"
    )]
    DeliveryTimeout {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// How long was tried.
        after: Duration,
        /// What the last try ended with.
        #[source]
        source: Option<Arc<Self>>,
    },
    /// A record batch that cannot be read or built.
    #[error(
        "a record batch of partition {partition} of topic {topic}, at or after offset {offset}, is unusable"
    )]
    Batch {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset asked for; -1 in what was to be sent.
        offset: i64,
        /// What is wrong with it.
        #[source]
        source: Arc<BatchError>,
    },
    /// The offset to read from is gone, or not there yet, and no reset was allowed.
    #[error(
        "offset {offset} of partition {partition} of topic {topic} is out of range; choose auto.offset.reset earliest or latest, or set the group's offset"
    )]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset asked for.
        offset: i64,
    },
    /// The group went on without this member; offsets could not be committed and partitions may be elsewhere.
    #[error(
        "the member is no longer part of group {group} ({code}): its partitions may have been given to another one; processing took longer than max.poll.interval.ms or heartbeats were lost"
    )]
    MembershipLost {
        /// The group.
        group: String,
        /// What the coordinator said.
        code: ErrorCode,
    },
    /// A newer producer of the same transactional id took over: this one can do nothing any more (Kafka's ProducerFencedException).
    #[error(
        "a newer producer with transactional.id {transactional_id} took over ({code}); this one is fenced off for good and must be closed"
    )]
    Fenced {
        /// The transactional id.
        transactional_id: String,
        /// What the broker said.
        code: ErrorCode,
    },
    /// The open transaction cannot be committed any more; after [`crate::Producer::abort_transaction`] the producer goes on.
    #[error("the transaction of {transactional_id} cannot be committed any more; abort it and begin anew")]
    TransactionFailed {
        /// The transactional id.
        transactional_id: String,
        /// What spoiled it.
        #[source]
        source: Arc<Self>,
    },
    /// Records were given up because their transaction was aborted.
    #[error("the transaction of {transactional_id} was aborted before its records were sent")]
    TransactionAborted {
        /// The transactional id.
        transactional_id: String,
    },
    /// The records of a transaction were neither acknowledged nor given up in time; the same call may be made again.
    #[error("the records of the transaction of {transactional_id} are still on their way after {after:?}")]
    TransactionPending {
        /// The transactional id.
        transactional_id: String,
        /// How long was waited.
        after: Duration,
    },
    /// A call that does not fit the producer's state, such as a commit without a transaction.
    #[error("{operation} needs a producer that {needed}, but this one {found}")]
    TransactionState {
        /// What was called.
        operation: &'static str,
        /// When it may be called.
        needed: &'static str,
        /// How the producer stands.
        found: &'static str,
    },
    /// The producer or consumer was closed.
    #[error("the {what} was closed")]
    Closed {
        /// Which.
        what: &'static str,
    },
}

impl Error {
    /// Whether the same may succeed later, perhaps after a metadata refresh.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Disconnected { .. }
            | Self::Timeout { .. }
            | Self::NoBroker { .. }
            | Self::NoLeader { .. }
            | Self::UnknownTopic { .. }
            | Self::BufferFull { .. }
            | Self::DeliveryTimeout { .. }
            | Self::TransactionPending { .. }
            | Self::TopicNotPrepared { .. } => true,
            Self::Refused { code, .. } => code.is_retriable(),
            _ => false,
        }
    }

    /// Whether [`crate::Producer::abort_transaction`] is what to do next. What is neither this nor retriable is final for a
    /// transactional producer.
    pub fn is_abortable(&self) -> bool {
        matches!(self, Self::TransactionFailed { .. })
    }

    /// Whether broker and client do not trust each other: asking another broker will not help.
    pub(crate) fn is_distrust(&self) -> bool {
        matches!(self, Self::Tls { .. } | Self::Authentication { .. })
    }

    /// Whether a newer producer of the same transactional id took over.
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Fenced { .. })
    }

    /// The broker's code, if it was the broker who refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } | Self::MembershipLost { code, .. } | Self::Fenced { code, .. } => {
                Some(*code)
            }
            _ => None,
        }
    }
}
