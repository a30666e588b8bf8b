//! What may be said to a worker and to a connector: every option of Kafka Connect that works here, declared once.
//!
//! No data passes here; the worker, REST and the command line read what these declarations parse. Invariant: a setting is
//! either declared (and works), known to Connect and named in a notice, or unknown and reported with a suggestion. None is
//! dropped in silence.

mod accepted;
mod access;
mod client;
mod connector;
mod exactly_once;
mod group;
mod jaas;
mod listener;
mod policy;
mod security;
mod session;
mod sink;
mod source;
mod supervision;
mod topic_creation;
mod worker;

pub use accepted::notices;
pub use access::{
    AuditFile, ClientAuth, Grants, ListenerTls, PeerTls, Pem, ResponseHeaders, RestAccess, RestAccessOptions,
    Role, Roles, Scope, Tokens, Users, Watched,
};
pub use client::{ConsumerOptions, ProducerOptions, layered};
pub use connector::{ConnectorConfig, ErrorTolerance, alias_list, no_duplicates};
pub use exactly_once::{ExactlyOnce, ExactlyOnceSource};
pub use group::GroupOptions;
pub(crate) use listener::is_loopback_host;
pub use listener::{Listener, ListenerError, Serves};
pub use policy::OverridePolicy;
pub use security::SecurityOptions;
pub use session::{HMAC_ALGORITHMS, SessionOptions};
pub use sink::SinkConfig;
pub use source::{ExactlyOnceSupport, SourceConfig, TransactionBoundary};
pub use supervision::SupervisionConfig;
pub use topic_creation::{
    TopicCreationGroup, TopicCreationRule, topic_creation_definition, topic_creation_rules,
};
pub use worker::{
    ConverterSettings, InternalTopic, RestOptions, StorageOptions, WorkerConfig, WorkerOptions,
};
