//! The records of the config topic, as Kafka Connect writes them: keys and JSON values, byte for byte.
//!
//! Between the config store and the fold of its log; pure. Source: `KafkaConfigBackingStore`, `ConnectorTaskId`.
//! Invariant: what `key` and `value` write, `parse` reads; a key that we do not know is not an error, a value that is
//! not what its key promises is.

use api::Props;
use serde_json::{Map, Value, json};

use crate::herder::{TargetState, TaskId};

/// One record of the config topic. A `None` inside is a tombstone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ConfigRecord {
    /// `connector-<c>`: a connector's configuration, or its deletion.
    Connector(String, Option<Props>),
    /// `task-<c>-<n>`: a task's configuration, in force once it is committed.
    Task(TaskId, Option<Props>),
    /// `commit-<c>`: puts this many task configurations in force.
    Commit(String, u32),
    /// `target-state-<c>`.
    Target(String, Option<TargetState>),
    /// `tasks-fencing-<c>`: how many tasks of the connector were fenced for (KIP-618).
    TasksFencing(String, Option<u32>),
    /// `restart-connector-<c>` (KIP-745).
    Restart(String, RestartRequest),
    /// `session-key` (KIP-507).
    SessionKey(SessionKey),
    /// `logger-cluster-<namespace>` (KIP-976).
    Logger(String, Option<String>),
}

/// What of a connector shall be restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RestartRequest {
    /// The tasks as well.
    pub(crate) include_tasks: bool,
    /// Only what failed.
    pub(crate) only_failed: bool,
}

/// The key with which workers sign internal requests.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionKey {
    /// The key, in base64.
    pub(crate) key: String,
    /// Its algorithm, such as `HmacSHA256`.
    pub(crate) algorithm: String,
    /// When it was made, in milliseconds since the epoch.
    pub(crate) creation_timestamp: i64,
}

impl std::fmt::Debug for SessionKey {
    /// Leaves the key out: it is a secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SessionKey({}, {})", self.algorithm, self.creation_timestamp)
    }
}

const CONNECTOR: &str = "connector-";
const TASK: &str = "task-";
const COMMIT: &str = "commit-";
const TARGET: &str = "target-state-";
const FENCING: &str = "tasks-fencing-";
const RESTART: &str = "restart-connector-";
const SESSION_KEY: &str = "session-key";
const LOGGER: &str = "logger-cluster-";

