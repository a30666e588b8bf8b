//! The MySQL source where things go wrong: restarts at every row, servers that die, DDL in between, lost binlogs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mysql_support;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{SourceRecord, Value};
use mysql_async::prelude::Queryable;
use mysql_support::{Kind, Run, Server, Worker, after, brief, text};

const TABLE: [&str; 2] = ["CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(50))"];
const KINDS: [Kind; 2] = [Kind::MariaDb, Kind::MySql];

/// A server with an empty table and a task that has taken the (empty) snapshot's place.
async fn streaming(kind: Kind, arguments: &[&str]) -> Option<(Server, Arc<Worker>, Run)> {
    let server = Server::start(kind, arguments).await?;
    server.run(&TABLE).await;
    server.run(&["INSERT INTO shop.t VALUES (0, 'start')"]).await;
    let worker = Arc::new(Worker::default());
    let mut run = Run::start(&server, &worker, server.config(&[])).await;
    let first = run.take(1).await;
    run.commit(&first[0]);
    Some((server, worker, run))
}

fn briefs(records: &[SourceRecord]) -> Vec<String> {
    records.iter().map(brief).collect()
}

#[tokio::test]
async fn a_restart_after_any_record_goes_on_with_the_next() {
    for kind in KINDS {
        let Some((server, worker, mut run)) = streaming(kind, &[]).await else { continue };
        server
            .run(&[
                "BEGIN",
                "INSERT INTO shop.t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
                "UPDATE shop.t SET id = id + 10 WHERE id < 3 AND id > 0",
                "DELETE FROM shop.t WHERE id = 3",
                "COMMIT",
                "INSERT INTO shop.t VALUES (4, 'd')",
            ])
            .await;
        let all = run.take(12).await;
        run.stop().await;
        // The records of one row come again together, so that none of them is missed.
        let rows = [1, 1, 1, 3, 3, 2, 1];
        let mut first = 0;
        for count in rows {
            for index in first..first + count {
                commit(&worker, &all[index]);
                let next = if index + 1 == first + count { index + 1 } else { first };
                let mut run = Run::start(&server, &worker, server.config(&[])).await;
                let rest = run.take(all.len() - next).await;
                let offset = all[index].source_offset.to_map();
                assert_eq!(briefs(&rest), briefs(&all[next..]), "{kind:?} after {index}: {offset:?}");
                run.stop().await;
            }
            first += count;
        }
    }
}

fn commit(worker: &Worker, record: &SourceRecord) {
    *worker.offset.lock() = Some(record.source_offset.to_map());
}

#[tokio::test]
async fn a_server_that_dies_is_waited_for_and_nothing_is_missed() {
    for kind in KINDS {
        let Some((mut server, _, mut run)) = streaming(kind, &[]).await else { continue };
        server.run(&["INSERT INTO shop.t VALUES (1, 'a'), (2, 'b')"]).await;
        assert_eq!(briefs(&run.take(2).await), ["c 1", "c 2"]);
        server.kill();
        server.launch().await;
        server.run(&["INSERT INTO shop.t VALUES (3, 'c')"]).await;
        assert_eq!(briefs(&run.take(1).await), ["c 3"]);
        assert_eq!(run.errors.len(), 1, "told once: {:?}", run.errors);
        assert_eq!(run.gauges.snapshot().get("connected"), Some(&1));
        run.stop().await;
    }
}

#[tokio::test]
async fn a_dump_that_is_killed_again_and_again_gives_every_row_once() {
    for kind in KINDS {
        let Some((server, _, mut run)) = streaming(kind, &[]).await else { continue };
        let mut conn = server.session().await;
        let mut expected = Vec::new();
        let mut found = Vec::new();
        for round in 0..5 {
            conn.query_drop("BEGIN").await.unwrap();
            for row in 0..200 {
                let id = 1 + round * 200 + row;
                conn.query_drop(format!("INSERT INTO shop.t VALUES ({id}, REPEAT('x', 40))")).await.unwrap();
                expected.push(format!("c {id}"));
            }
            conn.query_drop("COMMIT").await.unwrap();
            let dumps = "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'";
            let dumps: Vec<u64> = conn.query(dumps).await.unwrap();
            for dump in dumps {
                // One that was killed before may be gone by now.
                if let Err(error) = conn.query_drop(format!("KILL {dump}")).await {
                    assert!(error.to_string().contains("Unknown thread id"), "{error}");
                }
            }
            found.extend(briefs(&run.take(200).await));
        }
        assert_eq!(found, expected, "{kind:?}");
        run.stop().await;
    }
}

