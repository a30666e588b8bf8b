//! The hard cases of streaming against real servers: transactions of two phases, partial JSON, images with columns left out,
//! options that act while streaming, and restarts in the middle of each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mysql_support;

use std::sync::Arc;

use api::{SourceRecord, Value};
use mysql_support::{Kind, Run, Server, Worker, after, brief, source};

const TABLE: [&str; 2] = ["CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT)"];

fn briefs(records: &[SourceRecord]) -> Vec<String> {
    records.iter().map(brief).collect()
}

async fn following(server: &Server, worker: &Arc<Worker>, extra: &[(&str, &str)]) -> Run {
    let base = [("snapshot.mode", "no_data"), ("include.schema.changes", "false")];
    let options: Vec<_> = base.into_iter().chain(extra.iter().copied()).collect();
    let mut run = Run::start(server, worker, server.config(&options)).await;
    let mut records = Vec::new();
    run.until_following(&mut records).await;
    assert!(records.is_empty(), "{:?}", briefs(&records));
    run
}

/// `XA COMMIT` brings the rows, `XA ROLLBACK` none, and neither does a restart in between.
async fn xa(kind: Kind) {
    let Some(server) = Server::start(kind, &[]).await else { return };
    server.run(&TABLE).await;
    let worker = Arc::new(Worker::default());
    let mut run = following(&server, &worker, &[]).await;
    let prepare = |xid: &str, id: i32| {
        let insert = format!("INSERT INTO shop.t VALUES ({id}, 1), ({}, 2)", id + 1);
        [format!("XA START '{xid}'"), insert, format!("XA END '{xid}'"), format!("XA PREPARE '{xid}'")]
    };
    // A prepared transaction belongs to its session until that ends.
    for (xid, id) in [("kept", 10), ("undone", 20), ("late", 30)] {
        server.run_in_one_session(&prepare(xid, id)).await;
    }
    server.run(&["INSERT INTO shop.t VALUES (1, 1)"]).await;
    let records = run.take(1).await;
    assert_eq!(briefs(&records), ["c 1"], "{kind:?}: nothing of what is only prepared");
    server.run(&["XA COMMIT 'kept'", "XA ROLLBACK 'undone'"]).await;
    let records = run.take(2).await;
    assert_eq!(briefs(&records), ["c 10", "c 11"], "{kind:?}");
    // Stopped between the two rows, and the third is still prepared: another task knows of it by the offset alone.
    run.commit(&records[0]);
    run.stop().await;
    let mut run = Run::start(&server, &worker, server.config(&[("include.schema.changes", "false")])).await;
    assert_eq!(briefs(&run.take(1).await), ["c 11"], "{kind:?}");
    server.run(&["XA COMMIT 'late'", "INSERT INTO shop.t VALUES (2, 2)"]).await;
    assert_eq!(briefs(&run.take(3).await), ["c 30", "c 31", "c 2"], "{kind:?}");
    run.stop().await;
}

#[tokio::test]
async fn mysqls_xa_transactions_come_with_their_commit() {
    xa(Kind::MySql).await;
}

#[tokio::test]
async fn mariadbs_xa_transactions_come_with_their_commit() {
    xa(Kind::MariaDb).await;
}

#[tokio::test]
async fn an_xa_transaction_from_before_the_connector_is_found() {
    for (kind, query) in [(Kind::MySql, "false"), (Kind::MariaDb, "false"), (Kind::MariaDb, "true")] {
        let Some(server) = Server::start(kind, &[]).await else { continue };
        server.run(&TABLE).await;
        let prepare =
            ["XA START 'early'", "INSERT INTO shop.t VALUES (5, 5)", "XA END 'early'", "XA PREPARE 'early'"];
        server.run_in_one_session(&prepare.map(str::to_owned)).await;
        server.run(&["FLUSH BINARY LOGS"]).await;
        let mut run = following(&server, &Arc::new(Worker::default()), &[("include.query", query)]).await;
        server.run(&["XA COMMIT 'early'"]).await;
        let records = run.take(1).await;
        assert_eq!(briefs(&records), ["c 5"], "{kind:?}");
        let statement = if query == "true" { Value::from(prepare[1]) } else { Value::Null };
        assert_eq!(source(&records[0], "query"), statement, "{kind:?}");
        run.stop().await;
    }
}

