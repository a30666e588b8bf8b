//! Membership in a group of several workers, as the herder holds it.
//!
//! Between the herder and [`Driver`], a task of its own that talks with the group, so that heartbeats and rounds go on whatever the herder
//! does. The two meet in three places only: what the herder was told last, up to where it has stopped what was taken away, and whether
//! it wants a new round. Invariant: the herder's word that something is gone is about the last that it was told, or counts for nothing.

use std::sync::Arc;

use async_trait::async_trait;
use broker_client::Client;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::driver::{Driver, Lines};
use super::{Membership, MembershipEvent};
use crate::config::{ExactlyOnce, GroupOptions};
use crate::metrics::Metrics;
use crate::store::ConfigStore;

/// How a worker is a member.
#[derive(Debug, Clone)]
pub(crate) struct GroupSettings {
    /// `group.id`.
    pub(crate) group: String,
    /// The options.
    pub(crate) options: GroupOptions,
    /// Whether sources write in transactions, so that whoever runs a task shuts out whoever ran it before.
    pub(crate) exactly_once: ExactlyOnce,
    /// Whether `session.timeout.ms` was set, and must not be replaced.
    pub(crate) session_is_said: bool,
    /// Where this worker's REST is reached: `http://host:port/`.
    pub(crate) url: String,
}

/// What the herder is told, numbered.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) number: u64,
    pub(super) event: MembershipEvent,
}

/// See the module. The herder's side.
#[derive(Debug)]
pub(crate) struct Group {
    told: watch::Receiver<Option<Told>>,
    /// The number of what was told last, until it is known that nothing else runs.
    answering: Option<u64>,
    stopped: watch::Sender<u64>,
    rejoin: Arc<Notify>,
    leave: CancellationToken,
    driver: Option<JoinHandle<()>>,
    broken: bool,
}

impl Group {
    /// Joins, and stays a member until [`Membership::leave`].
    pub(crate) fn start(
        client: &Client,
        configs: &Arc<ConfigStore>,
        metrics: &Metrics,
        settings: GroupSettings,
    ) -> Self {
        let (told, listening) = watch::channel(None);
        let (stopped, heard) = watch::channel(0);
        let (rejoin, leave) = (Arc::new(Notify::new()), CancellationToken::new());
        let lines = Lines { told, stopped: heard, rejoin: Arc::clone(&rejoin) };
        let driver = Driver::new(client, configs, metrics, settings, lines);
        let driver = Some(tokio::spawn(driver.run(leave.clone())));
        Self { told: listening, answering: None, stopped, rejoin, leave, driver, broken: false }
    }
}

#[async_trait]
impl Membership for Group {
    async fn next(&mut self) -> MembershipEvent {
        if self.told.changed().await.is_err() {
            // The task that talks with the group broke down, and nobody proves membership any more.
            if std::mem::replace(&mut self.broken, true) {
                return std::future::pending().await;
            }
            tracing::error!(
                "the membership in the group broke down; this worker stops its tasks and must be restarted"
            );
            return MembershipEvent::Revoked;
        }
        let told = self.told.borrow_and_update().clone();
        match told {
            Some(Told { number, event }) => {
                self.answering = Some(number);
                event
            }
            None => MembershipEvent::Revoked,
        }
    }

    fn rejoin(&mut self) {
        self.rejoin.notify_one();
    }

    fn revoked(&mut self) {
        if let Some(number) = self.answering.take() {
            self.stopped.send_replace(number);
        }
    }

    async fn leave(&mut self) {
        self.leave.cancel();
        if let Some(driver) = self.driver.take()
            && let Err(error) = driver.await
        {
            tracing::error!(%error, "the membership in the group broke down");
        }
    }
}
