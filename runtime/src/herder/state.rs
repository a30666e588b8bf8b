//! The fold of the config topic: what is to be, as of one offset.
//!
//! Read by REST and by the plan; pure. Source: `KafkaConfigBackingStore`. Task configurations count once their commit has come,
//! all together: a commit whose tasks are not all there (a writer died half-way and compaction ate its older
//! records) leaves the connector inconsistent, without tasks, until they are written anew. Invariant: the same records in the
//! same order give the same state, on every worker.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::Props;

use super::fencing::Round;
use super::{TargetState, TaskId};
use crate::store::config_record::{ConfigRecord, RestartRequest, SessionKey};

/// What is to be, as of one offset of the config topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClusterState {
    /// The offset of the next record.
    offset: i64,
    connectors: BTreeMap<String, Arc<ConnectorState>>,
    /// The last restart request per connector, with its offset.
    restarts: BTreeMap<String, (i64, RestartRequest)>,
    session_key: Option<SessionKey>,
    /// The level of each logger for the cluster, with its offset.
    loggers: BTreeMap<String, (i64, String)>,
}

/// What is to be of one connector.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectorState {
    config: Option<Arc<Props>>,
    config_revision: i64,
    target: Option<TargetState>,
    tasks: BTreeMap<u32, Arc<Props>>,
    deferred: BTreeMap<u32, Arc<Props>>,
    task_count: u32,
    tasks_revision: Option<i64>,
    inconsistent: bool,
    tasks_fenced: Option<u32>,
    /// Tasks were committed since tasks were last counted for fencing.
    pending_fencing: bool,
}

impl ClusterState {
    /// Takes in the record at an offset.
    pub(crate) fn apply(&mut self, offset: i64, record: ConfigRecord) {
        self.offset = offset + 1;
        match record {
            ConfigRecord::Connector(name, Some(config)) => {
                let state = self.entry(name);
                state.config = Some(Arc::new(config));
                state.config_revision = offset;
            }
            ConfigRecord::Connector(name, None) => self.change(&name, ConnectorState::forget),
            ConfigRecord::Task(id, Some(config)) => {
                self.entry(id.connector).deferred.insert(id.task, Arc::new(config));
            }
            ConfigRecord::Task(id, None) => self.change(&id.connector, |state| {
                state.deferred.remove(&id.task);
            }),
            // Tasks of a connector that was deleted, whose end compaction has eaten: they must not come back with a newer
            // connector of that name (KAFKA-16838).
            ConfigRecord::Commit(name, _) if self.connector(&name).is_none() => {
                self.change(&name, ConnectorState::forget);
            }
            ConfigRecord::Commit(name, tasks) => self.entry(name).commit(offset, tasks),
            ConfigRecord::Target(name, target) => self.change_or_make(name, target),
            ConfigRecord::TasksFencing(name, count) => {
                let state = self.entry(name);
                (state.tasks_fenced, state.pending_fencing) = (count, false);
            }
            ConfigRecord::Restart(name, request) => {
                self.restarts.insert(name, (offset, request));
            }
            ConfigRecord::SessionKey(key) => self.session_key = Some(key),
            ConfigRecord::Logger(namespace, Some(level)) => {
                self.loggers.insert(namespace, (offset, level));
            }
            ConfigRecord::Logger(namespace, None) => {
                self.loggers.remove(&namespace);
            }
        }
    }

    /// Passes over a record that says nothing to us.
    pub(crate) const fn skip(&mut self, offset: i64) {
        self.offset = offset + 1;
    }

    fn entry(&mut self, name: String) -> &mut ConnectorState {
        Arc::make_mut(self.connectors.entry(name).or_default())
    }

