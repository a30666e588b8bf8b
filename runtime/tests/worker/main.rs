//! The worker and its herder over a real broker: what moves, what survives, and what a bad connector cannot do.

mod connectors;
mod harness;
mod isolation;
mod sinks;
mod sources;
