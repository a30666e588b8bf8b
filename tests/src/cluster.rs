//! Several workers of one group, as a user runs them: a broker of its own and `millrace distributed` beside it, N times.
//!
//! What runs where is read from outside: the statuses that any worker shows, and the numbers of each. Invariant: a worker that was
//! killed or halted is not asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::broker::Broker;
use crate::millrace::Millrace;
use crate::network::{Home, Network};
use crate::wait;

/// A group of workers.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    settings: Vec<(String, String)>,
    /// Of which the broker is member 0, and worker n is member n + 1. Without one all live on loopback.
    network: Option<Network>,
    broker: Broker,
    workers: Vec<Millrace>,
    /// Those of the workers that should be doing their share.
    alive: BTreeSet<usize>,
}

/// Where everything runs: worker ids by the names of connectors, and of tasks (`shop-0`).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Connectors.
    pub connectors: BTreeMap<String, String>,
    /// Tasks.
    pub tasks: BTreeMap<String, String>,
}

impl Cluster {
    /// Starts a broker and this many workers with these settings.
    ///
    /// # Errors
    /// When one does not come up.
    pub async fn start(folder: &Path, workers: usize, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_in(None, folder, workers, settings).await
    }

    /// The same, each process in a network of its own: the broker is member 0, the workers are those after it.
    ///
    /// # Errors
    /// When one does not come up.
    pub async fn start_in(
        network: Option<Network>,
        folder: &Path,
        workers: usize,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let of_broker = folder.join("broker");
        std::fs::create_dir_all(&of_broker)?;
        let broker = Broker::start_at(home(network.as_ref(), 0)?, &of_broker, &[]).await?;
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut cluster = Self {
            folder: folder.to_path_buf(),
            settings: settings.collect(),
            network,
            broker,
            workers: Vec::new(),
            alive: BTreeSet::new(),
        };
        for _ in 0..workers {
            cluster.add().await?;
        }
        Ok(cluster)
    }

