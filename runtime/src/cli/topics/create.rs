//! `millrace topics create`.

use broker_client::{Client, NewTopic, TopicOutcome, TopicResult};
use clap::Args;
use serde_json::{Value, json};

use super::super::exit::{Exit, chain};
use super::super::output;
use super::setting;

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The topics
    #[arg(required = true)]
    names: Vec<String>,
    /// How many partitions [default: the broker's num.partitions]
    #[arg(long, short = 'p', value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// How many replicas [default: the broker's default.replication.factor]
    #[arg(long, short = 'r', value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// A setting of the topic; may be said several times
    #[arg(long = "config", short = 'c', value_name = "NAME=VALUE", value_parser = setting)]
    configs: Vec<(String, String)>,
    /// A topic that is there already is fine, whatever its partitions and settings
    #[arg(long)]
    if_not_exists: bool,
}

pub(super) async fn run(client: &Client, arguments: &CreateArgs, json: bool) -> Result<(), Exit> {
    let topics: Vec<_> = arguments.names.iter().map(|name| new_topic(name, arguments)).collect();
    let outcomes = client.create_topics(&topics).await?;
    let failure = failure(&outcomes, arguments.if_not_exists);
    if json {
        output::json(&outcomes.iter().map(as_json).collect())?;
    } else {
        output::text(
            &outcomes.iter().filter_map(|outcome| line(outcome, arguments.if_not_exists)).collect::<String>(),
        )?;
    }
    failure.map_or(Ok(()), Err)
}

fn new_topic(name: &str, arguments: &CreateArgs) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        partitions: arguments.partitions.unwrap_or(-1),
        replication_factor: arguments.replication_factor.unwrap_or(-1),
        configs: arguments.configs.clone(),
    }
}

fn line(outcome: &TopicOutcome, if_not_exists: bool) -> Option<String> {
    match &outcome.result {
        TopicResult::Done => Some(format!("created topic {}\n", outcome.name)),
        TopicResult::AlreadyExists if if_not_exists => {
            Some(format!("topic {} is there already\n", outcome.name))
        }
        TopicResult::AlreadyExists | TopicResult::Unknown | TopicResult::Failed(_) => None,
    }
}

fn as_json(outcome: &TopicOutcome) -> Value {
    let (created, error) = match &outcome.result {
        TopicResult::Done => (true, None),
        TopicResult::AlreadyExists => (false, None),
        TopicResult::Unknown => (false, Some("the broker does not know it".to_owned())),
        TopicResult::Failed(error) => (false, Some(chain(error))),
    };
    json!({"name": outcome.name, "created": created, "error": error})
}

/// All that went wrong, a line each.
fn failure(outcomes: &[TopicOutcome], if_not_exists: bool) -> Option<Exit> {
    let wrong = outcomes.iter().filter_map(|outcome| match &outcome.result {
        TopicResult::Done => None,
        TopicResult::AlreadyExists if if_not_exists => None,
        TopicResult::AlreadyExists => {
            Some(format!("topic {} is there already; --if-not-exists takes that for success", outcome.name))
        }
        TopicResult::Unknown => Some(format!("the broker does not know topic {}", outcome.name)),
        TopicResult::Failed(error) => Some(chain(error)),
    });
    let wrong: Vec<_> = wrong.collect();
    (!wrong.is_empty()).then(|| Exit::runtime(wrong.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_is_there_fails_unless_that_was_foreseen() {
        let outcome = |result| TopicOutcome { name: "t".to_owned(), result };
        let there = [outcome(TopicResult::Done), outcome(TopicResult::AlreadyExists)];
        assert!(failure(&there, true).is_none());
        assert!(failure(&there, false).unwrap().message.contains("--if-not-exists"));
        let error = broker_client::Error::Closed { what: "x" };
        assert_eq!(failure(&[outcome(TopicResult::Failed(error))], true).unwrap().code, 1);
    }
}
