//! The broker: topics at rest, served over Kafka's protocol.

mod error;
pub mod log;
mod topics;

pub use error::Error;
