//! The records of the status topic, as Kafka Connect writes them.
//!
//! Between the status store and its topic; pure. Source: `KafkaStatusBackingStore`. Keys: `status-connector-<c>`,
//! `status-task-<c>-<n>`, `status-topic-<topic>:connector-<c>`. What supervision knows of something that went wrong stands in one more
//! field, `supervision`; Kafka Connect reads the value as a map and asks only for its own fields. Invariant: what `key` and `value` write, `parse` reads; a
//! tombstone, and the state `DESTROYED`, both say that the thing is gone.

use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use crate::herder::{Care, State, TaskId};

/// What a connector or task is doing, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// What it is doing.
    pub(crate) state: State,
    /// Why it failed.
    pub(crate) trace: Option<String>,
    /// The worker that says so.
    pub(crate) worker_id: String,
    /// The generation of the group in which it says so.
    pub(crate) generation: i32,
    /// What supervision knows of it.
    pub(crate) care: Care,
    /// The version of the connector's plugin, if it is known (since Connect 4.1).
    pub(crate) version: Option<String>,
}

/// A topic that a connector has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicStatus {
    /// The topic.
    pub(crate) topic: String,
    /// The connector.
    pub(crate) connector: String,
    /// The task that used it first.
    pub(crate) task: u32,
    /// When, in milliseconds since the epoch.
    pub(crate) discover_timestamp: i64,
}

/// One record of the status topic. A `None` inside is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatusRecord {
    /// `status-connector-<c>`.
    Connector(String, Option<Status>),
    /// `status-task-<c>-<n>`.
    Task(TaskId, Option<Status>),
    /// `status-topic-<topic>:connector-<c>`: topic and connector, and what is known.
    Topic(String, String, Option<TopicStatus>),
}

const CONNECTOR: &str = "status-connector-";
const TASK: &str = "status-task-";
const TOPIC: &str = "status-topic-";
const TOPIC_CONNECTOR: &str = ":connector-";

impl StatusRecord {
    /// The record's key in the topic.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Connector(name, _) => format!("{CONNECTOR}{name}"),
            Self::Task(id, _) => format!("{TASK}{id}"),
            Self::Topic(topic, connector, _) => format!("{TOPIC}{topic}{TOPIC_CONNECTOR}{connector}"),
        }
    }

    /// The record's value in the topic; `None` is a tombstone.
    pub(crate) fn value(&self) -> Option<Vec<u8>> {
        let value = match self {
            Self::Connector(_, status) | Self::Task(_, status) => {
                let status = status.as_ref()?;
                let mut value = json!({
                    "state": status.state.name(), "trace": status.trace,
                    "worker_id": status.worker_id, "generation": status.generation, "version": status.version,
                });
                if !status.care.is_empty() {
                    value["supervision"] = json!(status.care);
                }
                value
            }
            Self::Topic(_, _, status) => {
                let status = status.as_ref()?;
                json!({ "topic": {
                    "name": status.topic, "connector": status.connector,
                    "task": status.task, "discoverTimestamp": status.discover_timestamp,
                } })
            }
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
        let wrong = |what: &str| format!("the value of {key} has no valid \"{what}\"");
        let status =
            |value: Option<&Map<String, Value>>| value.map_or(Ok(None), |value| status(value, wrong));
        Ok(Some(if let Some(name) = key.strip_prefix(CONNECTOR) {
            Self::Connector(name.to_owned(), status(value.as_ref())?)
        } else if let Some(id) = key.strip_prefix(TASK) {
            let parsed = id.rsplit_once('-').and_then(|(name, task)| Some((name, task.parse().ok()?)));
            let (connector, task) = parsed.ok_or_else(|| format!("{key} does not end in -<task number>"))?;
            Self::Task(TaskId::new(connector, task), status(value.as_ref())?)
        } else if let Some((topic, connector)) =
            key.strip_prefix(TOPIC).and_then(|rest| rest.split_once(TOPIC_CONNECTOR))
        {
            let status = value.as_ref().map(|value| topic_status(value, wrong)).transpose()?;
            Self::Topic(topic.to_owned(), connector.to_owned(), status)
        } else {
            return Ok(None);
        }))
    }
}

fn status(value: &Map<String, Value>, wrong: impl Fn(&str) -> String) -> Result<Option<Status>, String> {
    let state = value.get("state").and_then(Value::as_str).ok_or_else(|| wrong("state"))?;
    if state == "DESTROYED" {
        return Ok(None);
    }
    let generation = value.get("generation").and_then(Value::as_i64);
    Ok(Some(Status {
        state: State::of_name(state).ok_or_else(|| wrong("state"))?,
        trace: value.get("trace").and_then(Value::as_str).map(str::to_owned),
        worker_id: value
            .get("worker_id")
            .and_then(Value::as_str)
            .ok_or_else(|| wrong("worker_id"))?
            .to_owned(),
        generation: generation
            .and_then(|number| i32::try_from(number).ok())
            .ok_or_else(|| wrong("generation"))?,
        care: value.get("supervision").map(care).unwrap_or_default(),
        version: value.get("version").and_then(Value::as_str).map(str::to_owned),
    }))
}

