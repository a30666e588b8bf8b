//! The nouns of the public interface.

use bytes::Bytes;
use bytestring::ByteString;

pub use broker_protocol::batch::{EncodedHeaders, Header, RecordHeaders, TimestampType};

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: ByteString,
    /// The partition, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Of a topic and a number.
    pub fn new(topic: impl Into<ByteString>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.topic, self.partition)
    }
}

/// How far a group has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The next offset to read.
    pub offset: i64,
    /// Epoch of the leader that the last read record came from, or -1.
    pub leader_epoch: i32,
    /// Whatever the committer wants to remember.
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// An offset and nothing else.
    pub fn new(offset: i64) -> Self {
        Self { offset, leader_epoch: -1, metadata: String::new() }
    }
}

/// A record to be sent; everything is borrowed and copied into the batch by `append`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProducerRecord<'a> {
    /// Where to.
    pub topic: &'a str,
    /// The partition; without it the key decides (murmur2, as Kafka's clients do), without a key they take turns.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers, in order, repeats allowed.
    pub headers: RecordHeaders<'a>,
    /// Milliseconds since 1970; now, if `None`.
    pub timestamp: Option<i64>,
}

/// A record that was read. Key, value and headers are slices of the response (or of the inflated batch).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Its offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Who set the time stamp.
    pub timestamp_type: TimestampType,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers in order, repeats kept.
    pub headers: Vec<(ByteString, Option<Bytes>)>,
}

/// Records of one partition, in order of offset.
#[derive(Debug, Clone)]
pub struct FetchedRecords {
    /// The topic.
    pub topic: ByteString,
    /// The partition.
    pub partition: i32,
    /// The offset behind the last record that all replicas have, when this was fetched.
    pub high_watermark: i64,
    /// The records.
    pub records: Vec<ConsumerRecord>,
    /// The offset to read next: behind the last record, and behind markers and gaps that follow it.
    pub next_offset: i64,
}

/// A moment in a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first record there is.
    Earliest,
    /// Behind the last record.
    Latest,
    /// The first record of this time (ms since 1970) or later; behind the last one if there is none.
    Timestamp(i64),
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; -1 is the broker's default.
    pub partitions: i32,
    /// How many replicas; -1 is the broker's default.
    pub replication_factor: i16,
    /// Settings, as `cleanup.policy`.
    pub configs: Vec<(String, String)>,
}

/// What became of one topic of a request.
#[derive(Debug, Clone)]
pub struct TopicOutcome {
    /// The topic.
    pub name: String,
    /// Done, already there (or already gone), or refused.
    pub result: TopicResult,
}

/// See [`TopicOutcome`].
#[derive(Debug, Clone)]
pub enum TopicResult {
    /// It was created or deleted.
    Done,
    /// To be created, but already there.
    AlreadyExists,
    /// To be deleted, but not there.
    Unknown,
    /// Refused.
    Failed(crate::Error),
}

/// A broker of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerDescription {
    /// Its id.
    pub id: i32,
    /// Where it listens.
    pub host: String,
    /// Where it listens.
    pub port: i32,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id, if it has one.
    pub cluster_id: Option<String>,
    /// Its brokers.
    pub brokers: Vec<BrokerDescription>,
    /// Id of the controller, or -1.
    pub controller: i32,
}

/// A topic of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas partition 0 has.
    pub replication_factor: i16,
    /// Whether the broker keeps it for itself.
    pub is_internal: bool,
}

/// A setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name, as `cleanup.policy`.
    pub name: String,
    /// Its value; `None` if it is secret or unset.
    pub value: Option<String>,
    /// Who gave it its value.
    pub source: crate::ConfigSource,
    /// Whether nobody set it.
    pub is_default: bool,
    /// Whether it cannot be changed.
    pub read_only: bool,
    /// Whether its value is hidden.
    pub is_sensitive: bool,
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its name.
    pub group: String,
    /// `consumer`, `connect`, ...; empty if only offsets are left.
    pub protocol_type: String,
    /// `Stable`, `Empty`, ...; empty if the broker is too old to say.
    pub state: String,
}

/// A group in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its name.
    pub group: String,
    /// `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Dead`.
    pub state: String,
    /// `consumer`, `connect`, ...
    pub protocol_type: String,
    /// The assignor that was agreed on.
    pub protocol: String,
    /// Who is in it.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub member_id: String,
    /// What it calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub host: String,
    /// The bytes of its assignment, in the protocol type's format.
    pub assignment: Bytes,
}

impl GroupMember {
    /// The partitions it was given, if this is a consumer that was given any.
    pub fn partitions(&self) -> std::result::Result<Vec<TopicPartition>, broker_protocol::DecodeError> {
        if self.assignment.is_empty() {
            return Ok(Vec::new());
        }
        let assignment: broker_protocol::consumer_protocol::Assignment =
            broker_protocol::consumer_protocol::decode(self.assignment.clone())?;
        let shares = assignment.assigned_partitions.into_iter();
        Ok(shares
            .flat_map(|it| {
                it.partitions.into_iter().map(move |number| TopicPartition::new(it.topic.clone(), number))
            })
            .collect())
    }
}

/// Who commits offsets within a transaction (Kafka's ConsumerGroupMetadata).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMetadata {
    /// The group's name.
    pub group: String,
    /// The generation the member is in; -1 for who is no member.
    pub generation: i32,
    /// The member's id; empty for who is no member.
    pub member_id: String,
    /// Its static name, if it has one.
    pub instance_id: Option<String>,
}

impl GroupMetadata {
    /// Of someone who knows a group and is no member of it: the coordinator cannot fence old members then.
    pub fn outside(group: impl Into<String>) -> Self {
        Self { group: group.into(), generation: -1, member_id: String::new(), instance_id: None }
    }
}

/// A partition handed to a group's member, and how far the group had read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedPartition {
    /// The topic.
    pub topic: ByteString,
    /// The partition.
    pub partition: i32,
    /// How far the group had read; `None` if it never committed.
    pub committed: Option<OffsetAndMetadata>,
}

/// What [`crate::GroupConsumer::next`] brings.
#[derive(Debug, Clone)]
pub enum GroupEvent {
    /// These are the member's partitions from now on, beside those that it still has (cooperative). Reading starts with the next call of `next`; seek before it if need be.
    Assigned(Vec<AssignedPartition>),
    /// These are given away, all or (cooperative) some: finish and commit, then call `next`. If the group already went on without this member, the commit
    /// fails with [`crate::Error::MembershipLost`].
    Revoked(Vec<TopicPartition>),
    /// Records of one partition.
    Records(FetchedRecords),
}
