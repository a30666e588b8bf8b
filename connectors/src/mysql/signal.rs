//! Signals: what people ask a running connector for, through a table of the database, a file or a topic. Pure but for
//! [`mod@file`] and [`topic`].
//!
//! A signal has an id, a type and data (JSON), as in Debezium. One that cannot be understood is reported and passed over: it
//! must not stop what runs.

pub mod file;
pub mod topic;

use api::Value;
use serde_json::Value as Json;

/// A signal as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// The sender's name for it.
    pub id: String,
    /// What is asked for.
    pub kind: String,
    /// With what; JSON or nothing.
    pub data: String,
}

/// Tables to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The signal's id.
    pub id: String,
    /// Regular expressions for `database.table`.
    pub tables: Vec<String>,
    /// Conditions: expressions for tables, and the SQL that rows must meet.
    pub conditions: Vec<(String, String)>,
    /// A column that stands in for the key.
    pub surrogate_key: Option<String>,
}

impl Request {
    /// The condition for a table, if there is one.
    #[must_use]
    pub fn condition(&self, table: &str) -> Option<String> {
        let matches = |pattern: &str| {
            super::filter::whole_name(pattern).is_ok_and(|pattern| pattern.is_match(table).unwrap_or(false))
        };
        let found = self.conditions.iter().find(|(pattern, _)| matches(pattern));
        found.map(|(_, filter)| filter.clone()).filter(|filter| !filter.trim().is_empty())
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read tables while the binlog goes on.
    Incremental(Request),
    /// Read tables, and then go on with the binlog.
    Blocking(Request),
    /// Give up an incremental snapshot, of some tables or all.
    Stop(Vec<String>),
    /// Hold it.
    Pause,
    /// Let it go on.
    Resume,
    /// Write a line to the log.
    Log(String),
    /// Go on from another place.
    SetPosition(Place),
}

/// A place in the binlog as a signal names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// File and byte.
    File(String, u64),
    /// The transactions before it.
    Gtids(String),
}

fn texts(data: &Json, member: &str) -> Vec<String> {
    let items = data.get(member).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Json::as_str).map(|text| text.trim().to_owned()).collect()
}

fn text(data: &Json, member: &str) -> Option<String> {
    data.get(member).and_then(Json::as_str).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

impl Signal {
    /// Out of a row of the signal table: its first three columns.
    #[must_use]
    pub fn of_row(row: &[Value]) -> Option<Self> {
        let text = |place: usize| row.get(place).and_then(Value::as_str);
        Some(Self {
            id: text(0)?.to_owned(),
            kind: text(1)?.to_owned(),
            data: text(2).unwrap_or_default().to_owned(),
        })
    }

    /// Out of JSON: `{"id":.., "type":.., "data":..}`, where the data may be an object or its text.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn of_json(json: &str) -> Result<Self, String> {
        let said: Json = serde_json::from_str(json).map_err(|error| format!("{error}: {json}"))?;
        let text = |member: &str| said[member].as_str().map(str::to_owned);
        let data = match &said["data"] {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            data => data.to_string(),
        };
        match (text("id"), text("type")) {
            (Some(id), Some(kind)) => Ok(Self { id, kind, data }),
            _ => Err(format!("no id or type: {json}")),
        }
    }

    /// Whether it is the mark of a chunk's window, of our own making.
    #[must_use]
    pub fn is_window(&self) -> bool {
        matches!(self.kind.as_str(), "snapshot-window-open" | "snapshot-window-close")
    }

    /// What it asks for.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn action(&self) -> Result<Action, String> {
        let data: Json = match self.data.trim() {
            "" => Json::Null,
            data => serde_json::from_str(data).map_err(|error| format!("its data is not JSON: {error}"))?,
        };
        match self.kind.as_str() {
            "execute-snapshot" => self.execute(&data),
            "stop-snapshot" => Ok(Action::Stop(texts(&data, "data-collections"))),
            "pause-snapshot" => Ok(Action::Pause),
            "resume-snapshot" => Ok(Action::Resume),
            "log" => text(&data, "message").map(Action::Log).ok_or_else(|| "it has no message".to_owned()),
            "set-binlog-position" => set_position(&data).map(Action::SetPosition),
            "schema-changes" => {
                Err("schema-changes is not needed here: the shapes of tables are read from the server itself"
                    .to_owned())
            }
            other => Err(format!("\"{other}\" is no type of signal")),
        }
    }

    fn execute(&self, data: &Json) -> Result<Action, String> {
        let tables = texts(data, "data-collections");
        if tables.is_empty() {
            return Err("it names no data-collections".to_owned());
        }
        for pattern in &tables {
            super::filter::whole_name(pattern)?;
        }
        let conditions =
            data.get("additional-conditions").and_then(Json::as_array).cloned().unwrap_or_default();
        let conditions = conditions
            .iter()
            .filter_map(|condition| Some((text(condition, "data-collection")?, text(condition, "filter")?)))
            .collect();
        let request =
            Request { id: self.id.clone(), tables, conditions, surrogate_key: text(data, "surrogate-key") };
        match text(data, "type").unwrap_or_else(|| "incremental".to_owned()).to_lowercase().as_str() {
            "incremental" => Ok(Action::Incremental(request)),
            "blocking" => Ok(Action::Blocking(request)),
            other => Err(format!("\"{other}\" is no type of snapshot (incremental, blocking)")),
        }
    }
}

