//! Log levels for the whole cluster (KIP-976): written to the config topic by one worker, taken over by all.
//!
//! Beside the herder's own work. Invariant, as in Kafka Connect: a level counts from when it is set, for the workers that run
//! then; one that starts later has the levels of its own settings.

use super::desk::{Desk, failed};
use super::{Herder, HerderResult};
use crate::logging::Levels;
use crate::store::config_record::ConfigRecord;

impl Herder {
    /// Sets the level of a logger on every worker. Whether there are such a level and such a name is for the caller to check.
    ///
    /// # Errors
    /// `Timeout` when it may not have been written.
    pub async fn set_cluster_level(&self, logger: &str, level: &str) -> HerderResult<()> {
        self.desk().await?.set_cluster_level(logger, level).await
    }

    /// Takes over the levels that are set for the cluster from now on, until the worker ends.
    pub async fn follow_levels(self, levels: Levels) {
        let Ok(desk) = self.desk().await else { return };
        let mut states = desk.configs.watch();
        drop(desk);
        let mut known = states.borrow_and_update().offset();
        while states.changed().await.is_ok() {
            let state = states.borrow_and_update().clone();
            for (logger, level) in state.loggers_since(known) {
                if let Err(error) = levels.set(logger, level) {
                    tracing::warn!(
                        "the level of logger {logger} was set for the cluster, but not here: {error}"
                    );
                }
            }
            known = state.offset();
        }
    }
}

impl Desk {
    async fn set_cluster_level(&self, logger: &str, level: &str) -> HerderResult<()> {
        let record = ConfigRecord::Logger(logger.to_owned(), Some(level.to_owned()));
        self.configs.write_as_any(&[record]).await.map_err(failed)
    }
}
