//! From what is to be and what is running to what is to be done: the herder's only decision.
//!
//! Between the fold of the config topic and the worker; pure. It is asked again after every event and every action, so it
//! says one step at a time: a task that must change is stopped, and started once it is gone. Invariant: doing
//! what it says, again and again, ends in nothing to do, with exactly the assigned work running at its newest revision.

use std::collections::{BTreeMap, BTreeSet};

use super::state::ClusterState;
use super::{TargetState, TaskId};

/// The work of this worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The connectors that it runs.
    pub(crate) connectors: BTreeSet<String>,
    /// The tasks that it runs.
    pub(crate) tasks: BTreeSet<TaskId>,
}

impl Assignment {
    /// All there is: the work of a worker that is alone.
    pub(crate) fn everything(state: &ClusterState) -> Self {
        let connectors = state.connectors().map(|(name, _)| name.clone()).collect();
        let tasks = state.connectors().flat_map(|(name, connector)| connector.task_ids(name)).collect();
        Self { connectors, tasks }
    }
}

/// A connector as it runs here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunningConnector {
    /// The revision of its configuration.
    pub(crate) revision: i64,
    /// What it was told to do.
    pub(crate) target: TargetState,
}

/// A task as it runs here; a failed one counts, until it is started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunningTask {
    /// The revision of its configuration.
    pub(crate) revision: i64,
    /// What it was told to do.
    pub(crate) target: TargetState,
    /// It was told to stop, and is not gone yet.
    pub(crate) stopping: bool,
}

/// What runs on this worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running {
    /// The connectors by name.
    pub(crate) connectors: BTreeMap<String, RunningConnector>,
    /// The tasks by id.
    pub(crate) tasks: BTreeMap<TaskId, RunningTask>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a connector, or let it go on with a new configuration or target.
    StartConnector(String, RunningConnector),
    /// Let go of a connector.
    StopConnector(String),
    /// Start a task.
    StartTask(TaskId, RunningTask),
    /// Tell a task to pause or to resume.
    SetTaskTarget(TaskId, TargetState),
    /// Tell a task to stop.
    StopTask(TaskId),
}

/// The steps to take now, stops first.
pub(crate) fn plan(state: &ClusterState, assignment: &Assignment, running: &Running) -> Vec<Action> {
    let mut actions = Vec::new();
    stop_what_is_not_ours(state, assignment, running, &mut actions);
    for name in &assignment.connectors {
        let Some(connector) = state.connector(name) else { continue };
        let wanted = RunningConnector { revision: connector.config_revision(), target: connector.target() };
        if running.connectors.get(name) != Some(&wanted) {
            actions.push(Action::StartConnector(name.clone(), wanted));
        }
    }
    for id in &assignment.tasks {
        let Some(wanted) = wanted_task(state, id) else { continue };
        match running.tasks.get(id) {
            None => actions.push(Action::StartTask(id.clone(), wanted)),
            Some(task) if task.stopping => {}
            Some(task) if task.revision != wanted.revision => actions.push(Action::StopTask(id.clone())),
            Some(task) if task.target != wanted.target => {
                actions.push(Action::SetTaskTarget(id.clone(), wanted.target));
            }
            Some(_) => {}
        }
    }
    actions
}

fn stop_what_is_not_ours(
    state: &ClusterState,
    assignment: &Assignment,
    running: &Running,
    actions: &mut Vec<Action>,
) {
    let ours = |id: &TaskId| assignment.tasks.contains(id) && wanted_task(state, id).is_some();
    let idle = running.tasks.iter().filter(|(id, task)| !task.stopping && !ours(id));
    actions.extend(idle.map(|(id, _)| Action::StopTask(id.clone())));
    let ours = |name: &str| assignment.connectors.contains(name) && state.connector(name).is_some();
    let idle = running.connectors.keys().filter(|name| !ours(name));
    actions.extend(idle.map(|name| Action::StopConnector(name.clone())));
}

/// How a task is to run, if it is to run: a stopped connector has none, even before its empty set of tasks is committed.
fn wanted_task(state: &ClusterState, id: &TaskId) -> Option<RunningTask> {
    let connector = state.connector(&id.connector)?;
    let target = connector.target();
    let exists = connector.tasks().any(|(task, _)| task == id.task);
    (exists && target != TargetState::Stopped).then(|| RunningTask {
        revision: connector.tasks_revision(),
        target,
        stopping: false,
    })
}

