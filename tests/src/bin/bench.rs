//! The benchmark: how fast and how small, measured on the release binary as users run it, with records counted at the far end.
//!
//! `make bench`. Machines differ and are shared, so compare figures only within one run; a line counts as reached by its aim on two
//! cores.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]

use std::fs;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use harness::database::{Database, Kind};
use harness::far_end::FarEnd;
use harness::millrace::Millrace;
use harness::{pipeline, wait};
use reqwest::Method;
use serde_json::json;

/// How often a worker is started to tell how long that takes.
const STARTS: usize = 5;
/// How long an idle worker is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);
/// How long any one measurement may take.
const LIMIT: Duration = Duration::from_secs(300);
/// The rows of one transaction of the backlog.
const TRANSACTION_ROWS: u64 = 10_000;

/// Measures Millrace and prints a table.
#[derive(Debug, Parser)]
struct Options {
    /// How many rows and lines each measurement moves.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
}

/// One line of the table.
struct Figure {
    what: &'static str,
    measured: f64,
    aim: f64,
    unit: &'static str,
    /// Whether more is better.
    rising: bool,
    note: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(figures) => {
            print(&figures);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<Vec<Figure>> {
    ensure!(options.rows.is_multiple_of(TRANSACTION_ROWS), "--rows must be a multiple of {TRANSACTION_ROWS}");
    let mut figures = start_and_idle().await?;
    figures.extend(file_to_topic_to_file(options.rows).await?);
    figures.extend(binlog_to_topic(options.rows).await?);
    Ok(figures)
}

async fn start_and_idle() -> Result<Vec<Figure>> {
    eprintln!("start and idle memory ...");
    let mut took = Vec::new();
    let mut idle = 0;
    for _ in 0..STARTS {
        let folder = tempfile::tempdir()?;
        let mut millrace = Millrace::prepare(folder.path(), &[])?;
        took.push(millrace.start().await?);
        tokio::time::sleep(SETTLE).await;
        idle = idle.max(millrace.process()?.memory()?.0);
    }
    took.sort();
    let median = took.get(STARTS / 2).context("no start")?.as_secs_f64() * 1e3;
    let note = format!("median of {STARTS}, empty data folder");
    Ok(vec![
        Figure {
            what: "start to first REST answer",
            measured: median,
            aim: 200.0,
            unit: "ms",
            rising: false,
            note,
        },
        memory("memory, idle worker with broker", idle, 40.0),
    ])
}

async fn file_to_topic_to_file(lines: u64) -> Result<Vec<Figure>> {
    eprintln!("file -> topic -> file, {lines} lines of 100 bytes ...");
    let folder = tempfile::tempdir()?;
    let (from, to) = (folder.path().join("from.txt"), folder.path().join("to.txt"));
    let bytes = write_lines(&from, lines)?;
    let mut millrace = Millrace::standalone(folder.path(), &[]).await?;
    let far_end = FarEnd::new(&millrace.bootstrap_servers());
    let text = "org.apache.kafka.connect.storage.StringConverter";

    let before = millrace.process()?.processor_seconds()?;
    let began = Instant::now();
    let source = json!({"connector.class": "FileStreamSource", "file": from, "topic": "lines", "value.converter": text});
    millrace.create("from", source).await?;
    far_end.holds("lines", lines, LIMIT).await?;
    let to_topic = began.elapsed();
    let source_cpu = millrace.process()?.processor_seconds()? - before;
    let counted = far_end.count("lines").await?;
    ensure!(counted == lines, "{counted} of {lines} lines are in the topic");

    let began = Instant::now();
    let sink =
        json!({"connector.class": "FileStreamSink", "file": to, "topics": "lines", "value.converter": text});
    millrace.create("to", sink).await?;
    wait::until("all lines in the file", LIMIT, || async {
        let length = fs::metadata(&to)?.len();
        ensure!(length >= bytes, "{length} of {bytes} bytes");
        Ok(())
    })
    .await?;
    let to_file = began.elapsed();
    ensure!(same_content(&from, &to)?, "the file differs from what was written");
    let peak = millrace.process()?.memory()?.1;
    Ok(vec![
        rate(
            "file -> topic, 100-byte lines",
            lines,
            to_topic,
            1_000_000.0,
            format!("{source_cpu:.2} s of processor time"),
        ),
        rate(
            "topic -> file, 100-byte lines",
            lines,
            to_file,
            1_000_000.0,
            "byte for byte the same file".to_owned(),
        ),
        memory("peak memory of the two", peak, 200.0),
    ])
}

async fn binlog_to_topic(rows: u64) -> Result<Vec<Figure>> {
    eprintln!("binlog -> topic, a backlog of {rows} rows ...");
    let folder = tempfile::tempdir()?;
    let database = Database::start(Kind::MySql).await?;
    database.run(&["CREATE DATABASE bench", TABLE, "CREATE TABLE bench.seed LIKE bench.payments"]).await?;
    let mut millrace = Millrace::standalone(folder.path(), &[]).await?;
    let mut config = pipeline::mysql_source(&database, "bench");
    config["table.include.list"] = json!("bench.payments");
    millrace.create("bench", config).await?;
    // One row's arrival says that streaming has begun; what is committed from here on is the backlog.
    let far_end = FarEnd::new(&millrace.bootstrap_servers());
    database.run(&[&insert("payments", 0..1)]).await?;
    far_end.holds("shop.bench.payments", 1, LIMIT).await?;
    put(&millrace, "/connectors/bench/stop").await?;
    load(&database, rows).await?;

    let before = millrace.process()?.processor_seconds()?;
    let began = Instant::now();
    put(&millrace, "/connectors/bench/resume").await?;
    far_end.holds("shop.bench.payments", rows + 1, LIMIT).await?;
    let took = began.elapsed();
    let cpu = millrace.process()?.processor_seconds()? - before;
    let peak = millrace.process()?.memory()?.1;
    let counted = far_end.count("shop.bench.payments").await?;
    ensure!(counted == rows + 1, "{counted} of {} rows are in the topic", rows + 1);
    let note = format!("JSON without schemas; {cpu:.2} s of processor time");
    Ok(vec![
        rate("MySQL binlog -> topic, 80-byte rows", rows, took, 250_000.0, note),
        memory("peak memory of that", peak, 200.0),
    ])
}

/// Rows of about 80 bytes in the binlog.
const TABLE: &str = "CREATE TABLE bench.payments (id BIGINT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, \
     name VARCHAR(32) NOT NULL, amount DECIMAL(10,2) NOT NULL, paid DATETIME(3) NOT NULL, note VARCHAR(40))";

const COLUMNS: &str = "customer, name, amount, paid, note";

fn insert(table: &str, numbers: Range<u64>) -> String {
    let row = |number: u64| {
        let amount = format!("{}.{:02}", number % 900, number % 100);
        format!("({number}, 'Customer no. {number:07}', {amount}, NOW(3), 'thanks for order {number:09}')")
    };
    let values: Vec<_> = numbers.map(row).collect();
    format!("INSERT INTO bench.{table} ({COLUMNS}) VALUES {}", values.join(","))
}

async fn load(database: &Database, rows: u64) -> Result<()> {
    database.run(&[&insert("seed", 0..TRANSACTION_ROWS)]).await?;
    let copy = format!("INSERT INTO bench.payments ({COLUMNS}) SELECT {COLUMNS} FROM bench.seed");
    for _ in 0..rows / TRANSACTION_ROWS {
        database.run(&[&copy]).await?;
    }
    Ok(())
}

async fn put(millrace: &Millrace, path: &str) -> Result<()> {
    let (status, body) = millrace.call(Method::PUT, path, None).await?;
    ensure!(status < 300, "PUT {path}: {status} {body}");
    Ok(())
}

fn write_lines(path: &Path, lines: u64) -> Result<u64> {
    let mut writer = BufWriter::new(fs::File::create(path)?);
    for number in 0..lines {
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        writeln!(
            writer,
            "{number:010} {mixed:016x} a line of text as logs have it, request took {:06} ms, done {:010}",
            mixed % 100_000,
            number / 7
        )?;
    }
    writer.flush()?;
    Ok(fs::metadata(path)?.len())
}

fn same_content(left: &Path, right: &Path) -> Result<bool> {
    Ok(fs::read(left)? == fs::read(right)?)
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn rate(what: &'static str, records: u64, took: Duration, aim: f64, note: String) -> Figure {
    let note = format!("{:.2} s; {note}", took.as_secs_f64());
    Figure { what, measured: records as f64 / took.as_secs_f64(), aim, unit: "/s", rising: true, note }
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn memory(what: &'static str, bytes: u64, aim: f64) -> Figure {
    let measured = bytes as f64 / 1024.0 / 1024.0;
    Figure { what, measured, aim, unit: "MiB", rising: false, note: "resident".to_owned() }
}

fn print(figures: &[Figure]) {
    println!("| what | measured | aim | | |\n| --- | ---: | ---: | --- | --- |");
    for figure in figures {
        let reached =
            if figure.rising { figure.measured >= figure.aim } else { figure.measured <= figure.aim };
        let verdict = if reached { "reached" } else { "MISSED" };
        println!(
            "| {} | {:.0} {} | {:.0} {} | {verdict} | {} |",
            figure.what, figure.measured, figure.unit, figure.aim, figure.unit, figure.note
        );
    }
}