    /// Starts one more worker; gives its number.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn add(&mut self) -> Result<usize> {
        let number = self.workers.len();
        let folder = self.folder.join(format!("worker-{number}"));
        std::fs::create_dir_all(&folder)?;
        let settings: Vec<_> =
            self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let home = home(self.network.as_ref(), number + 1)?;
        let servers = self.broker.bootstrap_servers();
        let worker = Millrace::distributed_at(home, &folder, &servers, &settings).await?;
        self.workers.push(worker);
        self.alive.insert(number);
        Ok(number)
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, number: usize) -> Result<()> {
        self.alive.remove(&number);
        self.worker_mut(number)?.process()?.kill()
    }

    /// Asks a worker to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not, or says that something went wrong.
    pub async fn stop(&mut self, number: usize) -> Result<()> {
        self.alive.remove(&number);
        let status = self.worker_mut(number)?.process()?.terminate().await?;
        ensure!(status.success(), "worker {number} ended with {status}");
        Ok(())
    }

    /// Asks a worker to stop, and does not wait.
    ///
    /// # Errors
    /// When it does not run.
    pub fn ask_to_stop(&mut self, number: usize) -> Result<()> {
        self.alive.remove(&number);
        self.worker_mut(number)?.process()?.signal("TERM")
    }

    /// Waits until a worker that was asked to stop has.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn stopped(&mut self, number: usize) -> Result<()> {
        let status = self.worker_mut(number)?.process()?.ended(wait::PATIENCE).await?;
        ensure!(status.success(), "worker {number} ended with {status}");
        Ok(())
    }

    /// Starts a worker again that was killed or stopped.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self, number: usize) -> Result<()> {
        self.worker_mut(number)?.start().await?;
        self.alive.insert(number);
        Ok(())
    }

    /// Halts a worker (SIGSTOP): it does nothing, but its connections stay.
    ///
    /// # Errors
    /// When it does not run.
    pub fn halt(&mut self, number: usize) -> Result<()> {
        self.alive.remove(&number);
        self.worker_mut(number)?.process()?.signal("STOP")
    }

    /// Lets a halted worker go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&mut self, number: usize) -> Result<()> {
        self.worker_mut(number)?.process()?.signal("CONT")?;
        self.alive.insert(number);
        Ok(())
    }

    /// The network, if each process has its own.
    #[must_use]
    pub const fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// The broker.
    pub const fn broker(&mut self) -> &mut Broker {
        &mut self.broker
    }

    /// A worker by its number.
    ///
    /// # Errors
    /// When there is none.
    pub fn worker(&self, number: usize) -> Result<&Millrace> {
        self.workers.get(number).with_context(|| format!("there is no worker {number}"))
    }

    /// A worker by its number.
    ///
    /// # Errors
    /// When there is none.
    pub fn worker_mut(&mut self, number: usize) -> Result<&mut Millrace> {
        self.workers.get_mut(number).with_context(|| format!("there is no worker {number}"))
    }

    /// Some worker that is alive.
    ///
    /// # Errors
    /// When none is.
    pub fn any(&self) -> Result<&Millrace> {
        self.worker(*self.alive.first().context("no worker is alive")?)
    }

    /// The number of the worker that leads, once one does.
    ///
    /// # Errors
    /// When none of those alive does in time.
    pub async fn leader(&self) -> Result<usize> {
        wait::until("a leader", wait::PATIENCE, || async {
            for number in &self.alive {
                if self.worker(*number)?.metric(&["rebalance_leader"]).await? > 0.5 {
                    return Ok(*number);
                }
            }
            anyhow::bail!("nobody leads")
        })
        .await
    }

    /// Waits until these many connectors and tasks run, each once, on the workers that are alive, and none of these has two more
    /// than another.
    ///
    /// # Errors
    /// When they do not in time, with what was seen last.
    pub async fn settled(&self, connectors: usize, tasks: usize) -> Result<Places> {
        wait::until("a balanced group", wait::PATIENCE, || self.check(connectors, tasks)).await
    }

    /// Waits until this many tasks run on the workers that are alive, however they are spread.
    ///
    /// # Errors
    /// When they do not in time, with what was seen last.
    pub async fn covered(&self, tasks: usize) -> Result<Places> {
        let ids = self.ids()?;
        wait::until("tasks on the workers that are left", wait::PATIENCE, || async {
            let found = self.places().await?;
            let there = found.tasks.values().filter(|worker| ids.contains(*worker)).count();
            ensure!(there == tasks, "{there} of {tasks} tasks run: {found:?}");
            Ok(found)
        })
        .await
    }

    fn ids(&self) -> Result<BTreeSet<String>> {
        self.alive.iter().map(|number| Ok(self.worker(*number)?.worker_id())).collect()
    }

    async fn check(&self, connectors: usize, tasks: usize) -> Result<Places> {
        let ids = self.ids()?;
        let found = self.complete(connectors, tasks).await?;
        for places in [&found.connectors, &found.tasks] {
            let mut counts: BTreeMap<&str, usize> = ids.iter().map(|id| (id.as_str(), 0)).collect();
            for worker in places.values() {
                *counts.entry(worker).or_default() += 1;
            }
            let (most, least) = (counts.values().max().copied(), counts.values().min().copied());
            ensure!(most <= least.map(|least| least + 1), "not balanced: {counts:?}");
        }
        Ok(found)
    }

    /// Where these many connectors and tasks run, if they do, each once, on the workers that are alive.
    ///
    /// # Errors
    /// What is otherwise.
    pub async fn complete(&self, connectors: usize, tasks: usize) -> Result<Places> {
        let ids = self.ids()?;
        let mut running = 0.0;
        for number in &self.alive {
            running += self.worker(*number)?.metric(&["task_count "]).await?;
        }
        let found = self.places().await?;
        ensure!(found.connectors.len() == connectors && found.tasks.len() == tasks, "{found:?}");
        // The numbers of each worker say what really runs; statuses are what workers say of it.
        let running_tasks = format!("{running:.0}");
        ensure!(running_tasks == tasks.to_string(), "{running_tasks} tasks run, {tasks} should");
        let mut workers = found.connectors.values().chain(found.tasks.values());
        let gone = workers.find(|worker| !ids.contains(*worker));
        ensure!(gone.is_none(), "{gone:?} is gone: {found:?}");
        Ok(found)
    }

    /// Where everything runs, as the first worker sees it; nothing may be but running.
    async fn places(&self) -> Result<Places> {
        let all = self.any()?.get("/connectors?expand=status").await?;
        let mut places = Places::default();
        for (name, connector) in all.as_object().context("no object")? {
            let status = &connector["status"];
            places.connectors.insert(name.clone(), runs_at(&status["connector"])?);
            for task in status["tasks"].as_array().context("no tasks")? {
                places.tasks.insert(format!("{name}-{}", task["id"]), runs_at(task)?);
            }
        }
        Ok(places)
    }
}

/// Where a member of a network lives.
fn home(network: Option<&Network>, member: usize) -> Result<Home> {
    network.map_or_else(|| Ok(Home::default()), |network| network.home(u8::try_from(member)?))
}

/// The worker that something runs at, as its status says.
fn runs_at(status: &Value) -> Result<String> {
    ensure!(status["state"] == "RUNNING", "{status}");
    Ok(status["worker_id"].as_str().context("no worker_id")?.to_owned())
}