/// What supervision said. It adds to a status, and must not keep one from being read.
fn care(value: &Value) -> Care {
    Care::deserialize(value).unwrap_or_else(|error| {
        tracing::warn!(%error, "passing over what a status says of its supervision");
        Care::default()
    })
}

fn topic_status(value: &Map<String, Value>, wrong: impl Fn(&str) -> String) -> Result<TopicStatus, String> {
    let topic = value.get("topic").and_then(Value::as_object).ok_or_else(|| wrong("topic"))?;
    let text =
        |name: &str| topic.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| wrong(name));
    let number = |name: &str| topic.get(name).and_then(Value::as_i64).ok_or_else(|| wrong(name));
    Ok(TopicStatus {
        topic: text("name")?,
        connector: text("connector")?,
        task: u32::try_from(number("task")?).map_err(|error| format!("{}: {error}", wrong("task")))?,
        discover_timestamp: number("discoverTimestamp")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_connects_byte_for_byte() {
        let status = |state, trace: Option<&str>| {
            Some(Status {
                state,
                trace: trace.map(str::to_owned),
                worker_id: "127.0.0.1:8083".to_owned(),
                generation: 3,
                care: Care::default(),
                version: trace.is_none().then(|| "4.3.0".to_owned()),
            })
        };
        let topic = TopicStatus {
            topic: "t:x".to_owned(),
            connector: "a-b".to_owned(),
            task: 0,
            discover_timestamp: 7,
        };
        let rows = [
            (
                StatusRecord::Connector("a-b".to_owned(), status(State::Running, None)),
                "status-connector-a-b",
                Some(
                    r#"{"state":"RUNNING","trace":null,"worker_id":"127.0.0.1:8083","generation":3,"version":"4.3.0"}"#,
                ),
            ),
            (
                StatusRecord::Task(TaskId::new("a-b", 1), status(State::Failed, Some("no\nway"))),
                "status-task-a-b-1",
                Some(
                    r#"{"state":"FAILED","trace":"no\nway","worker_id":"127.0.0.1:8083","generation":3,"version":null}"#,
                ),
            ),
            (StatusRecord::Task(TaskId::new("a-b", 1), None), "status-task-a-b-1", None),
            (
                StatusRecord::Topic("t:x".to_owned(), "a-b".to_owned(), Some(topic)),
                "status-topic-t:x:connector-a-b",
                Some(r#"{"topic":{"name":"t:x","connector":"a-b","task":0,"discoverTimestamp":7}}"#),
            ),
        ];
        for (record, key, value) in rows {
            assert_eq!(record.key(), key);
            assert_eq!(record.value().map(|value| String::from_utf8(value).unwrap()).as_deref(), value);
            assert_eq!(StatusRecord::parse(key.as_bytes(), value.map(str::as_bytes)).unwrap(), Some(record));
        }
    }

    #[test]
    fn what_supervision_knows_is_one_more_field() {
        let mut care = Care { attempts: 2, next_try: Some(9), ..Care::default() };
        care.failed("no way", 7);
        let status = Status {
            state: State::Failed,
            trace: None,
            worker_id: "w".to_owned(),
            generation: 3,
            version: None,
            care,
        };
        let record = StatusRecord::Task(TaskId::new("c", 0), Some(status));
        let expected = concat!(
            r#"{"state":"FAILED","trace":null,"worker_id":"w","generation":3,"version":null,"#,
            r#""supervision":{"attempts":2,"next_try":9,"last_error":{"message":"no way","time":7}}}"#
        );
        let value = record.value().unwrap();
        assert_eq!(String::from_utf8(value.clone()).unwrap(), expected);
        assert_eq!(StatusRecord::parse(b"status-task-c-0", Some(&value)).unwrap(), Some(record));
        let odd = br#"{"state":"FAILED","trace":null,"worker_id":"w","generation":3,"supervision":[1]}"#;
        assert!(StatusRecord::parse(b"status-task-c-0", Some(odd)).unwrap().is_some());
    }

    #[test]
    fn destroyed_is_gone_and_broken_values_name_their_key() {
        let destroyed = br#"{"state":"DESTROYED","trace":null,"worker_id":"w","generation":3}"#;
        let parsed = StatusRecord::parse(b"status-connector-c", Some(destroyed)).unwrap();
        assert_eq!(parsed, Some(StatusRecord::Connector("c".to_owned(), None)));
        let problem = StatusRecord::parse(b"status-connector-c", Some(b"{\"state\":\"ODD\"}")).unwrap_err();
        assert!(problem.contains("status-connector-c") && problem.contains("state"), "{problem}");
        assert_eq!(StatusRecord::parse(b"else", None).unwrap(), None);
    }
}
