//! The worker and its herder over a real broker: what moves, what survives, and what a bad connector cannot do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops where it stands")]

mod connectors;
mod harness;
mod isolation;
mod sinks;
mod sources;