    /// Changes what is known of a connector, and forgets it if nothing is left.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut ConnectorState)) {
        let Some(state) = self.connectors.get_mut(name) else { return };
        change(Arc::make_mut(state));
        if state.is_empty() {
            self.connectors.remove(name);
            self.restarts.remove(name);
        }
    }

    /// A target state may come before its connector: that is how `initial_state` starts one paused (KIP-980).
    fn change_or_make(&mut self, name: String, target: Option<TargetState>) {
        match target {
            Some(_) => self.entry(name).target = target,
            None => self.change(&name, |state| state.target = None),
        }
    }

    /// The connectors of which anything is different in these two, sorted. Cheap where little is: what is shared is not compared.
    pub(crate) fn changed_since(&self, before: &Self) -> Vec<String> {
        let (mut now, mut then) = (self.connectors.iter().peekable(), before.connectors.iter().peekable());
        let mut changed = Vec::new();
        loop {
            let order = match (now.peek(), then.peek()) {
                (None, None) => return changed,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((new, _)), Some((old, _))) => new.cmp(old),
            };
            let new = if order == Ordering::Greater { None } else { now.next() };
            let old = if order == Ordering::Less { None } else { then.next() };
            let same = matches!((new, old), (Some((_, new)), Some((_, old))) if Arc::ptr_eq(new, old));
            if !same {
                changed.extend(new.or(old).map(|(name, _)| name.clone()));
            }
        }
    }

    /// The tasks whose start shuts out every earlier run of them.
    pub(crate) fn fenced_tasks(&self) -> BTreeSet<TaskId> {
        let fenced = self.connectors().filter(|(_, connector)| connector.is_fenced());
        fenced.flat_map(|(name, connector)| connector.task_ids(name)).collect()
    }

    /// The offset of the next record: how far the fold got.
    pub(crate) const fn offset(&self) -> i64 {
        self.offset
    }

    /// The loggers whose levels were set for the cluster at or after an offset, with their levels.
    pub(crate) fn loggers_since(&self, since: i64) -> impl Iterator<Item = (&str, &str)> {
        let set_since = self.loggers.iter().filter(move |(_, (offset, _))| *offset >= since);
        set_since.map(|(logger, (_, level))| (&**logger, &**level))
    }

    /// The connectors that are configured, by name.
    pub(crate) fn connectors(&self) -> impl Iterator<Item = (&String, &Arc<ConnectorState>)> {
        self.connectors.iter().filter(|(_, state)| state.config.is_some())
    }

    /// A connector that is configured.
    pub(crate) fn connector(&self, name: &str) -> Option<&Arc<ConnectorState>> {
        self.connectors.get(name).filter(|state| state.config.is_some())
    }

    /// The key with which workers sign their requests to each other.
    pub(crate) const fn session_key(&self) -> Option<&SessionKey> {
        self.session_key.as_ref()
    }

    /// The last restart request of each connector, with its offset.
    pub(crate) fn restarts(&self) -> impl Iterator<Item = (&String, i64, RestartRequest)> {
        self.restarts.iter().map(|(name, (offset, request))| (name, *offset, *request))
    }
}

impl ConnectorState {
    fn forget(&mut self) {
        let Self { target, tasks_fenced, pending_fencing, .. } = *self;
        *self = Self { target, tasks_fenced, pending_fencing, ..Self::default() };
    }

    fn is_empty(&self) -> bool {
        self.config.is_none()
            && self.target.is_none()
            && self.tasks_fenced.is_none()
            && self.deferred.is_empty()
    }

    /// Puts the deferred task configurations in force if all of them are there. There may be more than this many: tasks of an
    /// older, larger set that compaction has kept.
    fn commit(&mut self, offset: i64, tasks: u32) {
        let mut deferred = std::mem::take(&mut self.deferred);
        self.task_count = tasks;
        self.pending_fencing = true;
        self.inconsistent = !(0..tasks).all(|task| deferred.contains_key(&task));
        if self.inconsistent {
            return;
        }
        deferred.retain(|task, _| *task < tasks);
        self.tasks = deferred;
        self.tasks_revision = Some(offset);
    }

    /// The configuration as it was submitted.
    pub(crate) fn config(&self) -> Arc<Props> {
        self.config.clone().unwrap_or_default()
    }

    /// Which configuration this is: it changes whenever one is submitted.
    pub(crate) const fn config_revision(&self) -> i64 {
        self.config_revision
    }

    /// What the user wants.
    pub(crate) fn target(&self) -> TargetState {
        self.target.unwrap_or_default()
    }

    /// The tasks' configurations by number; none while they are inconsistent.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (u32, &Arc<Props>)> {
        self.tasks.iter().filter(|_| !self.inconsistent).map(|(task, config)| (*task, config))
    }

    /// The ids of the tasks.
    pub(crate) fn task_ids(&self, name: &str) -> Vec<TaskId> {
        self.tasks().map(|(task, _)| TaskId::new(name, task)).collect()
    }

    /// Which set of task configurations this is: it changes whenever one is committed.
    pub(crate) const fn tasks_revision(&self) -> i64 {
        match self.tasks_revision {
            Some(offset) => offset,
            None => -1,
        }
    }

    /// Whether all runs of the newest set of tasks write in transactions: it was counted for fencing before the first of them began.
    pub(crate) const fn is_fenced(&self) -> bool {
        self.tasks_fenced.is_some() && !self.pending_fencing
    }

    /// What is to be done before the tasks may write in transactions.
    pub(crate) const fn fencing_round(&self) -> Round {
        Round::of(self.pending_fencing, self.tasks_fenced, self.task_count)
    }

    /// Whether these task configurations would change anything: they differ from those in force, or those were made from an
    /// older configuration of the connector (converters and transforms may have changed).
    pub(crate) fn needs_tasks(&self, configs: &[Props]) -> bool {
        let same = self.tasks.len() == configs.len()
            && self.tasks.values().zip(configs).all(|(known, config)| **known == *config);
        self.inconsistent || !same || self.tasks_revision.is_none_or(|offset| offset < self.config_revision)
    }
}

#[cfg(test)]
#[path = "state/tests.rs"]
mod tests;
