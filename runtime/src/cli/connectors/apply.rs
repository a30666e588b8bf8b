//! `millrace connectors apply`: files become connectors; what is there is changed to what the files say, all of it or nothing.
//!
//! One request, so that the worker checks everything before it writes anything. A Kafka Connect worker does not know that request: there
//! each file is applied by itself. Invariant: every file is read before anything is applied, so that a mistake in the last one
//! leaves everything as it was.

use std::path::PathBuf;

use clap::Args;
use configs::connector_file::{self, ConnectorFile};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::confirm;
use super::super::exit::{Exit, chain, say};
use super::super::output;
use super::worker::{Worker, answer};

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// Properties files, or JSON: {"name", "config"}, or a flat object with a name
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Delete every other connector of the worker
    #[arg(long)]
    prune: bool,
    /// Only check, and say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before connectors are deleted, even on a terminal
    #[arg(long, short = 'y')]
    yes: bool,
}

pub(super) async fn run(worker: &Worker, arguments: &ApplyArgs, json: bool) -> Result<(), Exit> {
    let files = read(&arguments.files)?;
    if arguments.prune && !arguments.dry_run && !arguments.yes {
        let planned = ask(worker, &files, true, true).await?.ok_or_else(not_known)?;
        let doomed: Vec<_> = of_outcome(&planned, "deleted").collect();
        if !doomed.is_empty() {
            confirm::ask(&format!("delete {}?", doomed.join(", ")), false).await?;
        }
    }
    let applied = match ask(worker, &files, arguments.prune, arguments.dry_run).await? {
        Some(applied) => applied,
        None if arguments.prune || arguments.dry_run => return Err(not_known()),
        None => one_by_one(worker, &files).await?,
    };
    if json { output::json(&applied) } else { output::text(&told(&applied, arguments.dry_run)) }
}

/// One line for each connector.
fn told(applied: &Value, dry_run: bool) -> String {
    let would = if dry_run { "would be " } else { "" };
    let line = |one: &Value| {
        let word = |field: &str| one[field].as_str().unwrap_or("?").to_owned();
        match dry_run {
            true => format!("connector {} {would}{}\n", word("name"), word("outcome")),
            false => format!("{} connector {}\n", word("outcome"), word("name")),
        }
    };
    applied.as_array().into_iter().flatten().map(line).collect()
}

fn of_outcome<'a>(applied: &'a Value, outcome: &'a str) -> impl Iterator<Item = &'a str> {
    let all = applied.as_array().into_iter().flatten();
    all.filter(move |one| one["outcome"] == outcome).filter_map(|one| one["name"].as_str())
}

fn not_known() -> Exit {
    Exit::runtime(
        "this worker does not know how to apply many connectors at once (is it Kafka Connect?), so it can neither prune nor only check",
    )
}

/// Asks for all of it at once: what became of each; `None` from a worker that does not know the request.
async fn ask(
    worker: &Worker,
    files: &[ConnectorFile],
    prune: bool,
    dry_run: bool,
) -> Result<Option<Value>, Exit> {
    let wanted: Vec<_> = files
        .iter()
        .map(|file| json!({"name": file.name, "config": file.config, "initial_state": file.initial_state}))
        .collect();
    let query = format!("prune={prune}&dryRun={dry_run}");
    let (status, bytes) =
        worker.ask(Method::PUT, &["connectors"], &query, Some(&Value::from(wanted))).await?;
    match status {
        StatusCode::METHOD_NOT_ALLOWED => Ok(None),
        status => answer(status, &bytes).map(|answer| Some(answer.body)),
    }
}

/// The connectors of these files; what is odd about them is said.
pub(super) fn read(files: &[PathBuf]) -> Result<Vec<ConnectorFile>, Exit> {
    let mut connectors = Vec::new();
    for path in files {
        let file = connector_file::read(path).map_err(|error| Exit::usage(chain(&error)))?;
        file.warnings.iter().for_each(|warning| say(&format!("millrace: {warning}")));
        connectors.push(file);
    }
    Ok(connectors)
}

/// As a Kafka Connect worker takes them.
async fn one_by_one(worker: &Worker, files: &[ConnectorFile]) -> Result<Value, Exit> {
    let mut applied = Vec::new();
    for file in files {
        let created = one(worker, file)
            .await
            .map_err(|exit| Exit { message: format!("{}: {}", file.name, exit.message), ..exit })?;
        applied.push(json!({"name": file.name, "outcome": if created { "created" } else { "updated" }}));
    }
    Ok(applied.into())
}

/// Whether it was created.
async fn one(worker: &Worker, file: &ConnectorFile) -> Result<bool, Exit> {
    let config = json!(file.config);
    if let Some(state) = &file.initial_state {
        // Only creation takes a state, and only then does it mean anything.
        let names = worker.get(&["connectors"], "").await?;
        let is_there = names.as_array().into_iter().flatten().any(|name| *name == file.name.as_str());
        if !is_there {
            let body = json!({"name": file.name, "config": config, "initial_state": state});
            return Ok(worker.call(Method::POST, &["connectors"], "", Some(&body)).await?.created);
        }
    }
    Ok(worker.call(Method::PUT, &["connectors", &file.name, "config"], "", Some(&config)).await?.created)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_and_what_would_be_is_told() {
        let applied = json!([{"name": "a", "outcome": "created"}, {"name": "b", "outcome": "deleted"}]);
        assert_eq!(told(&applied, false), "created connector a\ndeleted connector b\n");
        assert_eq!(told(&applied, true), "connector a would be created\nconnector b would be deleted\n");
        assert_eq!(of_outcome(&applied, "deleted").collect::<Vec<_>>(), ["b"]);
    }
}
