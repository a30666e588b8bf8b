//! Who moves the data, and who decides? The worker, the herder, their stores and the REST interface over them.
//!
//! ```text
//! REST ----> herder ----> worker ----> connectors and tasks
//!              |            |
//!              +-- config, status, offset topics (store), through broker_client and nothing else
//! ```
//!
//! Invariant: what REST answered with success is durable in the config topic; everything that runs follows from that
//! topic alone.

pub mod cli;
pub mod config;
pub mod herder;
pub mod logging;
mod membership;
pub mod metrics;
pub mod rest;
mod store;
pub mod validation;
pub mod worker;
