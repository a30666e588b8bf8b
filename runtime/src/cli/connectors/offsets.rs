//! `millrace connectors offsets`: how far a connector got, in its own words (KIP-875).

use std::path::{Path, PathBuf};

use clap::Args;
use configs::properties;
use reqwest::Method;
use serde_json::Value;

use super::super::confirm;
use super::super::exit::{Exit, chain};
use super::super::output;
use super::super::table::{Align, Table};
use super::worker::Worker;

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct OffsetsArgs {
    /// The connector
    name: String,
    /// Set the offsets that this JSON file has, {"offsets": [{"partition": {..}, "offset": {..}}]}; the connector must be stopped
    #[arg(long, value_name = "FILE", conflicts_with = "reset")]
    alter: Option<PathBuf>,
    /// Forget all offsets, so that the connector begins anew; it must be stopped
    #[arg(long)]
    reset: bool,
    /// Do not ask, even on a terminal
    #[arg(long, short = 'y')]
    yes: bool,
}

pub(super) async fn run(worker: &Worker, arguments: &OffsetsArgs, json: bool) -> Result<(), Exit> {
    let name = &arguments.name;
    let path = ["connectors", name, "offsets"];
    let answer = if arguments.reset {
        confirm::ask(&format!("forget all offsets of {name}?"), arguments.yes).await?;
        worker.call(Method::DELETE, &path, "", None).await?.body
    } else if let Some(file) = &arguments.alter {
        let body = read(file)?;
        worker.call(Method::PATCH, &path, "", Some(&body)).await?.body
    } else {
        worker.get(&path, "").await?
    };
    match answer["message"].as_str() {
        _ if json => output::json(&answer),
        Some(message) => output::text(&format!("{message}\n")),
        None => output::text(&table(&answer).to_string()),
    }
}

fn read(file: &Path) -> Result<Value, Exit> {
    let text = properties::read_text(file).map_err(|error| Exit::usage(chain(&error)))?;
    let malformed = |error| Exit::usage(format!("{}: is no JSON: {error}", file.display()));
    serde_json::from_str(&text).map_err(malformed)
}

fn table(answer: &Value) -> Table {
    let mut table = Table::new(&[("PARTITION", Align::Left), ("OFFSET", Align::Left)]);
    for entry in answer["offsets"].as_array().into_iter().flatten() {
        table.row([entry["partition"].to_string(), entry["offset"].to_string()]);
    }
    table
}
