//! Converters: between records and the bytes in a topic (Connect's `Converter`, `HeaderConverter`).
//!
//! A source's records pass a converter last, a sink's first. Each task has converters of its own, so they may cache by
//! schema pointer without locks. Invariant: what `from_connect_data` writes, `to_connect_data` of the same settings reads.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::error::Result;
use crate::header::Header;
use crate::value::SchemaAndValue;

/// Whether a converter wrote bytes or says that there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Converted {
    /// The bytes were appended to the buffer.
    Bytes,
    /// The datum is null: a null key, or a tombstone. Nothing was appended.
    Null,
}

/// What a conversion waits for: a schema that is asked of a registry, for example. It goes on by itself, awaited or not.
pub type Pending = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Turns values into bytes and back.
#[allow(
    clippy::wrong_self_convention,
    reason = "Connect's names, which every converter of the field carries"
)]
pub trait Converter: Send {
    /// Appends the bytes of `datum` to `buffer`. Called once per key and value on the way to Kafka: the hot path.
    ///
    /// # Errors
    /// `BadRecord` when the datum cannot be encoded. What was appended until then is thrown away by the caller.
    fn from_connect_data(
        &mut self,
        topic: &str,
        datum: &SchemaAndValue,
        buffer: &mut Vec<u8>,
    ) -> Result<Converted>;

    /// Reads a datum back. Called once per key and value on the way to a sink.
    ///
    /// # Errors
    /// `BadRecord` when the bytes are not what this converter writes.
    fn to_connect_data(&mut self, topic: &str, bytes: Option<Bytes>) -> Result<SchemaAndValue>;

    /// What the conversion that just failed waits for; `None` if it failed for good.
    ///
    /// Conversions are synchronous and never wait. One that lacks what somebody else must tell (a schema registry) starts to
    /// ask, fails with a `Retriable` error and gives what it waits for here, once. The worker awaits it and converts the same record
    /// again; what it fails with, if it does, counts as the failure of the conversion.
    fn pending(&mut self) -> Option<Pending> {
        None
    }
}

/// Turns header values into bytes and back.
#[allow(
    clippy::wrong_self_convention,
    reason = "Connect's names, which every converter of the field carries"
)]
pub trait HeaderConverter: Send {
    /// Appends the bytes of a header's value to `buffer`.
    ///
    /// # Errors
    /// `BadRecord` when the value cannot be encoded.
    fn from_connect_header(
        &mut self,
        topic: &str,
        header: &Header,
        buffer: &mut Vec<u8>,
    ) -> Result<Converted>;

    /// Reads a header's value back.
    ///
    /// # Errors
    /// `BadRecord` when the bytes are not what this converter writes.
    fn to_connect_header(&mut self, topic: &str, key: &str, bytes: Option<Bytes>) -> Result<SchemaAndValue>;
}
