//! `millrace connectors apply`: files become connectors; what is there is changed to what the file says.
//!
//! Invariant: every file is read before the first is applied, so that a mistake in the last one leaves everything as it was.

use std::path::PathBuf;

use clap::Args;
use configs::connector_file::{self, ConnectorFile};
use reqwest::Method;
use serde_json::{Value, json};

use super::super::exit::{Exit, chain, say};
use super::super::output;
use super::worker::{Answer, Worker};

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// Properties files, or JSON: {"name", "config"}, or a flat object with a name
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) async fn run(worker: &Worker, arguments: &ApplyArgs, json: bool) -> Result<(), Exit> {
    let mut done = Vec::new();
    for file in read(&arguments.files)? {
        let applied = apply(worker, &file).await;
        let answer =
            applied.map_err(|exit| Exit { message: format!("{}: {}", file.name, exit.message), ..exit })?;
        if json {
            done.push(json!({"name": file.name, "created": answer.created}));
        } else {
            let verb = if answer.created { "created" } else { "updated" };
            output::text(&format!("{verb} connector {}\n", file.name))?;
        }
    }
    if json { output::json(&Value::from(done)) } else { Ok(()) }
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

async fn apply(worker: &Worker, file: &ConnectorFile) -> Result<Answer, Exit> {
    let config = json!(file.config);
    if let Some(state) = &file.initial_state {
        // Only creation takes a state, and only then does it mean anything.
        let names = worker.get(&["connectors"], "").await?;
        let is_there = names.as_array().into_iter().flatten().any(|name| *name == file.name.as_str());
        if !is_there {
            let body = json!({"name": file.name, "config": config, "initial_state": state});
            return worker.call(Method::POST, &["connectors"], "", Some(&body)).await;
        }
    }
    worker.call(Method::PUT, &["connectors", &file.name, "config"], "", Some(&config)).await
}
