//! Three workers of one group with connectors that misbehave on demand; the first of them is a [`Stage`].
//!
//! All three look for what their connectors shall do in the same folder, so that a test need not know who runs what.

use std::fs;
use std::sync::{Arc, Weak};

use anyhow::{Result, ensure};
use harness::broker::Broker;
use harness::millrace::Millrace;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::stage::{SETTINGS, Stage};

/// The group that cases share while any of them runs.
static SHARED: Mutex<Weak<Trio>> = Mutex::const_new(Weak::new());

pub(super) struct Trio {
    pub(super) stage: Stage,
    pub(super) others: [Millrace; 2],
    _broker: Broker,
    _folder: TempDir,
}

impl Trio {
    /// The shared one; nobody may stop its workers.
    pub(super) async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(trio) = shared.upgrade() {
            return trio;
        }
        let trio = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&trio);
        trio
    }

    /// One of one's own.
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(folder.path(), &[]).await.unwrap();
        let worker = async |name: &str| {
            let own = folder.path().join(name);
            fs::create_dir(&own).unwrap();
            let brokers = broker.bootstrap_servers();
            let mut worker = Millrace::prepare_distributed(&own, &brokers, &SETTINGS).unwrap();
            worker.run_binary("acceptance-worker").unwrap();
            worker.start().await.unwrap();
            worker
        };
        let (first, second, third) = tokio::join!(worker("one"), worker("two"), worker("three"));
        let stage = Stage::of(first, tempfile::tempdir().unwrap());
        Self { stage, others: [second, third], _broker: broker, _folder: folder }
    }

    pub(super) fn workers(&self) -> [&Millrace; 3] {
        [&self.stage.worker, &self.others[0], &self.others[1]]
    }

    pub(super) fn worker_mut(&mut self, number: usize) -> &mut Millrace {
        match number {
            0 => &mut self.stage.worker,
            other => &mut self.others[other - 1],
        }
    }

    /// Waits until every worker says that a connector is in this state and its tasks are in these.
    pub(super) async fn all_say(&self, name: &str, state: &str, tasks: &[&str]) {
        for worker in self.workers() {
            self.stage
                .until(&format!("{name} {state} at every worker"), || async {
                    let status = worker.get(&format!("/connectors/{name}/status")).await?;
                    states_are(&status, state, tasks)
                })
                .await;
        }
    }
}

fn states_are(status: &Value, state: &str, tasks: &[&str]) -> Result<()> {
    let found: Vec<_> =
        status["tasks"].as_array().into_iter().flatten().map(|task| task["state"].clone()).collect();
    ensure!(status["connector"]["state"] == state && found == tasks, "{status}");
    Ok(())
}
