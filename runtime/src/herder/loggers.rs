//! Log levels for the whole group (KIP-976): written to the config topic by any worker, applied by each as it reads them.
//!
//! Between REST, which knows loggers, and the config topic. Source: `KafkaConfigBackingStore.processLoggerLevelRecord`. Invariant: a
//! level that was set before a worker started is not applied by it, as in Connect: levels last as long as a worker does.

use std::sync::Arc;

use tokio::sync::watch;

use super::HerderResult;
use super::desk::{Desk, failed};
use super::state::ClusterState;
use crate::store::config_record::ConfigRecord;

/// The log levels that are set for the group.
#[derive(Debug)]
pub struct ClusterLoggers {
    state: watch::Receiver<Arc<ClusterState>>,
    /// Levels up to this offset have been handed out.
    heard: i64,
}

impl ClusterLoggers {
    /// Those that are set from now on.
    pub(crate) fn from_now(mut state: watch::Receiver<Arc<ClusterState>>) -> Self {
        let heard = state.borrow_and_update().offset();
        Self { state, heard }
    }

    /// Waits for new levels: logger and level, in the order in which they were set. `None` when the worker is on its way out.
    pub async fn next(&mut self) -> Option<Vec<(String, String)>> {
        loop {
            self.state.changed().await.ok()?;
            let state = Arc::clone(&self.state.borrow_and_update());
            let mut new: Vec<_> = state.loggers().filter(|(_, offset, _)| *offset >= self.heard).collect();
            self.heard = state.offset();
            if !new.is_empty() {
                new.sort_unstable_by_key(|(_, offset, _)| *offset);
                return Some(new.into_iter().map(|(name, _, level)| (name.clone(), level.clone())).collect());
            }
        }
    }
}

impl Desk {
    pub(crate) async fn set_cluster_logger(&self, namespace: &str, level: &str) -> HerderResult<()> {
        let record = ConfigRecord::Logger(namespace.to_owned(), Some(level.to_owned()));
        self.configs.write_as_any(&[record]).await.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn levels_of_before_are_passed_over_and_later_ones_come_in_order() {
        let (sender, state) = watch::channel(Arc::new(ClusterState::default()));
        let set = |offset: i64, name: &str, level: &str| {
            let record = ConfigRecord::Logger(name.to_owned(), Some(level.to_owned()));
            sender.send_modify(|state| Arc::make_mut(state).apply(offset, record));
        };
        set(0, "old", "INFO");
        let mut loggers = ClusterLoggers::from_now(state);
        set(1, "z", "DEBUG");
        set(2, "a", "WARN");
        let pair = |name: &str, level: &str| (name.to_owned(), level.to_owned());
        assert_eq!(loggers.next().await, Some(vec![pair("z", "DEBUG"), pair("a", "WARN")]));
        set(3, "old", "ERROR");
        assert_eq!(loggers.next().await, Some(vec![pair("old", "ERROR")]));
        drop(sender);
        assert_eq!(loggers.next().await, None);
    }
}