impl ConfigRecord {
    /// The record's key in the topic.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Connector(name, _) => format!("{CONNECTOR}{name}"),
            Self::Task(id, _) => format!("{TASK}{id}"),
            Self::Commit(name, _) => format!("{COMMIT}{name}"),
            Self::Target(name, _) => format!("{TARGET}{name}"),
            Self::TasksFencing(name, _) => format!("{FENCING}{name}"),
            Self::Restart(name, _) => format!("{RESTART}{name}"),
            Self::SessionKey(_) => SESSION_KEY.to_owned(),
            Self::Logger(namespace, _) => format!("{LOGGER}{namespace}"),
        }
    }

    /// The record's value in the topic; `None` is a tombstone.
    pub(crate) fn value(&self) -> Option<Vec<u8>> {
        let value = match self {
            Self::Connector(_, config) | Self::Task(_, config) => json!({ "properties": config.as_ref()? }),
            Self::Commit(_, tasks) => json!({ "tasks": tasks }),
            Self::Target(_, target) => {
                let target = (*target)?;
                // Readers from before KIP-875 know no STOPPED, and take it for a pause.
                let known = if target == TargetState::Stopped { TargetState::Paused } else { target };
                json!({ "state": known.name(), "state.v2": target.name() })
            }
            Self::TasksFencing(_, count) => json!({ "task-count": (*count)? }),
            Self::Restart(_, request) => {
                json!({ "include-tasks": request.include_tasks, "only-failed": request.only_failed })
            }
            Self::SessionKey(key) => json!({
                "key": key.key, "algorithm": key.algorithm, "creation-timestamp": key.creation_timestamp,
            }),
            Self::Logger(_, level) => json!({ "level": level.as_ref()? }),
        };
        Some(value.to_string().into_bytes())
    }

    /// Reads a record. `Ok(None)` when the key is none of ours.
    ///
    /// # Errors
    /// What is wrong with the key or the value, in words that name the key.
    pub(crate) fn parse(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, String> {
        let key = std::str::from_utf8(key).map_err(|error| format!("a key that is not UTF-8: {error}"))?;
        let value = match value {
            Some(bytes) => Some(
                serde_json::from_slice::<Map<String, Value>>(bytes)
                    .map_err(|error| format!("the value of {key} is not a JSON object: {error}"))?,
            ),
            None => None,
        };
        Self::of(key, value.as_ref()).map_err(|problem| format!("the value of {key}: {problem}"))
    }

    fn of(key: &str, value: Option<&Map<String, Value>>) -> Result<Option<Self>, String> {
        let record = if let Some(name) = key.strip_prefix(CONNECTOR) {
            Self::Connector(name.to_owned(), value.map(properties).transpose()?)
        } else if let Some(id) = key.strip_prefix(TASK) {
            Self::Task(task_id(id)?, value.map(properties).transpose()?)
        } else if let Some(name) = key.strip_prefix(TARGET) {
            Self::Target(name.to_owned(), value.map(target).transpose()?)
        } else if let Some(name) = key.strip_prefix(FENCING) {
            Self::TasksFencing(name.to_owned(), value.map(|value| number(value, "task-count")).transpose()?)
        } else if let Some(namespace) = key.strip_prefix(LOGGER) {
            Self::Logger(namespace.to_owned(), value.map(|value| text(value, "level")).transpose()?)
        } else {
            let Some(value) = value else { return Ok(None) };
            return Self::of_event(key, value);
        };
        Ok(Some(record))
    }

    /// The records that are never deleted, so that a tombstone of theirs says nothing.
    fn of_event(key: &str, value: &Map<String, Value>) -> Result<Option<Self>, String> {
        let record = if let Some(name) = key.strip_prefix(COMMIT) {
            Self::Commit(name.to_owned(), number(value, "tasks")?)
        } else if let Some(name) = key.strip_prefix(RESTART) {
            let (include_tasks, only_failed) = (flag(value, "include-tasks"), flag(value, "only-failed"));
            Self::Restart(name.to_owned(), RestartRequest { include_tasks, only_failed })
        } else if key == SESSION_KEY {
            Self::SessionKey(SessionKey {
                key: text(value, "key")?,
                algorithm: text(value, "algorithm")?,
                creation_timestamp: field(value, "creation-timestamp")?
                    .as_i64()
                    .ok_or("creation-timestamp is not a whole number")?,
            })
        } else {
            return Ok(None);
        };
        Ok(Some(record))
    }
}

fn field<'a>(value: &'a Map<String, Value>, name: &str) -> Result<&'a Value, String> {
    value.get(name).ok_or_else(|| format!("there is no \"{name}\""))
}

fn text(value: &Map<String, Value>, name: &str) -> Result<String, String> {
    let text = field(value, name)?.as_str().ok_or_else(|| format!("\"{name}\" is not text"))?;
    Ok(text.to_owned())
}

fn number(value: &Map<String, Value>, name: &str) -> Result<u32, String> {
    let number = field(value, name)?.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("\"{name}\" is not a count"))
}

fn flag(value: &Map<String, Value>, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn properties(value: &Map<String, Value>) -> Result<Props, String> {
    let properties = field(value, "properties")?.as_object().ok_or("\"properties\" is not an object")?;
    let property = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok(Some((name.clone(), text.clone()))),
        // Java's maps may hold nulls, which say nothing.
        Value::Null => Ok(None),
        _ => Err(format!("property \"{name}\" is not text")),
    };
    properties.iter().filter_map(|entry| property(entry).transpose()).collect()
}

fn target(value: &Map<String, Value>) -> Result<TargetState, String> {
    let name = match value.get("state.v2").and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        None => text(value, "state")?,
    };
    TargetState::of_name(&name).ok_or_else(|| format!("there is no target state {name}"))
}

