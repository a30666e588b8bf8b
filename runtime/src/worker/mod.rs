//! The worker: runs connectors and tasks, and knows no herder.
//!
//! Data passes here: `source` moves it into topics, `sink` out of them. Decisions are pure (`acks`, `tolerance`, `chain`, `pipeline`);
//! everything that a connector does happens on a thread of its own (`isolated`, `life`). Invariant: nothing that a connector
//! does, or fails to do, reaches beyond its own task.

mod acks;
mod activity;
mod backoff;
mod boundary;
mod build;
mod chain;
mod clients;
mod commits;
mod connector;
mod dead_letter;
mod errant;
mod foreign_topics;
mod isolated;
mod life;
mod opening;
mod pipeline;
mod progress;
mod report;
mod secrets;
mod settings;
mod sink;
mod source;
mod task;
mod threads;
mod tolerance;
mod topics;
mod transactions;

use std::sync::Arc;

use api::Registry;
use broker_client::Client;

pub(crate) use backoff::{Jitter, restart_delay};
pub(crate) use clients::{producer_config, sink_admin, sink_group};
pub(crate) use connector::{CONNECTOR_KINDS, restart_policy, task_configs};
pub(crate) use foreign_topics::other_cluster;
pub(crate) use isolated::{note_panics, spawn_isolated};
pub(crate) use life::{News, Report, TaskHandle, TaskSpec, start};
pub(crate) use opening::offsets as connector_offsets;
pub(crate) use source::now_ms;
pub(crate) use threads::{left_behind, thread_count};
pub use tolerance::ErrorPolicy;

use crate::config::WorkerConfig;
use crate::herder::{ConfigChecker, ZombieFencing};
use crate::metrics::Metrics;
use crate::store::{ConfigStore, HistoryStore, OffsetStore, StatusStore};

/// What connectors and tasks run on.
pub(crate) struct WorkerContext {
    /// The plugins.
    pub(crate) registry: Registry,
    /// The worker's settings.
    pub(crate) config: WorkerConfig,
    /// Resolves references in configurations.
    pub(crate) checker: Arc<dyn ConfigChecker>,
    /// The way to the broker.
    pub(crate) client: Client,
    /// What is configured: source tasks see here whether their configuration is still the newest.
    pub(crate) configs: Arc<ConfigStore>,
    /// Shuts out the producers of earlier tasks.
    pub(crate) fencing: Arc<dyn ZombieFencing>,
    /// How far sources got.
    pub(crate) offsets: Arc<OffsetStore>,
    /// What connectors remember.
    pub(crate) history: Arc<HistoryStore>,
    /// What is doing what.
    pub(crate) statuses: Arc<StatusStore>,
    /// The numbers.
    pub(crate) metrics: Metrics,
}
