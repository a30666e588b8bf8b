//! A client for any broker that speaks Kafka's protocol: producer, consumers, and the cluster's administration.
//!
//! - [`Client`] holds connections and knowledge of the cluster; it reconnects by itself.
//! - [`Producer`] batches, compresses and delivers records, in order and without duplicates.
//! - [`PartitionConsumer`] reads partitions of one's choice; [`GroupConsumer`] shares a topic's partitions with others.
//! - [`GroupMembership`] is a place in a group of any other kind.
//!
//! The crate depends on `broker_protocol` and knows nothing of whose broker it talks to.

mod admin;
mod client;
mod config;
mod consumer;
mod error;
mod group;
mod metadata;
mod net;
mod producer;
#[cfg(test)]
mod scripted;
mod security;
mod types;

pub use admin::description::{ConfigChange, ConfigSource, PartitionDetails, TopicDetails};
pub use broker_protocol::ErrorCode;
pub use broker_protocol::batch::Compression;
pub use client::Client;
pub use config::{
    Acks, Assignor, ClientConfig, ConsumerConfig, GroupConfig, Isolation, OffsetReset, ProducerConfig,
};
pub use consumer::{GroupConsumer, PartitionConsumer, Subscription};
pub use error::{Error, Result};
pub use group::{GroupMembership, GroupProtocol, JoinedGroup, MembershipConfig, Standing};
pub use producer::{Delivery, Producer};
pub use security::{Identity, Sasl, SaslMechanism, Secret, Security, Tls, TlsError, TlsOptions};
pub use types::{
    AssignedPartition, BrokerDescription, ClusterDescription, ConfigEntry, ConsumerRecord, EncodedHeaders,
    FetchedRecords, GroupDescription, GroupEvent, GroupListing, GroupMember, GroupMetadata, Header, NewTopic,
    OffsetAndMetadata, OffsetSpec, ProducerRecord, RecordHeaders, TimestampType, TopicDescription,
    TopicOutcome, TopicPartition, TopicResult,
};
