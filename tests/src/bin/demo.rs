//! The demonstration: a shop in MySQL keeps changing, and every change arrives in a file and at an HTTP endpoint, through
//! Millrace's own broker, set up over REST.
//!
//! It runs until Ctrl-C, or for `--seconds`. Then it stops changing rows, waits for the stragglers, and holds both far ends
//! against the journal of committed changes: the exit code is 0 only if none is missing and the order per row held.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a demonstration talks")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use harness::arrivals::{self, Report};
use harness::database::{Database, Kind};
use harness::millrace::Millrace;
use harness::pipeline;
use harness::receiver::Receiver;
use harness::shop::Shop;
use harness::wait;

/// How long the last changes may take to arrive.
const STRAGGLERS: Duration = Duration::from_secs(30);
/// How often the counts are shown.
const SHOW_EVERY: Duration = Duration::from_secs(2);

/// Shows MySQL changes arriving in a file and at an HTTP endpoint.
#[derive(Debug, Parser)]
struct Options {
    /// How long to go on; 0 until Ctrl-C.
    #[arg(long, default_value_t = 0)]
    seconds: u64,
}

/// Everything that runs.
struct Demo {
    database: Database,
    shop: Shop,
    receiver: Receiver,
    millrace: Millrace,
    file: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<bool> {
    let folder = tempfile::Builder::new().prefix("millrace-demo-").tempdir()?;
    let mut demo = Demo::start(folder.path()).await?;
    let end = (options.seconds > 0).then(|| Instant::now() + Duration::from_secs(options.seconds));
    demo.keep_changing(end).await?;
    let complete = demo.finish().await?;
    demo.millrace.process()?.terminate().await?;
    Ok(complete)
}

impl Demo {
    async fn start(folder: &Path) -> Result<Self> {
        let kind = Kind::available()?;
        println!("Starting a private {kind} server and loading a small shop ...");
        let database = Database::start(kind).await?;
        let shop = Shop::open(&database, 42).await?;
        let receiver = Receiver::start().await?;
        let mut millrace = Millrace::prepare(folder, &[])?;
        let took = millrace.start().await?;
        println!(
            "millrace standalone answered after {took:.0?}: REST {}, broker {}",
            millrace.url(),
            millrace.bootstrap_servers()
        );
        let file = folder.join("changes.jsonl");
        let demo = Self { database, shop, receiver, millrace, file };
        demo.submit().await?;
        Ok(demo)
    }

    /// Submits the three connectors over REST, and waits for the snapshot.
    async fn submit(&self) -> Result<()> {
        let source = pipeline::mysql_source(&self.database, "shop");
        let connectors = [
            ("shop", source),
            ("changes-file", pipeline::file_sink(&self.file)),
            ("changes-http", pipeline::http_sink(&self.receiver.url())),
        ];
        for (name, config) in connectors {
            println!("\nPOST /connectors {name}\n{config:#}");
            self.millrace.create(name, config).await?;
        }
        self.arrived().await.map(|(file, http)| {
            println!(
                "\nThe snapshot has arrived: {} rows in the file, {} at the endpoint.\n",
                file.arrived, http.arrived
            );
        })
    }

    async fn keep_changing(&mut self, end: Option<Instant>) -> Result<()> {
        println!("Changing rows{} ...", if end.is_some() { "" } else { " until Ctrl-C" });
        let mut show = Instant::now() + SHOW_EVERY;
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        while end.is_none_or(|end| Instant::now() < end) {
            self.shop.transact().await?;
            tokio::select! {
                biased;
                _ = &mut interrupted => break,
                () = tokio::time::sleep(Duration::from_millis(2)) => {}
            }
            if Instant::now() >= show {
                self.show().await?;
                show = Instant::now() + SHOW_EVERY;
            }
        }
        Ok(())
    }

    async fn show(&self) -> Result<()> {
        let (file, http) = self.reports()?;
        let behind = self.millrace.metric(&["behind_source_milliseconds"]).await?;
        let file_lag = self.millrace.metric(&["sink_record_lag", "changes-file"]).await?;
        let http_lag = self.millrace.metric(&["sink_record_lag", "changes-http"]).await?;
        println!(
            "committed {:>6}   in the file {:>6} (lag {file_lag})   at the endpoint {:>6} (lag {http_lag})   behind MySQL {behind} ms",
            self.shop.journal().len(),
            file.arrived,
            http.arrived,
        );
        Ok(())
    }

    fn reports(&self) -> Result<(Report, Report)> {
        let file = arrivals::check(self.shop.journal(), &pipeline::read_json_lines(&self.file)?)?;
        let http = arrivals::check(self.shop.journal(), &self.receiver.values())?;
        Ok((file, http))
    }

    /// Waits until both far ends hold the whole journal.
    async fn arrived(&self) -> Result<(Report, Report)> {
        wait::until("all changes at both ends", STRAGGLERS, || async {
            let (file, http) = self.reports()?;
            let missing = (file.missing.len(), http.missing.len());
            ensure!(missing == (0, 0), "missing in the file: {}, at the endpoint: {}", missing.0, missing.1);
            Ok((file, http))
        })
        .await
    }

    /// Waits for the stragglers and says whether all is well.
    async fn finish(&mut self) -> Result<bool> {
        println!("\nNo more changes; waiting for the last ones to arrive ...");
        if let Err(error) = self.arrived().await {
            eprintln!("{error:#}\n{}", self.millrace.process()?.log_tail());
        }
        let (file, http) = self.reports()?;
        tell("in the file", self.shop.journal().len(), &file);
        tell("at the endpoint", self.shop.journal().len(), &http);
        Ok(file.is_complete() && http.is_complete())
    }
}

fn tell(place: &str, committed: usize, report: &Report) {
    println!(
        "{place}: {} of {committed} committed row changes arrived, {} repeated",
        report.arrived, report.repeated
    );
    for change in report.missing.iter().take(20) {
        println!("  MISSING {place}: {change:?}");
    }
    for misplaced in report.misplaced.iter().take(20) {
        println!("  OUT OF ORDER {place}: {misplaced}");
    }
}