fn set_position(data: &Json) -> Result<Place, String> {
    let file = text(data, "binlog_filename");
    let pos = data.get("binlog_position").and_then(Json::as_u64);
    match (file, pos, text(data, "gtid_set")) {
        (Some(file), Some(pos), None) => Ok(Place::File(file, pos)),
        (None, None, Some(gtids)) => Ok(Place::Gtids(gtids)),
        _ => Err("it needs either binlog_filename and binlog_position, or gtid_set".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(kind: &str, data: &str) -> Result<Action, String> {
        Signal { id: "s".to_owned(), kind: kind.to_owned(), data: data.to_owned() }.action()
    }

    #[test]
    fn debeziums_signals_are_understood() {
        let data = r#"{"data-collections":["shop.a","shop.b.*"],"type":"INCREMENTAL","surrogate-key":"n",
            "additional-conditions":[{"data-collection":"shop.a","filter":"id > 3"}]}"#;
        let Ok(Action::Incremental(request)) = action("execute-snapshot", data) else { panic!() };
        assert_eq!(request.tables, ["shop.a", "shop.b.*"]);
        assert_eq!(request.condition("shop.a").as_deref(), Some("id > 3"));
        assert_eq!((request.condition("shop.b1"), request.surrogate_key.as_deref()), (None, Some("n")));
        let blocking = action("execute-snapshot", r#"{"data-collections":["a.b"],"type":"blocking"}"#);
        assert!(matches!(blocking, Ok(Action::Blocking(_))));
        assert_eq!(action("pause-snapshot", ""), Ok(Action::Pause));
        assert_eq!(action("stop-snapshot", r#"{"type":"incremental"}"#), Ok(Action::Stop(Vec::new())));
        assert_eq!(
            action("set-binlog-position", r#"{"binlog_filename":"b.1","binlog_position":4}"#),
            Ok(Action::SetPosition(Place::File("b.1".to_owned(), 4)))
        );
    }

    #[test]
    fn what_is_wrong_with_a_signal_is_told() {
        for (kind, data, expected) in [
            ("execute-snapshot", "{", "not JSON"),
            ("execute-snapshot", "{}", "no data-collections"),
            ("execute-snapshot", r#"{"data-collections":["a("]}"#, "regular expression"),
            ("execute-snapshot", r#"{"data-collections":["a"],"type":"x"}"#, "no type of snapshot"),
            ("set-binlog-position", r#"{"binlog_filename":"b"}"#, "either"),
            ("nonsense", "", "no type of signal"),
            ("log", "", "no message"),
        ] {
            let error = action(kind, data).unwrap_err();
            assert!(error.contains(expected), "{kind} {data}: {error}");
        }
    }
}