/// Reads `shop-db-0`: the number stands after the last dash.
fn task_id(text: &str) -> Result<TaskId, String> {
    let parsed = text.rsplit_once('-').and_then(|(name, task)| Some((name, task.parse().ok()?)));
    let (connector, task) = parsed.ok_or("the key does not end in -<task number>")?;
    Ok(TaskId::new(connector, task))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(record: &ConfigRecord) -> (String, Option<String>) {
        (record.key(), record.value().map(|value| String::from_utf8(value).unwrap()))
    }

    #[test]
    fn records_are_connects_byte_for_byte() {
        let props =
            Props::from([("name".to_owned(), "a-b".to_owned()), ("tasks.max".to_owned(), "1".to_owned())]);
        let rows = [
            (
                ConfigRecord::Connector("a-b".to_owned(), Some(props.clone())),
                "connector-a-b",
                Some(r#"{"properties":{"name":"a-b","tasks.max":"1"}}"#),
            ),
            (ConfigRecord::Connector("a-b".to_owned(), None), "connector-a-b", None),
            (
                ConfigRecord::Task(TaskId::new("a-b", 3), Some(props)),
                "task-a-b-3",
                Some(r#"{"properties":{"name":"a-b","tasks.max":"1"}}"#),
            ),
            (ConfigRecord::Commit("a-b".to_owned(), 2), "commit-a-b", Some(r#"{"tasks":2}"#)),
            (
                ConfigRecord::Target("a-b".to_owned(), Some(TargetState::Stopped)),
                "target-state-a-b",
                Some(r#"{"state":"PAUSED","state.v2":"STOPPED"}"#),
            ),
            (
                ConfigRecord::Target("a-b".to_owned(), Some(TargetState::Started)),
                "target-state-a-b",
                Some(r#"{"state":"STARTED","state.v2":"STARTED"}"#),
            ),
            (
                ConfigRecord::Restart(
                    "a-b".to_owned(),
                    RestartRequest { include_tasks: true, only_failed: false },
                ),
                "restart-connector-a-b",
                Some(r#"{"include-tasks":true,"only-failed":false}"#),
            ),
            (
                ConfigRecord::TasksFencing("a-b".to_owned(), Some(4)),
                "tasks-fencing-a-b",
                Some(r#"{"task-count":4}"#),
            ),
            (
                ConfigRecord::SessionKey(SessionKey {
                    key: "aa==".to_owned(),
                    algorithm: "HmacSHA256".to_owned(),
                    creation_timestamp: 9,
                }),
                "session-key",
                Some(r#"{"key":"aa==","algorithm":"HmacSHA256","creation-timestamp":9}"#),
            ),
            (
                ConfigRecord::Logger("org.x".to_owned(), Some("DEBUG".to_owned())),
                "logger-cluster-org.x",
                Some(r#"{"level":"DEBUG"}"#),
            ),
        ];
        for (record, key, value) in rows {
            assert_eq!(written(&record), (key.to_owned(), value.map(str::to_owned)));
            let parsed = ConfigRecord::parse(key.as_bytes(), value.map(str::as_bytes)).unwrap();
            assert_eq!(parsed, Some(record));
        }
    }

    #[test]
    fn an_old_target_state_and_a_null_property_are_understood() {
        let parsed = ConfigRecord::parse(b"target-state-c", Some(br#"{"state":"PAUSED"}"#)).unwrap();
        assert_eq!(parsed, Some(ConfigRecord::Target("c".to_owned(), Some(TargetState::Paused))));
        let parsed = ConfigRecord::parse(b"connector-c", Some(br#"{"properties":{"a":null}}"#)).unwrap();
        assert_eq!(parsed, Some(ConfigRecord::Connector("c".to_owned(), Some(Props::new()))));
    }

    #[test]
    fn strange_keys_are_passed_over_and_broken_values_name_theirs() {
        assert_eq!(ConfigRecord::parse(b"what-is-this", Some(b"{}")).unwrap(), None);
        for (key, value) in [
            ("connector-c", "[]"),
            ("connector-c", "{\"properties\":{\"a\":1}}"),
            ("commit-c", "{\"tasks\":-1}"),
            ("task-c", "{\"properties\":{}}"),
            ("target-state-c", "{\"state\":\"ODD\"}"),
        ] {
            let problem = ConfigRecord::parse(key.as_bytes(), Some(value.as_bytes())).unwrap_err();
            assert!(problem.contains(key), "{problem}");
        }
    }
}