#[tokio::test]
async fn rows_before_a_ddl_are_read_with_the_shape_from_before() {
    for kind in KINDS {
        let Some((server, worker, mut run)) = streaming(kind, &[]).await else { continue };
        server
            .run(&[
                "INSERT INTO shop.t VALUES (1, 'old')",
                "INSERT INTO shop.t VALUES (2, 'old')",
                "ALTER TABLE shop.t ADD COLUMN first INT NOT NULL DEFAULT 7 FIRST, DROP COLUMN v, ADD w VARCHAR(9) DEFAULT 'w'",
                "INSERT INTO shop.t (id) VALUES (3)",
                "RENAME TABLE shop.t TO shop.u",
                "CREATE TABLE shop.t (id INT PRIMARY KEY, other DATE)",
                "INSERT INTO shop.t VALUES (4, '2020-02-02')",
                "INSERT INTO shop.u (id) VALUES (5)",
            ])
            .await;
        let all = run.take(5).await;
        run.stop().await;
        let fields = |record: &SourceRecord| {
            let value = record.record.value.value.as_struct().unwrap();
            let row = value.get("after").and_then(Value::as_struct).unwrap();
            let values = row.schema().fields().iter().zip(row.values());
            values.map(|(field, value)| (field.name.to_string(), text(value))).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(after(&all[0], "v"), Value::from("old"));
        assert_eq!(after(&all[2], "w"), Value::from("w"));
        assert_eq!(after(&all[3], "other"), Value::Int32(18_294));
        assert_eq!(&*all[4].record.topic, "p.shop.u");
        for index in 0..4 {
            commit(&worker, &all[index]);
            let mut run = Run::start(&server, &worker, server.config(&[])).await;
            let rest = run.take(4 - index).await;
            let (rest, expected): (Vec<_>, Vec<_>) =
                (rest.iter().map(fields).collect(), all[index + 1..].iter().map(fields).collect());
            assert_eq!(rest, expected, "{kind:?} after {index}");
            run.stop().await;
        }
    }
}

/// The server passes over a log that the dump thread of a stopped run still reads, so it is asked until only one is left.
async fn purge_all_but_the_last(server: &Server) {
    let deadline = std::time::Instant::now() + mysql_support::PATIENCE;
    while std::time::Instant::now() < deadline {
        let logs: Vec<mysql_async::Row> = server.session().await.query("SHOW BINARY LOGS").await.unwrap();
        if logs.len() == 1 {
            return;
        }
        let last: String = logs.last().unwrap().get(0).unwrap();
        server.run(&[&format!("PURGE BINARY LOGS TO '{last}'")]).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the server keeps its old logs");
}

#[tokio::test]
async fn a_purged_binlog_is_told_and_a_new_snapshot_is_taken_only_when_asked_for() {
    for kind in KINDS {
        let Some((server, worker, run)) = streaming(kind, &[]).await else { continue };
        run.stop().await;
        server
            .run(&["INSERT INTO shop.t VALUES (1, 'lost')", "FLUSH BINARY LOGS", "FLUSH BINARY LOGS"])
            .await;
        purge_all_but_the_last(&server).await;
        let mut run = Run::start(&server, &worker, server.config(&[])).await;
        let error = run.failure().await;
        let report = error.report();
        assert!(report.contains("new snapshot"), "{kind:?}: {report}");
        assert_eq!(error.kind(), api::ErrorKind::Fatal);
        run.stop().await;
        if kind == Kind::MySql {
            let config = server.config(&[("snapshot.mode", "when_needed")]);
            let mut run = Run::start(&server, &worker, config).await;
            assert_eq!(briefs(&run.take(2).await), ["r 0", "r 1"]);
            run.stop().await;
        }
    }
}

#[tokio::test]
async fn compressed_events_are_read_like_others() {
    for (kind, arguments, statement) in [
        (Kind::MariaDb, &["--log-bin-compress=ON", "--log-bin-compress-min-len=10"][..], "DO 0"),
        (Kind::MySql, &["--binlog-transaction-compression=ON"][..], "DO 0"),
    ] {
        let Some((server, worker, mut run)) = streaming(kind, arguments).await else { continue };
        server
            .run(&[
                statement,
                "BEGIN",
                "INSERT INTO shop.t VALUES (1, REPEAT('a', 50)), (2, REPEAT('b', 50)), (3, REPEAT('c', 50))",
                "UPDATE shop.t SET v = REPEAT('d', 50) WHERE id = 1",
                "DELETE FROM shop.t WHERE id = 3",
                "COMMIT",
                "INSERT INTO shop.t VALUES (4, 'd')",
            ])
            .await;
        let expected = ["c 1", "c 2", "c 3", "u 1", "d 3", "tombstone 3", "c 4"];
        let all = run.take(7).await;
        assert_eq!(briefs(&all), expected, "{kind:?}");
        run.stop().await;
        for index in [0, 1, 2, 3, 5] {
            commit(&worker, &all[index]);
            let mut run = Run::start(&server, &worker, server.config(&[])).await;
            assert_eq!(briefs(&run.take(6 - index).await), expected[index + 1..], "{kind:?} after {index}");
            run.stop().await;
        }
    }
}

#[tokio::test]
async fn changes_written_as_statements_stop_the_task_and_are_named() {
    let Some((server, _, mut run)) = streaming(Kind::MariaDb, &[]).await else { return };
    server.run(&["SET SESSION binlog_format = STATEMENT"]).await;
    let mut conn = server.session().await;
    conn.query_drop("SET SESSION binlog_format = STATEMENT").await.unwrap();
    conn.query_drop("INSERT INTO shop.t VALUES (9, 'hidden')").await.unwrap();
    let report = run.failure().await.report();
    assert!(report.contains("binlog_format=ROW") && report.contains("hidden"), "{report}");
    run.stop().await;
}

#[tokio::test]
async fn a_table_whose_creation_was_not_seen_is_read_from_the_server() {
    for kind in KINDS {
        let Some((server, _, mut run)) = streaming(kind, &[]).await else { continue };
        let mut conn = server.session().await;
        conn.query_drop("SET SESSION sql_log_bin = 0").await.unwrap();
        conn.query_drop("CREATE TABLE shop.quiet (a INT PRIMARY KEY, b VARCHAR(5))").await.unwrap();
        conn.query_drop("SET SESSION sql_log_bin = 1").await.unwrap();
        conn.query_drop("INSERT INTO shop.quiet VALUES (1, 'x')").await.unwrap();
        assert_eq!(after(&run.take(1).await[0], "b"), Value::from("x"));
        conn.query_drop("ALTER TABLE shop.quiet ADD c INT DEFAULT 5").await.unwrap();
        conn.query_drop("INSERT INTO shop.quiet VALUES (2, 'y', 6)").await.unwrap();
        assert_eq!(after(&run.take(1).await[0], "c"), Value::Int32(6));
        run.stop().await;
    }
}
