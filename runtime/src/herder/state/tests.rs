//! The fold, record by record, and under seeded compaction.

use super::*;
use crate::worker::Jitter;

fn props(text: &str) -> Props {
    Props::from([("v".to_owned(), text.to_owned())])
}

fn connector(config: &str) -> ConfigRecord {
    ConfigRecord::Connector("c".to_owned(), Some(props(config)))
}

fn task(number: u32, config: &str) -> ConfigRecord {
    ConfigRecord::Task(TaskId::new("c", number), Some(props(config)))
}

fn commit(tasks: u32) -> ConfigRecord {
    ConfigRecord::Commit("c".to_owned(), tasks)
}

fn fold(records: impl IntoIterator<Item = ConfigRecord>) -> ClusterState {
    let mut state = ClusterState::default();
    for (offset, record) in records.into_iter().enumerate() {
        state.apply(i64::try_from(offset).unwrap(), record);
    }
    state
}

fn tasks(state: &ClusterState) -> Vec<(u32, String)> {
    state.connector("c").unwrap().tasks().map(|(task, config)| (task, config["v"].clone())).collect()
}

#[test]
fn tasks_count_once_they_are_committed() {
    let mut state = fold([connector("1"), task(0, "a"), task(1, "b")]);
    assert!(tasks(&state).is_empty());
    state.apply(3, commit(2));
    assert_eq!(tasks(&state), [(0, "a".to_owned()), (1, "b".to_owned())]);
    assert_eq!(state.connector("c").unwrap().tasks_revision(), 3);
    assert_eq!(state.offset(), 4);
}

#[test]
fn an_incomplete_commit_leaves_no_tasks_until_the_next() {
    let mut state = fold([connector("1"), task(1, "b"), commit(2)]);
    assert!(tasks(&state).is_empty());
    assert!(state.connector("c").unwrap().needs_tasks(&[props("a"), props("b")]));
    for (offset, record) in [(3, task(0, "a")), (4, task(1, "b")), (5, commit(2))] {
        state.apply(offset, record);
    }
    assert_eq!(tasks(&state).len(), 2);
    assert!(!state.connector("c").unwrap().needs_tasks(&[props("a"), props("b")]));
}

#[test]
fn fewer_tasks_drop_the_rest_even_if_compaction_kept_them() {
    let state = fold([connector("1"), task(1, "old"), task(0, "new"), commit(1)]);
    assert_eq!(tasks(&state), [(0, "new".to_owned())]);
    let state = fold([connector("1"), task(0, "a"), commit(1), commit(0)]);
    assert!(tasks(&state).is_empty(), "a stopped connector has no tasks");
}

#[test]
fn a_new_config_asks_for_new_tasks_even_if_they_are_the_same() {
    let state = fold([connector("1"), task(0, "a"), commit(1), connector("2")]);
    assert!(state.connector("c").unwrap().needs_tasks(&[props("a")]));
    assert_eq!(state.connector("c").unwrap().config_revision(), 3);
}

#[test]
fn a_target_state_may_come_first_and_goes_last() {
    let target = |state| ConfigRecord::Target("c".to_owned(), state);
    let mut state = fold([target(Some(TargetState::Paused))]);
    assert!(state.connector("c").is_none() && state.connectors().count() == 0);
    state.apply(1, connector("1"));
    assert_eq!(state.connector("c").unwrap().target(), TargetState::Paused);
    state.apply(2, ConfigRecord::Connector("c".to_owned(), None));
    assert!(state.connector("c").is_none());
    state.apply(3, target(None));
    state.apply(4, connector("1"));
    assert_eq!(state.connector("c").unwrap().target(), TargetState::Started);
    assert!(tasks(&state).is_empty(), "the tasks went with the connector");
}

/// Compaction may take any record that a newer one of its key follows. Whatever it takes, a connector whose last writer
/// finished has the tasks that it wrote, or is inconsistent and has none: never a mixture.
#[test]
fn no_compaction_mixes_two_sets_of_tasks() {
    for seed in 1..3_000 {
        let mut random = Jitter::new(seed);
        let mut log = vec![connector("1")];
        for round in 0..4 {
            let count = u32::try_from(random.below(4)).unwrap();
            log.extend((0..count).map(|number| task(number, &round.to_string())));
            log.push(commit(count));
        }
        let keys: Vec<_> = log.iter().map(ConfigRecord::key).collect();
        let mut state = ClusterState::default();
        for (at, record) in log.iter().enumerate() {
            let superseded = keys[at + 1..].contains(&keys[at]);
            if superseded && random.below(2) == 0 {
                continue;
            }
            state.apply(i64::try_from(at).unwrap(), record.clone());
        }
        let last = log.iter().rposition(|record| matches!(record, ConfigRecord::Commit(..))).unwrap();
        let ConfigRecord::Commit(_, count) = log[last] else { unreachable!() };
        assert_eq!(tasks(&state).len(), usize::try_from(count).unwrap(), "seed {seed}");
        assert!(tasks(&state).iter().all(|(_, round)| round == "3"), "seed {seed}");
    }
}
