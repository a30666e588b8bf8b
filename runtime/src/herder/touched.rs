//! Which connectors an event concerned: only for these is the plan made again.
//!
//! Kept by the herder between an event and the plan. With a thousand connectors an event must not cost a look at each of them.
//! Invariant: whatever the plan of a connector follows from (its state, its share, what runs of it) changes only together with
//! a touch of that connector.

use std::collections::BTreeSet;

use super::TaskId;
use super::plan::{Assignment, Running};
use super::state::ClusterState;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Touched {
    /// Any of them may be concerned.
    All,
    /// These.
    Some(BTreeSet<String>),
}

impl Default for Touched {
    /// Nothing.
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}

impl Touched {
    /// One more.
    pub(crate) fn add(&mut self, name: &str) {
        if let Self::Some(names) = self
            && !names.contains(name)
        {
            names.insert(name.to_owned());
        }
    }

    /// All of these, too.
    pub(crate) fn extend(&mut self, more: impl IntoIterator<Item = String>) {
        if let Self::Some(names) = self {
            names.extend(more);
        }
    }

    /// The part of all there is that is concerned.
    pub(crate) fn of_everything(&self, state: &ClusterState) -> Assignment {
        let Self::Some(names) = self else { return Assignment::everything(state) };
        let known = || names.iter().filter_map(|name| Some((name, state.connector(name)?)));
        Assignment {
            connectors: known().map(|(name, _)| name.clone()).collect(),
            tasks: known().flat_map(|(name, connector)| connector.task_ids(name)).collect(),
        }
    }

    /// The part of a share that is concerned.
    pub(crate) fn of_share(&self, share: &Assignment) -> Assignment {
        let Self::Some(names) = self else { return share.clone() };
        let tasks = names.iter().flat_map(|name| {
            share.tasks.range(TaskId::new(name, 0)..).take_while(move |id| id.connector == *name)
        });
        Assignment {
            connectors: names.iter().filter(|name| share.connectors.contains(*name)).cloned().collect(),
            tasks: tasks.cloned().collect(),
        }
    }

    /// The part of what runs that is concerned.
    pub(crate) fn of_running(&self, running: &Running) -> Running {
        let Self::Some(names) = self else { return running.clone() };
        let mut part = Running::default();
        for name in names {
            if let Some(connector) = running.connectors.get(name) {
                part.connectors.insert(name.clone(), *connector);
            }
            let from = running.tasks.range(TaskId::new(name, 0)..);
            let ours = from.take_while(|(id, _)| id.connector == *name);
            part.tasks.extend(ours.map(|(id, task)| (id.clone(), *task)));
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use api::Props;

    use super::super::TargetState;
    use super::super::plan::{Action, RunningConnector, plan};
    use super::*;
    use crate::store::config_record::ConfigRecord;

    fn state() -> ClusterState {
        let mut state = ClusterState::default();
        for (number, name) in ["a", "b", "b-0"].into_iter().enumerate() {
            let offset = i64::try_from(number).unwrap() * 3;
            let props = Some(Props::new());
            state.apply(offset, ConfigRecord::Connector(name.to_owned(), props.clone()));
            state.apply(offset + 1, ConfigRecord::Task(TaskId::new(name, 0), props));
            state.apply(offset + 2, ConfigRecord::Commit(name.to_owned(), 1));
        }
        state
    }

    /// The plans of the connectors one by one are the plan of all.
    #[test]
    fn the_parts_are_the_whole() {
        let state = state();
        let mut running = Running::default();
        let gone = RunningConnector { revision: 0, target: TargetState::Started };
        running.connectors.insert("gone".to_owned(), gone);
        let share = Assignment::everything(&state);
        let sorted = |mut actions: Vec<Action>| {
            actions.sort_by_key(|action| format!("{action:?}"));
            actions
        };
        let all = sorted(plan(&state, &share, &running));
        assert_eq!(all.len(), 7);
        for of in [Touched::of_everything as fn(&Touched, &ClusterState) -> Assignment, |touched, state| {
            touched.of_share(&Assignment::everything(state))
        }] {
            let part = |name: &str| {
                let mut touched = Touched::default();
                touched.add(name);
                plan(&state, &of(&touched, &state), &touched.of_running(&running))
            };
            assert_eq!(sorted(["a", "b", "b-0", "gone", "none"].into_iter().flat_map(part).collect()), all);
        }
    }

    #[test]
    fn what_changed_is_touched() {
        let before = state();
        let mut after = before.clone();
        after.apply(20, ConfigRecord::Connector("a".to_owned(), None));
        after.apply(21, ConfigRecord::Connector("c".to_owned(), Some(Props::new())));
        after.apply(22, ConfigRecord::Target("b".to_owned(), Some(TargetState::Paused)));
        assert_eq!(after.changed_since(&before), ["a", "b", "c"]);
        assert!(after.changed_since(&after).is_empty());
    }
}
