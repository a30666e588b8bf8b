//! `millrace groups delete`.

use broker_client::{Client, ErrorCode};
use clap::Args;
use serde_json::{Value, json};

use super::super::confirm;
use super::super::exit::{Exit, chain};
use super::super::output;

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The groups
    #[arg(required = true)]
    groups: Vec<String>,
    /// Do not ask, even on a terminal
    #[arg(long, short = 'y')]
    yes: bool,
}

/// A group, and why it is still there if it is.
type Outcome = (String, Option<String>);

pub(super) async fn run(client: &Client, arguments: &DeleteArgs, json: bool) -> Result<(), Exit> {
    let question = format!("delete {} with all offsets?", arguments.groups.join(", "));
    confirm::ask(&question, arguments.yes).await?;
    let mut outcomes: Vec<Outcome> = Vec::new();
    for group in &arguments.groups {
        let failed = client.delete_group(group).await.err();
        outcomes.push((group.clone(), failed.map(|error| told(group, &error))));
    }
    if json {
        output::json(&outcomes.iter().map(as_json).collect())?;
    } else {
        let done = outcomes.iter().filter(|(_, error)| error.is_none());
        output::text(&done.map(|(group, _)| format!("deleted group {group}\n")).collect::<String>())?;
    }
    let wrong: Vec<_> = outcomes.into_iter().filter_map(|(_, error)| error).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Exit::runtime(wrong.join("\n"))) }
}

fn as_json((group, error): &Outcome) -> Value {
    json!({"group": group, "deleted": error.is_none(), "error": error})
}

/// What the broker said, with what to do.
fn told(group: &str, error: &broker_client::Error) -> String {
    match error.code() {
        Some(ErrorCode::NON_EMPTY_GROUP) => format!("group {group} has members; stop its consumers first"),
        Some(ErrorCode::GROUP_ID_NOT_FOUND) => {
            format!("group {group} does not exist; `millrace groups list` lists all")
        }
        _ => chain(error),
    }
}
