//! `millrace connectors list`.

use serde_json::Value;

use super::super::exit::Exit;
use super::super::output;
use super::super::table::{Align, Table};
use super::worker::Worker;

pub(super) async fn run(worker: &Worker, json: bool) -> Result<(), Exit> {
    let connectors = worker.get(&["connectors"], "expand=status&expand=info").await?;
    if json { output::json(&connectors) } else { output::text(&table(&connectors).to_string()) }
}

fn table(connectors: &Value) -> Table {
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("TYPE", Align::Left),
        ("STATE", Align::Left),
        ("TASKS", Align::Left),
        ("CLASS", Align::Left),
    ]);
    for (name, expanded) in connectors.as_object().into_iter().flatten() {
        let word = |path: &str| expanded.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned();
        table.row([
            name.clone(),
            word("/status/type"),
            word("/status/connector/state"),
            tasks(&expanded["status"]["tasks"]),
            word("/info/config/connector.class"),
        ]);
    }
    table
}

/// `2 RUNNING, 1 FAILED`.
fn tasks(tasks: &Value) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for state in tasks.as_array().into_iter().flatten().filter_map(|task| task["state"].as_str()) {
        match counts.iter_mut().find(|(known, _)| *known == state) {
            Some((_, count)) => *count += 1,
            None => counts.push((state, 1)),
        }
    }
    let counts: Vec<_> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    if counts.is_empty() { "-".to_owned() } else { counts.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::table;

    #[test]
    fn states_of_tasks_are_counted() {
        let connectors = json!({"a": {
            "status": {"type": "source", "connector": {"state": "RUNNING"},
                "tasks": [{"state": "RUNNING"}, {"state": "FAILED"}, {"state": "RUNNING"}]},
            "info": {"config": {"connector.class": "C"}},
        }, "b": {}});
        let expected = "NAME  TYPE    STATE    TASKS                CLASS\n\
                        a     source  RUNNING  2 RUNNING, 1 FAILED  C\n\
                        b     -       -        -                    -\n";
        assert_eq!(table(&connectors).to_string(), expected);
    }
}
