//! The command line: what runs (`standalone`, `distributed`, `broker`), and what people and programs ask of a cluster (`topics`, `groups`, `produce`,
//! `consume`), of a worker (`connectors`) or of the binary (`plugins`).
//!
//! The outermost room: reads files, sets up logging and threads, and hands over. Invariants: an error ends the process with
//! an exit code of its kind and a message that names the file, line or setting and what to do; standard output stays free for
//! what was asked for, logs go to standard error.

mod broker;
mod confirm;
mod connection;
mod connectors;
mod consume;
mod distributed;
mod exit;
mod files;
mod groups;
mod moment;
mod output;
mod plugins;
mod produce;
mod standalone;
mod table;
mod topics;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use api::Registry;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::logging::{self, LogFormat};
use exit::complain;
pub(crate) use exit::{Exit, chain};

/// How long threads that a plugin has blocked may keep the process alive.
const THREADS_GRACE: Duration = Duration::from_millis(500);

/// Threads for what blocks: files, and calls into connectors that are checked (of which some may hang). Each has a heap.
const BLOCKING_THREADS_MAX: usize = 64;

/// Kafka Connect without the JVM: one binary runs connectors and brings its own Kafka-protocol broker.
#[derive(Debug, Parser)]
#[command(name = "millrace", version, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    /// How log lines look. What is logged is said by the environment variable RUST_LOG (info by default), and over REST at
    /// /admin/loggers.
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    log_format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one worker, with a broker of its own unless bootstrap.servers is set. Without files: REST on 127.0.0.1:8083, the broker
    /// on 127.0.0.1:9092, data under ./millrace-data
    Standalone(StandaloneArgs),
    /// Run one of several workers that share the work of a group; the brokers that they meet at are said by bootstrap.servers
    Distributed(DistributedArgs),
    /// Run the broker alone
    Broker(BrokerArgs),
    /// List, create, describe, alter, delete and follow topics of any Kafka-protocol cluster
    Topics(topics::TopicsArgs),
    /// List, describe, reset and delete consumer groups
    Groups(groups::GroupsArgs),
    /// Write lines of standard input to a topic
    Produce(produce::ProduceArgs),
    /// Print the records of topics
    Consume(Box<consume::ConsumeArgs>),
    /// List, apply, delete, pause, restart and inspect the connectors of a worker, over REST
    Connectors(connectors::ConnectorsArgs),
    /// List every connector, transform, predicate and converter with its options
    Plugins(PluginsArgs),
}

#[derive(Debug, Args)]
struct StandaloneArgs {
    /// The worker's settings, as for connect-standalone; settings of the broker inside have the prefix "broker.". A file that ends
    /// in .json is taken for a connector
    worker: Option<PathBuf>,
    /// Connectors to create or update: .properties files, or JSON (a flat object with a "name", or {"name", "config"})
    connectors: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct DistributedArgs {
    /// The worker's settings, as for connect-distributed
    worker: PathBuf,
}

#[derive(Debug, Args)]
struct BrokerArgs {
    /// The broker's settings, as for Kafka's server.properties
    broker: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PluginsArgs {
    /// Show only this plugin, with the documentation of its options: a class, its simple name or an alias
    plugin: Option<String>,
}

/// Runs the program with these plugins.
#[must_use]
pub fn main(registry: Registry) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match run(cli, registry) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            complain(&exit.message);
            ExitCode::from(exit.code)
        }
    }
}

/// Help and version are answers; anything else is a mistake, for which Connect has code 1 and everything else code 2.
fn usage(error: &clap::Error) -> ExitCode {
    if let Err(failed) = error.print() {
        complain(&format!("cannot print: {failed}"));
    }
    let runs_connectors =
        std::env::args().any(|argument| argument == "standalone" || argument == "distributed");
    match (error.use_stderr(), runs_connectors) {
        (false, _) => ExitCode::SUCCESS,
        (true, true) => ExitCode::FAILURE,
        (true, false) => ExitCode::from(2),
    }
}

impl Command {
    /// What is logged unless RUST_LOG says otherwise: commands that answer and end have nothing to tell but troubles.
    fn log_levels(&self) -> &'static str {
        match self {
            Self::Standalone(_) | Self::Distributed(_) | Self::Broker(_) | Self::Plugins(_) => "info",
            Self::Topics(_) | Self::Groups(_) | Self::Produce(_) | Self::Consume(_) | Self::Connectors(_) => {
                "warn"
            }
        }
    }
}

fn run(cli: Cli, registry: Registry) -> Result<(), Exit> {
    if let Command::Plugins(arguments) = &cli.command {
        return plugins::print(&registry, arguments.plugin.as_deref());
    }
    let format = match cli.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    let directives = std::env::var("RUST_LOG").ok().filter(|directives| !directives.trim().is_empty());
    let levels = logging::init(Some(directives.as_deref().unwrap_or(cli.command.log_levels())), format)
        .map_err(Exit::start)?;
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("another provider of cryptography was installed before");
    }
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("millrace")
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build();
    let threads = threads.map_err(|error| Exit::start(format!("cannot start threads: {error}")))?;
    let outcome = threads.block_on(async {
        match cli.command {
            Command::Standalone(arguments) => {
                standalone::run(registry, levels, arguments.worker, arguments.connectors).await
            }
            Command::Distributed(arguments) => distributed::run(registry, levels, arguments.worker).await,
            Command::Broker(arguments) => broker::run(arguments.broker).await,
            Command::Topics(arguments) => topics::run(arguments).await,
            Command::Groups(arguments) => groups::run(arguments).await,
            Command::Produce(arguments) => produce::run(arguments).await,
            Command::Consume(arguments) => consume::run(*arguments).await,
            Command::Connectors(arguments) => connectors::run(arguments).await,
            Command::Plugins(_) => Ok(()),
        }
    });
    threads.shutdown_timeout(THREADS_GRACE);
    outcome
}

/// Waits until the process is asked to stop: by Ctrl-C or SIGTERM. Asked again, the process ends at once.
pub(crate) async fn asked_to_stop() -> Result<(), Exit> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen =
        |kind| signal(kind).map_err(|error| Exit::start(format!("cannot listen for signals: {error}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping; a second signal ends the process at once");
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn an_alteration_changes_something() {
        let parses = |more: &[&str]| {
            Cli::try_parse_from([&["millrace", "topics", "alter", "t"], more].concat()).is_ok()
        };
        assert!(!parses(&[]));
        assert!(parses(&["-p", "3"]) && parses(&["-c", "a=b", "--delete-config", "c"]));
    }

    #[test]
    fn files_are_the_worker_and_then_connectors() {
        let cli = Cli::try_parse_from(["millrace", "standalone", "w.properties", "a.json", "b.properties"])
            .unwrap();
        let Command::Standalone(arguments) = cli.command else { panic!("another command") };
        assert_eq!(
            (arguments.worker.unwrap().to_str(), arguments.connectors.len()),
            (Some("w.properties"), 2)
        );
        assert!(Cli::try_parse_from(["millrace"]).is_err());
        assert!(Cli::try_parse_from(["millrace", "distributed"]).is_err());
    }
}
