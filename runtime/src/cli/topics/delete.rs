//! `millrace topics delete`.

use broker_client::{Client, TopicOutcome, TopicResult};
use clap::Args;
use serde_json::{Value, json};

use super::super::confirm;
use super::super::exit::{Exit, chain};
use super::super::output;

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The topics
    #[arg(required = true)]
    names: Vec<String>,
    /// Do not ask, even on a terminal
    #[arg(long, short = 'y')]
    yes: bool,
    /// A topic that is not there is fine
    #[arg(long)]
    if_exists: bool,
}

pub(super) async fn run(client: &Client, arguments: &DeleteArgs, json: bool) -> Result<(), Exit> {
    let names: Vec<&str> = arguments.names.iter().map(String::as_str).collect();
    confirm::ask(&format!("delete {} with all records?", names.join(", ")), arguments.yes).await?;
    let outcomes = client.delete_topics(&names).await?;
    if json {
        output::json(&outcomes.iter().map(as_json).collect())?;
    } else {
        let done = outcomes.iter().filter(|outcome| matches!(outcome.result, TopicResult::Done));
        output::text(&done.map(|outcome| format!("deleted topic {}\n", outcome.name)).collect::<String>())?;
    }
    failure(&outcomes, arguments.if_exists).map_or(Ok(()), Err)
}

fn as_json(outcome: &TopicOutcome) -> Value {
    let (deleted, error) = match &outcome.result {
        TopicResult::Done => (true, None),
        TopicResult::Unknown => (false, None),
        TopicResult::AlreadyExists => (false, Some("the broker answered something else".to_owned())),
        TopicResult::Failed(error) => (false, Some(chain(error))),
    };
    json!({"name": outcome.name, "deleted": deleted, "error": error})
}

/// All that went wrong, a line each.
fn failure(outcomes: &[TopicOutcome], if_exists: bool) -> Option<Exit> {
    let wrong = outcomes.iter().filter_map(|outcome| match &outcome.result {
        TopicResult::Done => None,
        TopicResult::Unknown if if_exists => None,
        TopicResult::Unknown | TopicResult::AlreadyExists => {
            Some(format!("topic {} does not exist; `millrace topics list` lists all", outcome.name))
        }
        TopicResult::Failed(error) => Some(chain(error)),
    });
    let wrong: Vec<_> = wrong.collect();
    (!wrong.is_empty()).then(|| Exit::runtime(wrong.join("\n")))
}