#[tokio::test]
async fn an_xa_transaction_of_one_phase_and_one_of_two_tables_come_whole() {
    for kind in [Kind::MySql, Kind::MariaDb] {
        let Some(server) = Server::start(kind, &[]).await else { continue };
        server.run(&TABLE).await;
        server.run(&["CREATE TABLE shop.u (id INT PRIMARY KEY)"]).await;
        let mut run =
            following(&server, &Arc::new(Worker::default()), &[("provide.transaction.metadata", "true")])
                .await;
        let xa = |name: &str, statements: &[&str], end: &[&str]| {
            let begin = [format!("XA START 'g{name}','b\"',7")];
            let rest = statements.iter().map(|sql| (*sql).to_owned());
            let end = end.iter().map(|word| word.replace("ID", &format!("'g{name}','b\"',7")));
            begin.into_iter().chain(rest).chain(end).collect::<Vec<_>>()
        };
        let one_phase = ["XA END ID", "XA COMMIT ID ONE PHASE"];
        server.run_in_one_session(&xa("1", &["INSERT INTO shop.t VALUES (1, 1)"], &one_phase)).await;
        let two = [
            "INSERT INTO shop.t VALUES (2, 2)",
            "INSERT INTO shop.u VALUES (3)",
            "UPDATE shop.t SET v = 5 WHERE id = 1",
        ];
        server.run_in_one_session(&xa("2", &two, &["XA END ID", "XA PREPARE ID", "XA COMMIT ID"])).await;
        server
            .run_in_one_session(&xa(
                "3",
                &["INSERT INTO shop.u VALUES (4)"],
                &["XA END ID", "XA ROLLBACK ID"],
            ))
            .await;
        // What they count is in the END: the transactions are two.
        let records = run.take(8).await;
        let rows: Vec<_> = records.iter().filter(|record| &*record.record.topic != "p.transaction").collect();
        assert_eq!(
            rows.iter().map(|record| brief(record)).collect::<Vec<_>>(),
            ["c 1", "c 2", "c 3", "u 1"],
            "{kind:?}"
        );
        let counts: Vec<_> =
            records.iter().filter(|record| &*record.record.topic == "p.transaction").map(place).collect();
        let expected = |status: &'static str, count| vec![None, Some(Value::from(status)), Some(count)];
        let counts_of = |count: i64| [expected("BEGIN", Value::Null), expected("END", Value::Int64(count))];
        assert_eq!(counts, [counts_of(1), counts_of(3)].concat(), "{kind:?}");
        run.stop().await;
    }
}

#[tokio::test]
async fn a_restart_inside_a_transaction_may_ask_for_its_statements_or_no_longer() {
    let Some(server) = Server::start(Kind::MariaDb, &[]).await else { return };
    server.run(&TABLE).await;
    let worker = Arc::new(Worker::default());
    let mut run = following(&server, &worker, &[("include.query", "true")]).await;
    let inserts = ["INSERT INTO shop.t VALUES (1, 1), (2, 2)", "INSERT INTO shop.t VALUES (3, 3)"];
    let transaction = ["BEGIN", inserts[0], inserts[1], "UPDATE shop.t SET v = 9 WHERE id = 1", "COMMIT"];
    server.run_in_one_session(&transaction.map(str::to_owned)).await;
    let first = run.take(4).await;
    let queries: Vec<_> = first.iter().map(|record| source(record, "query")).collect();
    assert_eq!(queries, [inserts[0], inserts[0], inserts[1], transaction[3]].map(Value::from));
    for query in ["true", "false"] {
        for stop_after in 0..3 {
            run.commit(&first[stop_after]);
            let config = server.config(&[("include.query", query)]);
            let mut again = Run::start(&server, &worker, config).await;
            let rest = again.take(3 - stop_after).await;
            assert_eq!(briefs(&rest), briefs(&first[stop_after + 1..]), "{query} after {stop_after}");
            let offsets = |records: &[SourceRecord]| {
                records.iter().map(|record| record.source_offset.to_map()).collect::<Vec<_>>()
            };
            assert_eq!(offsets(&rest), offsets(&first[stop_after + 1..]), "{query} after {stop_after}");
            again.stop().await;
        }
    }
    run.stop().await;
}

