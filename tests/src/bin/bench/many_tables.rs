//! Very many captured tables: how soon changes flow, at the first start and at the next ones, and what it weighs.

use std::time::{Duration, Instant};

use anyhow::Result;
use harness::database::{Database, Kind};
use harness::far_end::FarEnd;
use harness::millrace::Millrace;
use harness::pipeline;
use serde_json::json;

use super::capture::put;
use super::figures::{Figure, memory};

/// How long one step may take.
const LIMIT: Duration = Duration::from_secs(600);
/// Tables that are made in one call.
const AT_ONCE: u64 = 100;

/// Captures so many tables.
pub(crate) async fn measure(tables: u64) -> Result<Vec<Figure>> {
    eprintln!("{tables} captured tables: making them ...");
    let database = Database::start(Kind::MySql).await?;
    make(&database, tables).await?;
    let folder = tempfile::tempdir()?;
    let mut millrace = Millrace::standalone(folder.path(), &[]).await?;
    let far_end = FarEnd::new(&millrace.bootstrap_servers());
    let mut config = pipeline::mysql_source(&database, "many");
    config["snapshot.mode"] = json!("initial");
    let last = format!("shop.many.t{:05}", tables - 1);

    eprintln!("    the first start ...");
    let began = Instant::now();
    millrace.create("many", config).await?;
    far_end.holds(&last, 1, LIMIT).await?;
    let first = began.elapsed();
    // What was snapshotted is committed with the last table's row; a change must flow behind it.
    let insert = format!("INSERT INTO many.t{:05} (name) VALUES ('again')", tables - 1);
    database.run(&[&insert]).await?;
    far_end.has_exactly(&last, 2, LIMIT).await?;
    let snapshot_peak = millrace.process()?.memory()?.1;

    eprintln!("    the next start ...");
    put(&millrace, "/connectors/many/stop").await?;
    millrace.process()?.terminate().await?;
    database.run(&[&insert]).await?;
    let began = Instant::now();
    millrace.start().await?;
    put(&millrace, "/connectors/many/resume").await?;
    far_end.has_exactly(&last, 3, LIMIT).await?;
    let next = began.elapsed();
    let peak = millrace.process()?.memory()?.1;
    let (first, next) = (first.as_secs_f64(), next.as_secs_f64());
    let note = "worker and connector, until a change is readable";
    Ok(vec![
        Figure::falling(format!("{tables} tables: start"), next, 5.0, "s").noted(note),
        memory(format!("{tables} tables: peak memory of that"), peak, 300.0),
        Figure::falling(format!("{tables} tables: snapshot of a row each"), first, 30.0, "s")
            .noted("as many topics are made"),
        memory(format!("{tables} tables: peak memory of the snapshot"), snapshot_peak, 300.0),
    ])
}

async fn make(database: &Database, tables: u64) -> Result<()> {
    database.run(&["CREATE DATABASE many"]).await?;
    for first in (0..tables).step_by(usize::try_from(AT_ONCE)?) {
        let numbers = first..tables.min(first + AT_ONCE);
        let statements: Vec<String> = numbers
            .flat_map(|number| {
                let columns = "id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(64) NOT NULL, \
                    amount DECIMAL(10,2), made DATETIME DEFAULT CURRENT_TIMESTAMP, note TEXT";
                [
                    format!("CREATE TABLE many.t{number:05} ({columns})"),
                    format!("INSERT INTO many.t{number:05} (name) VALUES ('a row')"),
                ]
            })
            .collect();
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        database.run(&statements).await?;
    }
    Ok(())
}