#[cfg(test)]
mod tests {
    use api::Props;

    use super::*;
    use crate::store::config_record::ConfigRecord;
    use crate::worker::Jitter;

    /// Does what the plan says, as the herder would: a stopped task is gone some time after.
    fn act(running: &mut Running, action: Action) {
        match action {
            Action::StartConnector(name, connector) => {
                running.connectors.insert(name, connector);
            }
            Action::StopConnector(name) => {
                running.connectors.remove(&name).expect("only what runs is stopped");
            }
            Action::StartTask(id, task) => {
                assert!(running.tasks.insert(id, task).is_none(), "a task is never started twice");
            }
            Action::SetTaskTarget(id, target) => running.tasks.get_mut(&id).unwrap().target = target,
            Action::StopTask(id) => {
                let task = running.tasks.get_mut(&id).unwrap();
                assert!(!task.stopping, "a task is told once");
                task.stopping = true;
            }
        }
    }

    fn settle(state: &ClusterState, running: &mut Running) {
        let assignment = Assignment::everything(state);
        for _ in 0..10 {
            let actions = plan(state, &assignment, running);
            if actions.is_empty() && running.tasks.values().all(|task| !task.stopping) {
                return;
            }
            actions.into_iter().for_each(|action| act(running, action));
            running.tasks.retain(|_, task| !task.stopping);
        }
        panic!("the plan never ends");
    }

    fn check(state: &ClusterState, running: &Running) {
        let wanted: BTreeMap<_, _> = Assignment::everything(state)
            .tasks
            .into_iter()
            .filter_map(|id| wanted_task(state, &id).map(|task| (id, task)))
            .collect();
        assert_eq!(running.tasks, wanted);
        assert_eq!(running.connectors.len(), state.connectors().count());
    }

    #[test]
    fn pausing_keeps_tasks_and_stopping_does_not() {
        let mut state = ClusterState::default();
        let mut running = Running::default();
        let props = Some(Props::new());
        for (offset, record) in [
            (0, ConfigRecord::Connector("c".to_owned(), props.clone())),
            (1, ConfigRecord::Task(TaskId::new("c", 0), props)),
            (2, ConfigRecord::Commit("c".to_owned(), 1)),
        ] {
            state.apply(offset, record);
        }
        settle(&state, &mut running);
        state.apply(3, ConfigRecord::Target("c".to_owned(), Some(TargetState::Paused)));
        let actions = plan(&state, &Assignment::everything(&state), &running);
        assert!(actions.contains(&Action::SetTaskTarget(TaskId::new("c", 0), TargetState::Paused)));
        settle(&state, &mut running);
        state.apply(4, ConfigRecord::Target("c".to_owned(), Some(TargetState::Stopped)));
        settle(&state, &mut running);
        assert!(running.tasks.is_empty());
    }

    #[test]
    fn any_history_of_changes_settles_in_what_is_wanted() {
        for seed in 1..1_000 {
            let mut random = Jitter::new(seed);
            let (mut state, mut running) = (ClusterState::default(), Running::default());
            for offset in 0..60 {
                let name = ["a", "b", "c"][usize::try_from(random.below(3)).unwrap()].to_owned();
                let task = TaskId::new(name.clone(), u32::try_from(random.below(3)).unwrap());
                let record = match random.below(8) {
                    0 => ConfigRecord::Connector(name, None),
                    1 | 2 => ConfigRecord::Connector(name, Some(Props::new())),
                    3 => ConfigRecord::Target(name, Some(TargetState::Paused)),
                    4 => ConfigRecord::Target(name, Some(TargetState::Stopped)),
                    5 => ConfigRecord::Target(name, Some(TargetState::Started)),
                    6 => ConfigRecord::Commit(name, task.task),
                    _ => ConfigRecord::Task(task, Some(Props::new())),
                };
                state.apply(offset, record);
                let assignment = Assignment::everything(&state);
                let actions = plan(&state, &assignment, &running);
                actions.into_iter().for_each(|action| act(&mut running, action));
                if random.below(3) == 0 {
                    running.tasks.retain(|_, task| !task.stopping);
                }
            }
            settle(&state, &mut running);
            check(&state, &running);
        }
    }
}
