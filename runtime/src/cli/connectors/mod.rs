//! `millrace connectors`: the connectors of a worker, over its REST interface; of any Kafka Connect worker as well.
//!
//! One file a command; here only what may be said. Exit codes: see [`EXIT_CODES`].

mod access;
mod apply;
mod get;
mod lifecycle;
mod list;
mod logs;
mod offsets;
mod signal;
mod status;
mod validate;
mod worker;

use std::time::Duration;

use clap::{Args, Subcommand};

use super::connection::duration;
use super::exit::Exit;
use access::AccessArgs;
use worker::Worker;

/// How a command ends, for `--help`.
const EXIT_CODES: &str = "Exit codes:\n  0  done\n  1  the worker refused or failed, or what was asked about has failed \
    (status --check)\n  2  what was said is wrong: an argument, a file, a configuration\n  3  no worker answers at --url";

/// `millrace connectors`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct ConnectorsArgs {
    /// The worker's REST interface; user and password may stand in it
    #[arg(
        long,
        short = 'u',
        value_name = "URL",
        env = "MILLRACE_URL",
        hide_env_values = true,
        default_value = "http://localhost:8083",
        global = true
    )]
    url: String,
    #[command(flatten)]
    access: AccessArgs,
    /// How long the worker may take for an answer: 500ms, 30s, 2m, or seconds
    #[arg(long, value_name = "DURATION", default_value = "90s", value_parser = duration, global = true)]
    timeout: Duration,
    /// Answer with JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: ConnectorsCommand,
}

#[derive(Debug, Subcommand)]
enum ConnectorsCommand {
    /// List connectors with their states
    List,
    /// Print the configuration of a connector, as a file that apply takes
    Get(get::GetArgs),
    /// Create connectors, or change those that are there: all of them or none
    Apply(apply::ApplyArgs),
    /// Delete connectors
    Delete(lifecycle::DeleteArgs),
    /// Pause connectors: their tasks wait
    Pause(lifecycle::NamesArgs),
    /// Let paused or stopped connectors go on
    Resume(lifecycle::NamesArgs),
    /// Stop connectors: their tasks end, their offsets stay
    Stop(lifecycle::NamesArgs),
    /// Restart connectors
    Restart(lifecycle::RestartArgs),
    /// Tell how connectors and their tasks are, and why they failed
    Status(status::StatusArgs),
    /// Show how far a connector got, or change that while it is stopped
    Offsets(offsets::OffsetsArgs),
    /// Ask a running connector for something, such as a snapshot of some tables
    Signal(signal::SignalArgs),
    /// Print what the worker logged about a connector
    Logs(logs::LogsArgs),
    /// Check configurations without using them; all mistakes at once
    Validate(validate::ValidateArgs),
}

/// Runs the command.
pub(super) async fn run(arguments: ConnectorsArgs) -> Result<(), Exit> {
    let worker = Worker::new(&arguments.url, arguments.timeout, &arguments.access)?;
    let (worker, json) = (&worker, arguments.json);
    match arguments.command {
        ConnectorsCommand::List => list::run(worker, json).await,
        ConnectorsCommand::Get(get) => get::run(worker, &get, json).await,
        ConnectorsCommand::Apply(apply) => apply::run(worker, &apply, json).await,
        ConnectorsCommand::Delete(delete) => lifecycle::delete(worker, &delete, json).await,
        ConnectorsCommand::Pause(names) => lifecycle::PAUSE.run(worker, &names, json).await,
        ConnectorsCommand::Resume(names) => lifecycle::RESUME.run(worker, &names, json).await,
        ConnectorsCommand::Stop(names) => lifecycle::STOP.run(worker, &names, json).await,
        ConnectorsCommand::Restart(restart) => lifecycle::restart(worker, &restart, json).await,
        ConnectorsCommand::Status(status) => status::run(worker, &status, json).await,
        ConnectorsCommand::Offsets(offsets) => offsets::run(worker, &offsets, json).await,
        ConnectorsCommand::Signal(signal) => signal::run(worker, &signal, json).await,
        ConnectorsCommand::Logs(logs) => logs::run(worker, &logs, json).await,
        ConnectorsCommand::Validate(validate) => validate::run(worker, &validate, json).await,
    }
}
