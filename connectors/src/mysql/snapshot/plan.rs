//! The plan of a snapshot: which tables it reads, in which order and how; and how far it got.
//!
//! The plan is stored in the history before the snapshot's first record, so that a snapshot that is taken up again reads the same
//! tables in the same order; the offsets only name the plan, the table and the last key. Invariant: tables before
//! `Progress::table`, and of that table the rows up to `Progress::key`, are in the topics; no other row of the plan need be.

use std::sync::Arc;

use api::{Error, FlatMap, History, Result, Text, Value};
use serde_json::{Value as Json, json};

use crate::mysql::shape::TableId;

/// One table of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTable {
    /// The table.
    pub id: TableId,
    /// The statement that reads it, when it is not ours.
    pub statement: Option<String>,
    /// A condition that its rows must meet (`additional-conditions`).
    pub condition: Option<String>,
    /// About how many rows it has.
    pub rows: u64,
}

/// Why the snapshot is taken: Debezium's word in the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// At the start.
    Initial,
    /// A signal asked for it.
    Blocking,
}

impl Kind {
    /// Debezium's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::Blocking => "BLOCKING",
        }
    }
}

/// What a snapshot reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Tells it from other plans.
    pub id: Text,
    /// Why it is taken.
    pub kind: Kind,
    /// The tables, in order.
    pub tables: Vec<PlannedTable>,
}

/// How far a snapshot got.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// How many tables are done.
    pub table: usize,
    /// The last row of the next one that was read, as [`super::keys::ChunkKey::to_json`] writes it.
    pub key: Option<Text>,
    /// How many rows were read.
    pub rows: u64,
}

const PREFIX: &str = "snapshot/plan/";
/// Tables in one stored text: none grows beyond what a record may hold.
const TABLES_PER_TEXT: usize = 500;

impl Plan {
    /// Stores it in place of the one before. Durable when it returns.
    ///
    /// # Errors
    /// `Retriable` when the history cannot be written.
    pub async fn store(&self, history: &dyn History) -> Result<()> {
        let stored = history.load().await?;
        let parts: Vec<_> = self.tables.chunks(TABLES_PER_TEXT).collect();
        for (number, tables) in parts.iter().enumerate() {
            let text = json!({
                "plan": &*self.id,
                "kind": self.kind.word(),
                "parts": parts.len(),
                "tables": tables.iter().map(table_to_json).collect::<Vec<_>>(),
            });
            history.put(&format!("{PREFIX}{number}"), Some(&text.to_string())).await?;
        }
        let number = |key: &str| key.strip_prefix(PREFIX).and_then(|number| number.parse::<usize>().ok());
        for (key, _) in stored.iter().filter(|(key, _)| number(key).is_some_and(|n| n >= parts.len())) {
            history.put(key, None).await?;
        }
        Ok(())
    }

    /// The stored plan of this id; `None` when another one or none is stored.
    ///
    /// # Errors
    /// `Retriable` when the history cannot be read.
    pub async fn load(history: &dyn History, id: &str) -> Result<Option<Self>> {
        let mut texts: Vec<(usize, String)> = history
            .load()
            .await?
            .into_iter()
            .filter_map(|(key, text)| Some((key.strip_prefix(PREFIX)?.parse().ok()?, text)))
            .collect();
        texts.sort_unstable();
        let mut plan = Self { id: Text::from(id), kind: Kind::Initial, tables: Vec::new() };
        let mut parts = None;
        for (number, text) in &texts {
            let wrong =
                || Error::fatal(format!("the stored snapshot plan \"{PREFIX}{number}\" cannot be read"));
            let json: Json = serde_json::from_str(text).map_err(|error| wrong().with_source(error))?;
            if json["plan"].as_str() != Some(id) {
                return Ok(None);
            }
            if json["kind"].as_str() == Some(Kind::Blocking.word()) {
                plan.kind = Kind::Blocking;
            }
            parts = json["parts"].as_u64();
            for table in json["tables"].as_array().ok_or_else(wrong)? {
                plan.tables.push(table_from_json(table).ok_or_else(wrong)?);
            }
        }
        Ok(parts.filter(|parts| usize::try_from(*parts).ok() == Some(texts.len())).map(|_| plan))
    }
}

fn table_to_json(table: &PlannedTable) -> Json {
    json!({
        "database": &*table.id.database,
        "table": &*table.id.table,
        "statement": table.statement,
        "condition": table.condition,
        "rows": table.rows,
    })
}

