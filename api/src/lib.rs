//! What flows through Millrace, and who may touch it: the contract for connectors, converters and transforms.
//!
//! ```text
//! source -> transforms -> converter -> broker -> converter -> transforms -> sink
//! ```
//!
//! A third party needs this crate alone: implement [`SourceConnector`] or [`SinkConnector`] (or [`Transform`],
//! [`Predicate`], [`Converter`], [`HeaderConverter`]), say what it is in a [`Plugin`], and add that to the [`Registry`]
//! of a worker. Options are declared with [`configs`], which is re-exported here.
//!
//! The data model is Connect's: a [`Schema`] says what a [`Value`] may be, a [`Record`] is a key and a value with a topic,
//! [`Headers`] travel beside. Errors are sorted by consequence ([`ErrorKind`]). There is no I/O in here.

pub mod calendar;
mod converter;
mod error;
mod gauges;
mod header;
pub mod java_text;
#[cfg(feature = "laws")]
pub mod laws;
pub mod logical;
mod plugin;
mod record;
mod schema;
mod sink;
mod source;
mod transaction;
mod transform;
mod validate;
mod value;
pub mod values;

pub use async_trait::async_trait;
pub use bytes::Bytes;
pub use configs;
pub use configs::Props;

pub use converter::{Converted, Converter, HeaderConverter, Pending};
pub use error::{Error, ErrorKind, Result};
pub use gauges::Gauges;
pub use header::{Header, Headers};
pub use plugin::{Plugin, PluginKind, Registry};
pub use record::{FlatMap, Record, SinkRecord, SourceOffset, SourceRecord, TimestampType, TopicPartition};
pub use schema::{Field, Schema, SchemaBuilder, SchemaRef, SchemaType, same_schema};
pub use sink::{
    AssignedPartition, ErrantRecordReporter, OffsetAndMetadata, SinkConnector, SinkContext, SinkOffsets,
    SinkTask, consumed_offsets,
};
pub use source::{
    ExactlyOnceSupport, History, NoTopics, OffsetReader, SignalTopic, SourceConnector, SourceContext,
    SourceTask, TopicFollower, TopicReader, TopicRecord,
};
pub use transaction::{TransactionContext, TransactionEnd, TransactionEnds};
pub use transform::{Predicate, Transform};
pub use value::{
    PackedStructs, SchemaAndValue, SharedFields, ShowFields, Struct, StructIter, StructRef, StructValues,
    Text, VARYING_MAX, Value, ValueRef,
};
