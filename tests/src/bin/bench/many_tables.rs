//! Very many captured tables: how soon changes flow, at the first start and at the next ones, and what it weighs.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::try_join_all;
use harness::database::{Database, Kind};
use harness::far_end::FarEnd;
use harness::millrace::Millrace;
use harness::pipeline;
use serde_json::json;

use super::capture::put;
use super::figures::{Figure, memory};

/// How long one step may take.
const LIMIT: Duration = Duration::from_secs(600);
/// Sessions that make tables side by side.
const SESSIONS: u64 = 4;

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

/// Makes the tables as fast as a server can: in one file, without waiting for the disk, in several sessions.
async fn make(database: &Database, tables: u64) -> Result<()> {
    database
        .run(&[
            "CREATE DATABASE many",
            "SET GLOBAL innodb_file_per_table = OFF",
            "SET GLOBAL innodb_flush_log_at_trx_commit = 0",
            "SET GLOBAL sync_binlog = 0",
        ])
        .await?;
    let making = (0..SESSIONS).map(|session| async move {
        let numbers = (session..tables).step_by(usize::try_from(SESSIONS)?);
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
        database.run(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await
    });
    try_join_all(making).await.map(drop)
}
