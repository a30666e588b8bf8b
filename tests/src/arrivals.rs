//! Did every committed change arrive, in order per key? Holds change events against the shop's journal.
//!
//! Invariant of the check: per row, the versions that arrived for the first time must be exactly the journal's, in its
//! order. A repeat (a version that is not new) is counted, and is no error by itself: a source or sink that starts again
//! may repeat, never skip and never swap.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shop::{Change, RowKey};

/// What the check found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Changes of the journal that arrived.
    pub arrived: usize,
    /// Events for changes that had arrived before.
    pub repeated: usize,
    /// Changes of the journal that did not arrive.
    pub missing: Vec<Change>,
    /// Changes that arrived before an earlier one of the same row, or that nobody made.
    pub misplaced: Vec<String>,
}

impl Report {
    /// Whether everything arrived in order.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.misplaced.is_empty()
    }
}

/// The row and the version that a Debezium change event (without schema) speaks of.
///
/// # Errors
/// When it is none.
pub fn version_of(event: &Value) -> Result<(RowKey, i64)> {
    let operation = event["op"].as_str().with_context(|| format!("no op in {event}"))?;
    let row = if operation == "d" { &event["before"] } else { &event["after"] };
    let table = event["source"]["table"].as_str().with_context(|| format!("no source.table in {event}"))?;
    let id = row["id"].as_i64().with_context(|| format!("no id in {event}"))?;
    let version = row["version"].as_i64().with_context(|| format!("no version in {event}"))?;
    let key = RowKey { table: table.to_owned(), id };
    match operation {
        "r" | "c" | "u" => Ok((key, version)),
        "d" => Ok((key, version + 1)),
        other => bail!("unknown op {other} in {event}"),
    }
}

/// Holds what arrived, in the order in which it did, against the journal.
///
/// # Errors
/// When something arrived that is no change event.
pub fn check(journal: &[Change], events: &[Value]) -> Result<Report> {
    let mut report = Report::default();
    let mut seen: BTreeMap<RowKey, i64> = BTreeMap::new();
    for event in events {
        let (key, version) = version_of(event)?;
        let last = seen.entry(key.clone()).or_insert(0);
        match version - *last {
            ..=0 => report.repeated += 1,
            1 => *last = version,
            _ => {
                report.misplaced.push(format!("{} {}: version {version} after {last}", key.table, key.id));
                *last = version;
            }
        }
    }
    let reached = |change: &&Change| seen.get(&change.key).is_some_and(|version| *version >= change.version);
    report.arrived = journal.iter().filter(reached).count();
    report.missing = journal.iter().filter(|change| !reached(change)).cloned().collect();
    report.misplaced.extend(unheard_of(journal, &seen));
    Ok(report)
}

/// Rows whose arrived version is beyond anything in the journal.
fn unheard_of(journal: &[Change], seen: &BTreeMap<RowKey, i64>) -> Vec<String> {
    let mut last: BTreeMap<&RowKey, i64> = BTreeMap::new();
    for change in journal {
        last.insert(&change.key, change.version);
    }
    let beyond = seen.iter().filter(|(key, version)| last.get(key).copied().unwrap_or(0) < **version);
    beyond
        .map(|(key, version)| format!("{} {}: version {version} was never committed", key.table, key.id))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::Operation;
    use serde_json::json;

    fn event(op: &str, id: i64, version: i64) -> Value {
        let row = json!({"id": id, "version": version});
        let (before, after) = if op == "d" { (row, Value::Null) } else { (Value::Null, row) };
        json!({"op": op, "before": before, "after": after, "source": {"table": "orders"}})
    }

    fn journal(versions: &[i64]) -> Vec<Change> {
        let key = RowKey { table: "orders".to_owned(), id: 1 };
        let change =
            |version: &i64| Change { key: key.clone(), operation: Operation::Update, version: *version };
        versions.iter().map(change).collect()
    }

    #[test]
    fn complete_and_repeated_is_complete() {
        let events = [event("c", 1, 1), event("u", 1, 2), event("u", 1, 2), event("d", 1, 2)];
        let report = check(&journal(&[1, 2, 3]), &events).unwrap();
        assert!(report.is_complete(), "{report:?}");
        assert_eq!((report.arrived, report.repeated), (3, 1));
    }

    #[test]
    fn a_gap_a_swap_a_loss_and_an_invention_are_told() {
        assert!(!check(&journal(&[1, 2, 3]), &[event("c", 1, 1), event("u", 1, 3)]).unwrap().is_complete());
        assert!(!check(&journal(&[1, 2]), &[event("u", 1, 2), event("c", 1, 1)]).unwrap().is_complete());
        assert_eq!(check(&journal(&[1, 2]), &[event("c", 1, 1)]).unwrap().missing.len(), 1);
        assert!(!check(&journal(&[1]), &[event("c", 1, 1), event("u", 1, 2)]).unwrap().is_complete());
    }
}
