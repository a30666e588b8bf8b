//! `millrace connectors signal`: asks a running connector for something, such as a snapshot of some tables.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::exit::Exit;
use super::super::output;
use super::worker::Worker;

/// What may be said.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    millrace connectors signal shop execute-snapshot '{\"data-collections\": [\"shop.orders\"], \"type\": \"incremental\"}'\n  \
    millrace connectors signal shop pause-snapshot")]
pub(super) struct SignalArgs {
    /// The connector
    name: String,
    /// What is asked for: execute-snapshot, stop-snapshot, pause-snapshot, resume-snapshot, log, set-binlog-position
    #[arg(value_name = "TYPE")]
    kind: String,
    /// With what: a JSON object
    #[arg(default_value = "{}")]
    data: String,
    /// A name for the signal, which notifications repeat; a random one by default
    #[arg(long)]
    id: Option<String>,
}

pub(super) async fn run(worker: &Worker, arguments: &SignalArgs, json: bool) -> Result<(), Exit> {
    let data: Value = serde_json::from_str(&arguments.data)
        .map_err(|error| Exit::usage(format!("the data {} is no JSON: {error}", arguments.data)))?;
    let body = json!({ "id": arguments.id, "type": arguments.kind, "data": data });
    let path = ["connectors", &arguments.name, "signals"];
    let answer = worker.call(Method::POST, &path, "", Some(&body)).await?.body;
    match answer["id"].as_str() {
        Some(id) if !json => output::text(&format!("sent signal {id}\n")),
        _ => output::json(&answer),
    }
}
