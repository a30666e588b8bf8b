//! `millrace connectors status`.

use clap::Args;
use serde_json::Value;

use super::super::exit::Exit;
use super::super::output;
use super::super::table::{Align, Table};
use super::worker::Worker;

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The connectors; all, if none is named
    names: Vec<String>,
    /// Fail if any connector or task has failed
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(worker: &Worker, arguments: &StatusArgs, json: bool) -> Result<(), Exit> {
    let mut statuses = Vec::new();
    if arguments.names.is_empty() {
        let all = worker.get(&["connectors"], "expand=status").await?;
        statuses
            .extend(all.as_object().into_iter().flatten().map(|(_, expanded)| expanded["status"].clone()));
    }
    for name in &arguments.names {
        statuses.push(worker.get(&["connectors", name, "status"], "").await?);
    }
    let failed = statuses.iter().flat_map(parts).filter(|(_, part)| part["state"] == "FAILED").count();
    if json {
        output::json(&Value::from(statuses))?;
    } else {
        output::text(&text(&statuses))?;
    }
    if arguments.check && failed > 0 {
        return Err(Exit::runtime(format!("{failed} connectors and tasks have failed")));
    }
    Ok(())
}

/// The connector and its tasks, with what to call them.
fn parts(status: &Value) -> Vec<(String, &Value)> {
    let name = status["name"].as_str().unwrap_or_default();
    let tasks = status["tasks"].as_array().into_iter().flatten();
    let mut parts = vec![(name.to_owned(), &status["connector"])];
    parts.extend(tasks.map(|task| (format!("{name}-{}", task["id"]), task)));
    parts
}

/// A table of states, and below it why something failed.
fn text(statuses: &[Value]) -> String {
    let mut table = Table::new(&[("NAME", Align::Left), ("STATE", Align::Left), ("WORKER", Align::Left)]);
    let mut reasons = String::new();
    for (name, part) in statuses.iter().flat_map(parts) {
        let word = |field: &str| part[field].as_str().unwrap_or("-").to_owned();
        if let Some(trace) = part["trace"].as_str() {
            reasons += &format!("\n{name}: {}\n", trace.trim_end());
        }
        table.row([name, word("state"), word("worker_id")]);
    }
    format!("{table}{reasons}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn why_something_failed_stands_below() {
        let status = json!({
            "name": "c", "connector": {"state": "RUNNING", "worker_id": "w:1"},
            "tasks": [{"id": 0, "state": "FAILED", "worker_id": "w:1", "trace": "broken\nbecause\n"}],
        });
        let expected =
            "NAME  STATE    WORKER\nc     RUNNING  w:1\nc-0   FAILED   w:1\n\nc-0: broken\nbecause\n";
        assert_eq!(text(&[status]), expected);
    }
}