#[tokio::test]
async fn partial_updates_of_json_are_applied() {
    let Some(server) = Server::start(Kind::MySql, &["--binlog-row-value-options=PARTIAL_JSON"]).await else {
        return;
    };
    server
        .run(&[
            "CREATE DATABASE shop",
            "CREATE TABLE shop.t (id INT PRIMARY KEY, j JSON, n INT, k JSON)",
            r#"INSERT INTO shop.t VALUES (1, '{"a": 1, "b": {"c d": [1, 2, 3]}, "long": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}', 1, '[]')"#,
        ])
        .await;
    let mut run = following(&server, &Arc::new(Worker::default()), &[]).await;
    let updates = [
        r#"UPDATE shop.t SET j = JSON_SET(j, '$.a', 7)"#,
        r#"UPDATE shop.t SET j = JSON_REPLACE(j, '$.b."c d"[1]', 9), n = 2"#,
        r#"UPDATE shop.t SET j = JSON_REMOVE(j, '$.b."c d"[0]', '$.a')"#,
        r#"UPDATE shop.t SET j = JSON_SET(j, '$.zz', JSON_ARRAY('n"e', NULL, 1.5)), k = JSON_ARRAY(1)"#,
        r#"UPDATE shop.t SET j = NULL"#,
    ];
    for update in updates {
        server.run(&[update]).await;
    }
    let records = run.take(updates.len()).await;
    let texts: Vec<_> = records.iter().map(|record| after(record, "j")).collect();
    let long = r#""long":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#;
    let expected = [
        Value::from(format!(r#"{{"a":7,"b":{{"c d":[1,2,3]}},{long}}}"#)),
        Value::from(format!(r#"{{"a":7,"b":{{"c d":[1,9,3]}},{long}}}"#)),
        Value::from(format!(r#"{{"b":{{"c d":[9,3]}},{long}}}"#)),
        Value::from(format!(r#"{{"b":{{"c d":[9,3]}},"zz":["n\"e",null,1.5],{long}}}"#)),
        Value::Null,
    ];
    assert_eq!(texts, expected);
    assert_eq!((after(&records[1], "n"), after(&records[3], "k")), (Value::Int32(2), Value::from("[1]")));
    // Some of them must have come as changes, or this tested nothing.
    assert!(server.binlog_has("Update_rows_partial").await);
    run.stop().await;
}

#[tokio::test]
async fn texts_that_the_server_left_out_are_said_to_be() {
    let Some(server) = Server::start(Kind::MySql, &[]).await else { return };
    server
        .run(&[
            "CREATE DATABASE shop",
            "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT, long_text TEXT, j JSON)",
            "INSERT INTO shop.t VALUES (1, 1, 'x', '{}')",
        ])
        .await;
    let mut run = following(&server, &Arc::new(Worker::default()), &[]).await;
    let session = ["SET SESSION binlog_row_image = 'NOBLOB'", "UPDATE shop.t SET v = 2"].map(str::to_owned);
    server.run_in_one_session(&session).await;
    let records = run.take(1).await;
    let placeholder = Value::from("__debezium_unavailable_value");
    assert_eq!((after(&records[0], "v"), after(&records[0], "long_text")), (Value::Int32(2), placeholder));
    let session = ["SET SESSION binlog_row_image = 'MINIMAL'", "UPDATE shop.t SET v = 3"].map(str::to_owned);
    server.run_in_one_session(&session).await;
    let report = run.failure().await.report();
    assert!(report.contains("binlog_row_image=FULL") && report.contains("shop.t"), "{report}");
    run.stop().await;
}

#[tokio::test]
async fn events_that_cannot_be_read_are_left_out_where_that_is_wanted() {
    let Some(server) = Server::start(Kind::MySql, &[]).await else { return };
    server.run(&TABLE).await;
    server.run(&["INSERT INTO shop.t VALUES (1, 1)"]).await;
    let mode = [("event.processing.failure.handling.mode", "warn")];
    let mut run = following(&server, &Arc::new(Worker::default()), &mode).await;
    let session = ["SET SESSION binlog_row_image = 'MINIMAL'", "UPDATE shop.t SET v = 3"].map(str::to_owned);
    server.run_in_one_session(&session).await;
    server.run(&["INSERT INTO shop.t VALUES (2, 2)"]).await;
    assert_eq!(briefs(&run.take(1).await), ["c 2"]);
    run.stop().await;
}

#[tokio::test]
async fn a_restart_inside_a_transaction_goes_on_counting() {
    for kind in [Kind::MySql, Kind::MariaDb] {
        let Some(server) = Server::start(kind, &[]).await else { continue };
        server.run(&TABLE).await;
        let options = [("provide.transaction.metadata", "true")];
        let worker = Arc::new(Worker::default());
        let mut run = following(&server, &worker, &options).await;
        let transaction = [
            "BEGIN",
            "INSERT INTO shop.t VALUES (1, 1), (2, 2)",
            "INSERT INTO shop.t VALUES (3, 3)",
            "COMMIT",
        ];
        server.run_in_one_session(&transaction.map(str::to_owned)).await;
        let first = run.take(5).await;
        assert_eq!(&*first[0].record.topic, "p.transaction");
        for stop_after in 0..4 {
            run.commit(&first[stop_after]);
            let config = server.config(&[options[0], ("include.schema.changes", "false")]);
            let mut again = Run::start(&server, &worker, config).await;
            let rest = again.take(4 - stop_after).await;
            for (rest, whole) in rest.iter().zip(&first[stop_after + 1..]) {
                assert_eq!(rest.record.key, whole.record.key, "{kind:?} after {stop_after}");
                assert_eq!(place(rest), place(whole), "{kind:?} after {stop_after}");
                assert_eq!(
                    rest.source_offset.to_map(),
                    whole.source_offset.to_map(),
                    "{kind:?} after {stop_after}"
                );
            }
            again.stop().await;
        }
        run.stop().await;
    }
}

fn place(record: &SourceRecord) -> Vec<Option<Value>> {
    let value = record.record.value.value.as_struct().unwrap();
    let counts = ["transaction", "status", "event_count"].map(|field| value.get(field).cloned());
    counts.into_iter().collect()
}

#[tokio::test]
async fn offsets_of_debezium_are_gone_on_from_without_its_history() {
    for (gtids, kind) in [(true, Kind::MySql), (false, Kind::MySql), (false, Kind::MariaDb)] {
        let Some(server) = Server::start(kind, &[]).await else { continue };
        server.run(&TABLE).await;
        let at = server.binlog_end().await;
        server
            .run(&[
                "INSERT INTO shop.t VALUES (1, 1)",
                "INSERT INTO shop.t VALUES (2, 2)",
                "DELETE FROM shop.t WHERE id = 1",
            ])
            .await;
        // As Debezium writes it: no server_uuid, and only those of MySQL with GTIDs have some.
        let mut offset = api::FlatMap::new().with("ts_sec", 1_700_000_000_i64);
        offset.set("file", at.file.as_str());
        offset.set("pos", at.pos);
        if gtids {
            offset.set("gtids", at.gtids.as_str());
        }
        let worker = Arc::new(Worker::default());
        *worker.offset.lock() = Some(offset);
        let mut run = Run::start(&server, &worker, server.config(&[])).await;
        assert_eq!(briefs(&run.take(4).await), ["c 1", "c 2", "d 1", "tombstone 1"], "{kind:?} {gtids}");
        run.stop().await;
    }
}

#[tokio::test]
async fn statements_stand_in_the_source_block_and_heartbeats_run_theirs() {
    for kind in [Kind::MySql, Kind::MariaDb] {
        let setting: &[&str] = if kind == Kind::MySql { &["--binlog-rows-query-log-events=ON"] } else { &[] };
        let Some(server) = Server::start(kind, setting).await else { continue };
        server.run(&TABLE).await;
        let options = [
            ("include.query", "true"),
            ("heartbeat.interval.ms", "20"),
            ("topic.heartbeat.name", "beats"),
            ("heartbeat.action.query", "INSERT IGNORE INTO shop.t VALUES (77, 1)"),
            ("snapshot.mode", "no_data"),
            ("include.schema.changes", "false"),
        ];
        let mut run = Run::start(&server, &Arc::new(Worker::default()), server.config(&options)).await;
        let (mut beats, mut rows) = (0, Vec::new());
        while beats == 0 || rows.is_empty() {
            for record in run.some().await {
                match &*record.record.topic {
                    "beats" => beats += 1,
                    _ => rows.push(record),
                }
            }
        }
        assert_eq!(brief(&rows[0]), "c 77");
        let statement = Value::from("INSERT IGNORE INTO shop.t VALUES (77, 1)");
        assert_eq!(source(&rows[0], "query"), statement, "{kind:?}");
        run.stop().await;
    }
}

#[tokio::test]
async fn changes_of_other_servers_are_left_out_by_their_gtids() {
    let Some(server) = Server::start(Kind::MySql, &[]).await else { return };
    server.run(&TABLE).await;
    let excluded = [("gtid.source.excludes", "11111111-.*")];
    let mut run = following(&server, &Arc::new(Worker::default()), &excluded).await;
    let foreign = [
        "SET SESSION gtid_next = '11111111-1111-1111-1111-111111111111:1'",
        "INSERT INTO shop.t VALUES (1, 1)",
        "SET SESSION gtid_next = 'AUTOMATIC'",
        "INSERT INTO shop.t VALUES (2, 2)",
    ];
    server.run_in_one_session(&foreign.map(str::to_owned)).await;
    assert_eq!(briefs(&run.take(1).await), ["c 2"]);
    run.stop().await;
}
