//! The worker: runs connectors and tasks, and knows no herder.

mod acks;
mod backoff;
mod chain;
mod pipeline;
mod tolerance;

pub(crate) use backoff::{Jitter, restart_delay};
pub use tolerance::ErrorPolicy;
