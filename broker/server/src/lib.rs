//! The broker: topics at rest, served over Kafka's protocol.
//!
//! # Layout
//! - [`Broker`]: starts and stops all of it; [`BrokerConfig`]: what it may be told
//! - [`log`]: where do records rest?
//! - `topics`: which topics are there?
//! - `group`: who reads what, and how far?
//! - `security`: who may connect, who is it, and what may they do?
//! - `transactions`: who may write in which transaction, and how does each end?
//! - `server`: what may a client ask? One file per API under `server/api`
//! - `producer_ids`, `cluster`, `metrics`: the small rest

mod broker;
mod cluster;
mod config;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod group;
pub mod log;
mod metrics;
mod producer_ids;
mod security;
mod server;
mod settings;
mod topics;
mod transactions;

pub use self::{
    broker::Broker,
    config::{BrokerConfig, Listener},
    error::Error,
    group::Assignor,
    metrics::{GroupLag, GroupLags, Metrics},
    security::{Principal, SecurityConfig, SecurityProtocol},
};
