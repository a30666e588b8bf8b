//! `millrace groups`: consumer groups and how far they have read.
//!
//! One file a command; here only what may be said.

mod delete;
mod describe;
mod list;
mod reset;
mod reset_offsets;

use clap::{Args, Subcommand};

use super::connection::ConnectionArgs;
use super::exit::Exit;

/// `millrace groups`.
#[derive(Debug, Args)]
pub(super) struct GroupsArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Answer with JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: GroupsCommand,
}

#[derive(Debug, Subcommand)]
enum GroupsCommand {
    /// List groups
    List,
    /// Tell how far groups have read, how far they are behind, and who reads what
    Describe(describe::DescribeArgs),
    /// Show where a group would start after a reset; with --execute, reset it
    ResetOffsets(reset_offsets::ResetOffsetsArgs),
    /// Delete groups with their offsets
    Delete(delete::DeleteArgs),
}

/// Runs the command.
pub(super) async fn run(arguments: GroupsArgs) -> Result<(), Exit> {
    let client = arguments.connection.connect().await?.client;
    let json = arguments.json;
    match arguments.command {
        GroupsCommand::List => list::run(&client, json).await,
        GroupsCommand::Describe(describe) => describe::run(&client, &describe, json).await,
        GroupsCommand::ResetOffsets(reset) => reset_offsets::run(&client, &reset, json).await,
        GroupsCommand::Delete(delete) => delete::run(&client, &delete, json).await,
    }
}
