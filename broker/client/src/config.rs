//! What may be chosen about connections, producers and consumers, with defaults for a data path: idempotent, acknowledged by all,
//! lz4, batches large enough to compress well.

use std::time::Duration;

use broker_protocol::batch::Compression;

use crate::security::Security;

/// How to reach a cluster.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `host:port` of brokers to ask first.
    pub bootstrap_servers: Vec<String>,
    /// Says who we are in the broker's logs.
    pub client_id: String,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How long a connection may take to come up.
    pub connect_timeout: Duration,
    /// How long an operation of the admin kind may take, all its tries together.
    pub operation_timeout: Duration,
    /// Pause before the first reconnect; doubles with each failure.
    pub reconnect_backoff: Duration,
    /// Longest pause before a reconnect.
    pub reconnect_backoff_max: Duration,
    /// Pause before a request is tried again.
    pub retry_backoff: Duration,
    /// Largest response that is accepted.
    pub response_bytes_max: usize,
    /// Encryption and authentication; neither by default.
    pub security: Security,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            bootstrap_servers: vec!["127.0.0.1:9092".to_owned()],
            client_id: "millrace".to_owned(),
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(60),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(1),
            retry_backoff: Duration::from_millis(100),
            response_bytes_max: 100 << 20,
            security: Security::default(),
        }
    }
}

/// Who must have a record before it counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// Nobody: what was written to the socket counts.
    None,
    /// The leader.
    Leader,
    /// All in-sync replicas.
    #[default]
    All,
}

impl Acks {
    /// As the Produce request says it.
    pub(crate) fn wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// How records are sent.
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// Who must have a record.
    pub acks: Acks,
    /// No duplicates and no reordering through retries. Needs [`Acks::All`]; without it there is none.
    pub idempotence: bool,
    /// Codec of the batches.
    pub compression: Compression,
    /// How long a batch waits for more records.
    pub linger: Duration,
    /// A batch is sent once its uncompressed records reach this.
    pub batch_bytes_max: usize,
    /// [`crate::Producer::ready`] waits while this much is buffered.
    pub buffer_bytes_max: usize,
    /// Largest request, and largest batch after compression.
    pub request_bytes_max: usize,
    /// How long a record may take from `append` to acknowledgement.
    pub delivery_timeout: Duration,
    /// Requests under way per broker; at most 5 with idempotence.
    pub max_in_flight: usize,
    /// With it the producer writes in transactions, and a newer producer of the same id fences this one. Acknowledgement by all and
    /// idempotence come with it, whatever else is said.
    pub transactional_id: Option<String>,
    /// How long a transaction may stay open before the coordinator aborts it.
    pub transaction_timeout: Duration,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            idempotence: true,
            compression: Compression::Lz4,
            linger: Duration::from_millis(5),
            batch_bytes_max: 1 << 20,
            buffer_bytes_max: 32 << 20,
            request_bytes_max: 1 << 20,
            delivery_timeout: Duration::from_secs(120),
            max_in_flight: 5,
            transactional_id: None,
            transaction_timeout: Duration::from_secs(60),
        }
    }
}

impl ProducerConfig {
    /// Whether records are numbered.
    pub(crate) fn is_idempotent(&self) -> bool {
        self.idempotence && self.acks == Acks::All
    }

    /// Brokers remember the last five batches of a producer, no more.
    pub(crate) fn in_flight_max(&self) -> usize {
        let limit = if self.is_idempotent() { 5 } else { usize::MAX };
        self.max_in_flight.clamp(1, limit)
    }
}

/// Where to read when there is no offset, or it is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// From the first record there is.
    #[default]
    Earliest,
    /// Only what comes from now on.
    Latest,
    /// Fail.
    Fail,
}

/// Whether records of open and aborted transactions are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// They are.
    #[default]
    ReadUncommitted,
    /// Only what was committed, up to the first open transaction.
    ReadCommitted,
}

impl Isolation {
    /// As Fetch and ListOffsets say it.
    pub(crate) fn wire(self) -> i8 {
        i8::from(self == Self::ReadCommitted)
    }
}

/// How records are fetched.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// Where to read without an offset.
    pub offset_reset: OffsetReset,
    /// Which records are seen.
    pub isolation: Isolation,
    /// How long a broker waits for [`Self::fetch_bytes_min`].
    pub fetch_wait: Duration,
    /// Bytes worth an answer.
    pub fetch_bytes_min: usize,
    /// Bytes of one answer, as stored (compressed). One batch may exceed it.
    pub fetch_bytes_max: usize,
    /// Bytes of one partition in an answer, as stored (compressed). One batch may exceed it.
    pub partition_bytes_max: usize,
    /// Bytes of one batch after inflating.
    pub batch_bytes_max: usize,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            offset_reset: OffsetReset::Earliest,
            isolation: Isolation::ReadUncommitted,
            fetch_wait: Duration::from_millis(500),
            fetch_bytes_min: 1,
            fetch_bytes_max: 4 << 20,
            partition_bytes_max: 1 << 20,
            batch_bytes_max: 64 << 20,
        }
    }
}

/// How the leader of a group shares out partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Neighbouring partitions of each topic to one member (Kafka's `range`).
    Range,
    /// One partition after the other around all members (Kafka's `roundrobin`).
    RoundRobin,
    /// Evenly, and whoever has a partition keeps it if possible (Kafka's `cooperative-sticky`, KIP-429). As the only assignor it lets
    /// members go on reading during a rebalance: only what changes hands is given up.
    CooperativeSticky,
}

impl Assignor {
    /// The name under which members agree on it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }
}

/// How a group is joined.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// The group's name.
    pub group: String,
    /// A name that survives restarts (static membership), if wanted.
    pub instance_id: Option<String>,
    /// Without a heartbeat for this long a member is out.
    pub session_timeout: Duration,
    /// Pause between heartbeats.
    pub heartbeat_interval: Duration,
    /// How long a member may take to come to a rebalance (max.poll.interval.ms).
    pub rebalance_timeout: Duration,
    /// How to share out partitions, preferred first; `range` and `cooperative-sticky` as Kafka's consumers have it.
    pub assignors: Vec<Assignor>,
    /// How often topics are looked at for new ones that match, and for new partitions.
    pub topics_interval: Duration,
    /// How records are fetched.
    pub consumer: ConsumerConfig,
}

impl GroupConfig {
    /// Whether partitions are kept over a rebalance: only if every assignor that may be agreed on can do with that, as in the
    /// Java client.
    pub(crate) fn is_cooperative(&self) -> bool {
        !self.assignors.is_empty() && self.assignors.iter().all(|it| *it == Assignor::CooperativeSticky)
    }
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            group: String::new(),
            instance_id: None,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            rebalance_timeout: Duration::from_secs(300),
            assignors: vec![Assignor::Range, Assignor::CooperativeSticky],
            topics_interval: Duration::from_secs(2),
            consumer: ConsumerConfig::default(),
        }
    }
}