fn table_from_json(json: &Json) -> Option<PlannedTable> {
    let text = |member: &str| json[member].as_str().map(str::to_owned);
    Some(PlannedTable {
        id: TableId::new(text("database")?, text("table")?),
        statement: text("statement"),
        condition: text("condition"),
        rows: json["rows"].as_u64().unwrap_or(0),
    })
}

/// What an offset says beside the position while a snapshot is not complete.
#[must_use]
pub fn offset_entries(plan: &Plan, progress: &Progress) -> Vec<(Text, Value)> {
    let number = |count: usize| Value::Int64(i64::try_from(count).unwrap_or(i64::MAX));
    let mut entries = vec![
        (Text::from_static("snapshot"), Value::from_static(plan.kind.word())),
        (Text::from_static("snapshot_plan"), Value::String(plan.id.clone())),
        (Text::from_static("snapshot_table"), number(progress.table)),
        (Text::from_static("snapshot_rows"), Value::Int64(crate::mysql::position::signed(progress.rows))),
    ];
    if let Some(key) = &progress.key {
        entries.push((Text::from_static("snapshot_key"), Value::String(key.clone())));
    }
    entries
}

/// The plan's id and the progress that an offset names, if it is one of ours.
#[must_use]
pub fn progress_of(offset: &FlatMap) -> Option<(Text, Progress)> {
    let text = |key| offset.get(key).and_then(Value::as_str).map(Text::from);
    let number = |key| offset.get(key).and_then(Value::as_i64).and_then(|number| u64::try_from(number).ok());
    let progress = Progress {
        table: usize::try_from(number("snapshot_table")?).ok()?,
        key: text("snapshot_key"),
        rows: number("snapshot_rows").unwrap_or(0),
    };
    Some((text("snapshot_plan")?, progress))
}

/// An offset with more in it.
#[must_use]
pub fn extended(offset: Arc<FlatMap>, entries: &[(Text, Value)]) -> Arc<FlatMap> {
    if entries.is_empty() {
        return offset;
    }
    let mut map = Arc::unwrap_or_clone(offset);
    for (key, value) in entries {
        map.set(key.clone(), value.clone());
    }
    Arc::new(map)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use api::async_trait;

    use super::*;

    #[derive(Debug, Default)]
    struct Memory(Mutex<BTreeMap<String, String>>);

    #[async_trait]
    impl History for Memory {
        async fn load(&self) -> Result<Vec<(String, String)>> {
            Ok(self.0.lock().unwrap().clone().into_iter().collect())
        }

        async fn put(&self, key: &str, value: Option<&str>) -> Result<()> {
            match value {
                Some(value) => self.0.lock().unwrap().insert(key.to_owned(), value.to_owned()),
                None => self.0.lock().unwrap().remove(key),
            };
            Ok(())
        }
    }

    fn plan(id: &'static str, tables: usize) -> Plan {
        let table = |number| PlannedTable {
            id: TableId::new("shop", format!("t{number}")),
            statement: None,
            condition: (number == 3).then(|| "x > 1".to_owned()),
            rows: 7,
        };
        Plan { id: Text::from_static(id), kind: Kind::Blocking, tables: (0..tables).map(table).collect() }
    }

    #[tokio::test]
    async fn a_plan_reads_back_and_a_shorter_one_takes_its_place() {
        let history = Memory::default();
        let long = plan("a", 1234);
        long.store(&history).await.unwrap();
        assert_eq!(Plan::load(&history, "a").await.unwrap().unwrap(), long);
        let short = plan("b", 2);
        short.store(&history).await.unwrap();
        assert_eq!(Plan::load(&history, "b").await.unwrap().unwrap(), short);
        assert_eq!(Plan::load(&history, "a").await.unwrap(), None);
        assert_eq!(history.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn progress_reads_back_out_of_an_offset() {
        let progress = Progress { table: 3, key: Some(Text::from_static("{\"id\":\"5\"}")), rows: 90 };
        let offset = extended(Arc::new(FlatMap::new()), &offset_entries(&plan("a", 5), &progress));
        assert_eq!(progress_of(&offset), Some((Text::from_static("a"), progress)));
        assert_eq!(progress_of(&FlatMap::new().with("snapshot", "INITIAL")), None, "Debezium's own");
    }
}
