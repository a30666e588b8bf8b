//! `millrace distributed`: one of several workers that share the work of their group, over brokers that all of them reach.
//!
//! The same worker as standalone but for the group: see [`super::standalone`] for how it is wired.

use std::path::PathBuf;

use api::Registry;

use super::Exit;
use super::standalone::{Mode, run_worker};
use crate::config::WorkerConfig;
use crate::logging::Levels;

/// Runs a worker with this file.
pub(super) async fn run(registry: Registry, levels: Levels, worker: PathBuf) -> Result<(), Exit> {
    run_worker(Mode::Distributed, registry, levels, Some(worker), Vec::new()).await
}

/// Workers of a group meet at a broker that all of them reach.
pub(super) fn check(config: &WorkerConfig) -> Result<(), Exit> {
    if !config.options.bootstrap_servers.is_empty() {
        return Ok(());
    }
    Err(Exit::start(
        "distributed needs bootstrap.servers: the brokers that all workers of the group share, as in bootstrap.servers=kafka:9092; \
         `millrace broker` runs one, and `millrace standalone` runs one worker with a broker of its own",
    ))
}
