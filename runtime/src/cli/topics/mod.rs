//! `millrace topics`: the topics of a cluster.
//!
//! One file a command; here only what may be said.

mod alter;
mod create;
mod delete;
mod describe;
mod list;
mod pretty;
mod tail;

use clap::{Args, Subcommand};

use super::connection::ConnectionArgs;
use super::exit::Exit;

/// `millrace topics`.
#[derive(Debug, Args)]
pub(super) struct TopicsArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Answer with JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(Debug, Subcommand)]
enum TopicsCommand {
    /// List topics
    List(list::ListArgs),
    /// Create topics
    Create(create::CreateArgs),
    /// Tell everything about topics: partitions, leaders, offsets, sizes, settings that differ from the default
    Describe(describe::DescribeArgs),
    /// Change the settings of a topic, or give it more partitions
    Alter(alter::AlterArgs),
    /// Delete topics with all their records
    Delete(delete::DeleteArgs),
    /// Show the newest records of a topic in a form for people, and then what comes
    Tail(tail::TailArgs),
}

/// Runs the command.
pub(super) async fn run(arguments: TopicsArgs) -> Result<(), Exit> {
    let connected = arguments.connection.connect().await?;
    let (client, json) = (&connected.client, arguments.json);
    match arguments.command {
        TopicsCommand::List(list) => list::run(client, &list, json).await,
        TopicsCommand::Create(create) => create::run(client, &create, json).await,
        TopicsCommand::Describe(describe) => describe::run(client, &describe, json).await,
        TopicsCommand::Alter(alter) => alter::run(client, &alter, json).await,
        TopicsCommand::Delete(delete) => delete::run(client, &delete, json).await,
        TopicsCommand::Tail(tail) => tail::run(&connected, &tail, json).await,
    }
}

/// `name=value` of a flag.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err(format!("\"{text}\" is no name=value; say for example cleanup.policy=compact")),
    }
}

#[cfg(test)]
mod tests {
    use super::setting;

    #[test]
    fn a_setting_has_a_name_and_may_hold_signs() {
        assert_eq!(setting("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(setting("a="), Ok(("a".into(), String::new())));
        assert!(setting("a").is_err() && setting("=b").is_err());
    }
}
