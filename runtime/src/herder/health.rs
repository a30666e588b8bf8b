//! How well a connector and its tasks are, beyond Connect's states: attempts, the last error, stalls; and all of it in one word.
//!
//! Made by the herder as it hears of failures, kept with the status of what it is about (so that every worker can tell, and a
//! restart forgets nothing), shown by REST. Pure. Invariant: where nothing ever went wrong there is nothing to keep, and the
//! status record is Connect's to the byte; what is kept is one more field, which Kafka Connect passes over when it reads the map.

use serde::{Deserialize, Serialize};

use super::{ConnectorStatus, State};

/// What a message of an error may have; it stands in a record of the status topic.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// What is known of a connector or task beside its state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Care {
    /// Restarts in a row that supervision made, or is about to make.
    #[serde(skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// When it is started again: milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<i64>,
    /// What went wrong last; kept when all is well again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// What hangs, while something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalled: Option<Stalled>,
}

/// What went wrong last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastError {
    /// The root cause, then what was being done.
    pub message: String,
    /// When: milliseconds since 1970.
    pub time: i64,
}

/// What hangs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stalled {
    /// The call: `poll`, `put`, `flush`, ...
    pub operation: String,
    /// Since when: milliseconds since 1970.
    pub since: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Care {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// It failed, or is in trouble.
    pub(crate) fn failed(&mut self, message: &str, time: i64) {
        let end = message.floor_char_boundary(MESSAGE_BYTES_MAX);
        let message = message.get(..end).unwrap_or_default().to_owned();
        self.last_error = Some(LastError { message, time });
    }
}

/// How a connector is, with all its tasks, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Everything runs.
    Healthy,
    /// Something is being started.
    Starting,
    /// Something runs, but some tasks failed, hang or are in trouble.
    Degraded,
    /// Nothing runs, and something failed.
    Failed,
    /// It was paused.
    Paused,
    /// It was stopped.
    Stopped,
}

impl Health {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Starting => "starting",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }

    /// The health of a connector whose status this is.
    #[must_use]
    pub fn of(status: &ConnectorStatus) -> Self {
        let tasks = || status.tasks.iter();
        let any = |state| tasks().any(|task| task.state == state);
        match status.state {
            State::Stopped => return Self::Stopped,
            State::Failed if !any(State::Running) => return Self::Failed,
            State::Failed => return Self::Degraded,
            State::Unassigned | State::Restarting => return Self::Starting,
            State::Running | State::Paused => {}
        }
        // A task that runs and has a trace is in trouble, and tries again.
        let troubled = tasks().any(|task| task.care.stalled.is_some() || task.trace.is_some());
        if any(State::Failed) && !any(State::Running) && !any(State::Paused) {
            Self::Failed
        } else if any(State::Failed) || troubled {
            Self::Degraded
        } else if status.state == State::Paused {
            Self::Paused
        } else if any(State::Unassigned) || any(State::Restarting) || status.tasks.is_empty() {
            Self::Starting
        } else {
            Self::Healthy
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ConnectorKind, TaskStatus};
    use super::*;

    fn status(state: State, tasks: &[State]) -> ConnectorStatus {
        let task = |(id, state): (usize, &State)| TaskStatus {
            id: u32::try_from(id).unwrap(),
            state: *state,
            worker_id: String::new(),
            trace: None,
            care: Care::default(),
            progress_age_ms: None,
        };
        ConnectorStatus {
            name: "c".to_owned(),
            state,
            worker_id: String::new(),
            trace: None,
            tasks: tasks.iter().enumerate().map(task).collect(),
            kind: ConnectorKind::Source,
            care: Care::default(),
        }
    }

    #[test]
    fn running_with_dead_tasks_is_not_healthy() {
        use State::{Failed, Paused, Restarting, Running, Stopped, Unassigned};
        for (state, tasks, health) in [
            (Running, &[Running, Running][..], Health::Healthy),
            (Running, &[Running, Failed], Health::Degraded),
            (Running, &[Failed, Failed], Health::Failed),
            (Running, &[Failed, Restarting], Health::Failed),
            (Running, &[Running, Unassigned], Health::Starting),
            (Running, &[], Health::Starting),
            (Failed, &[], Health::Failed),
            (Failed, &[Running], Health::Degraded),
            (Paused, &[Paused], Health::Paused),
            (Stopped, &[], Health::Stopped),
            (Unassigned, &[], Health::Starting),
        ] {
            assert_eq!(Health::of(&status(state, tasks)), health, "{state:?} {tasks:?}");
        }
        let mut hangs = status(Running, &[Running]);
        hangs.tasks[0].care.stalled = Some(Stalled::default());
        assert_eq!(Health::of(&hangs), Health::Degraded);
    }

    #[test]
    fn what_is_kept_is_small_and_comes_back() {
        let mut care = Care::default();
        assert_eq!(serde_json::to_string(&care).unwrap(), "{}");
        care.failed(&"ü".repeat(10_000), 7);
        let text = serde_json::to_string(&care).unwrap();
        assert!(text.len() < 5_000);
        assert_eq!(serde_json::from_str::<Care>(&text).unwrap(), care);
    }
}
