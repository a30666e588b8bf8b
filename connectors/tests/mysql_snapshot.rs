//! Snapshots against real servers: taken up again wherever they broke off, read by several sessions, and as the options say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mysql_support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::{SourceRecord, Value};
use mysql_async::prelude::Queryable;
use mysql_support::{Kind, Run, Server, Worker, after, brief, source};

/// What a topic of rows tells: every record must fit what the ones before it left.
#[derive(Debug, Default)]
struct Folded {
    rows: BTreeMap<i64, i64>,
    /// Ids of which a change was seen.
    touched: BTreeSet<i64>,
    problems: Vec<String>,
}

impl Folded {
    fn take(&mut self, record: &SourceRecord) {
        let field =
            |row: &Value, name: &str| row.as_struct().and_then(|row| row.get(name)).and_then(Value::as_i64);
        let Some(value) = record.record.value.value.as_struct() else { return };
        let (before, after) = (value.get("before").unwrap(), value.get("after").unwrap());
        let op = value.get("op").and_then(Value::as_str).unwrap();
        if let (Some(id), Some(v)) = (field(before, "id"), field(before, "v")) {
            self.touched.insert(id);
            // A row whose snapshot is still to come is not known; one that is, must be as it was left.
            if self.rows.remove(&id).is_some_and(|known| known != v) {
                self.problems.push(format!("{} had another row before", brief(record)));
            }
        }
        if let (Some(id), Some(v)) = (field(after, "id"), field(after, "v")) {
            self.touched.insert(id);
            let known = self.rows.insert(id, v);
            let fits = match op {
                "r" => known.is_none_or(|known| known == v),
                _ => known.is_none(),
            };
            if !fits {
                self.problems.push(format!("{} was {known:?} before", brief(record)));
            }
        }
    }
}

fn snapshot_mark(record: &SourceRecord) -> Value {
    if record.record.is_tombstone() { Value::Null } else { source(record, "snapshot") }
}

const ROWS: i64 = 600;

async fn fill(server: &Server) {
    server.run(&["CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT NOT NULL)"]).await;
    server.run(&["CREATE TABLE shop.a (k VARCHAR(20), id INT, v INT NOT NULL, PRIMARY KEY (k, id))"]).await;
    let rows: Vec<_> = (0..ROWS).map(|id| format!("({id}, 0)")).collect();
    server.run(&[&format!("INSERT INTO shop.t VALUES {}", rows.join(","))]).await;
    let rows: Vec<_> = (0..200).map(|id| format!("('k''{}', {}, 0)", id % 7, 100_000 + id)).collect();
    server.run(&[&format!("INSERT INTO shop.a VALUES {}", rows.join(","))]).await;
}

/// Changes of every kind, all over the table.
async fn write(server: &Server, round: i64) {
    let id = (round * 37) % ROWS;
    let gone = 50_000 + round;
    server
        .run(&[
            &format!("UPDATE shop.t SET v = v + 1 WHERE id % 100 = {}", (round * 7) % 100),
            &format!("DELETE FROM shop.t WHERE id = {id}"),
            &format!("INSERT INTO shop.t VALUES ({}, 7)", 10_000 + round),
            &format!("UPDATE IGNORE shop.t SET id = id + 20000 WHERE id = {}", (id + 11) % ROWS),
            &format!("INSERT INTO shop.t VALUES ({gone}, 1)"),
            &format!("DELETE FROM shop.t WHERE id = {gone}"),
            &format!("UPDATE shop.a SET v = v + 1 WHERE id % 60 = {}", round % 60),
        ])
        .await;
}

/// Kills the task after every so many records; what came after the committed one comes again, as in a transaction that was cut off.
async fn killed_again_and_again(kind: Kind, step: usize, extra: &[(&str, &str)]) {
    let Some(server) = Server::start(kind, &[]).await else { return };
    fill(&server).await;
    let mut said = vec![("snapshot.fetch.size", "37"), ("max.batch.size", "64")];
    said.extend(extra);
    let worker = Arc::new(Worker::default());
    let mut folded = Folded::default();
    let (mut rounds, mut reads) = (0, 0);
    let mut complete = false;
    while !complete {
        rounds += 1;
        assert!(rounds < 200, "the snapshot never ends: {reads} rows read");
        let mut run = Run::start(&server, &worker, server.config(&said)).await;
        let mut taken = 0;
        while taken < step && !complete {
            let records = run.some().await;
            for record in &records {
                taken += 1;
                folded.take(record);
                run.commit(record);
                let mark = snapshot_mark(record);
                reads += usize::from(!mark.is_null());
                complete |= mark == Value::from("last");
                // The rest of the batch was not written when the task was killed.
                if taken >= step {
                    break;
                }
            }
        }
        run.stop().await;
        write(&server, rounds).await;
    }
    server.run(&["INSERT INTO shop.t VALUES (99999, 1)"]).await;
    let mut run = Run::start(&server, &worker, server.config(&said)).await;
    while !folded.rows.contains_key(&99_999) {
        run.some().await.iter().for_each(|record| folded.take(record));
    }
    let mut conn = server.session().await;
    let mut found: Vec<(i64, i64)> = conn.query("SELECT id, v FROM shop.t").await.unwrap();
    found.extend(conn.query::<(i64, i64), _>("SELECT id, v FROM shop.a").await.unwrap());
    assert_eq!(folded.rows, found.into_iter().collect::<BTreeMap<_, _>>(), "{kind:?}");
    assert_eq!(folded.problems, Vec::<String>::new(), "{kind:?}");
    assert!(rounds > 3, "{kind:?}: killed only {rounds} times");
    // A snapshot that starts over reads its rows again and again.
    assert!(reads < 1200, "{kind:?}: {reads} rows were read of {ROWS} and 200");
    let unseen: Vec<_> = (1..=rounds).filter(|round| !folded.touched.contains(&(50_000 + round))).collect();
    assert_eq!(unseen, Vec::<i64>::new(), "{kind:?}: rows that came and went between kills are missing");
    run.stop().await;
}

#[tokio::test]
async fn a_killed_snapshot_of_mariadb_goes_on_and_loses_nothing() {
    killed_again_and_again(Kind::MariaDb, 61, &[]).await;
}

#[tokio::test]
async fn a_killed_snapshot_of_mysql_goes_on_and_loses_nothing() {
    killed_again_and_again(Kind::MySql, 113, &[("snapshot.max.threads", "3")]).await;
}

/// Every place a kill can fall on within a small snapshot.
#[tokio::test]
async fn a_kill_after_any_record_neither_loses_nor_repeats_a_row() {
    let Some(server) = Server::start(Kind::MariaDb, &[]).await else { return };
    server.run(&["CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT NOT NULL)"]).await;
    server.run(&["CREATE TABLE shop.u (id INT PRIMARY KEY, v INT NOT NULL)"]).await;
    server.run(&["INSERT INTO shop.t VALUES (1,0),(2,0),(3,0),(4,0),(5,0)"]).await;
    server.run(&["INSERT INTO shop.u VALUES (11,0),(12,0),(13,0)"]).await;
    let config = server.config(&[("snapshot.fetch.size", "2")]);
    let worker = Arc::new(Worker::default());
    let mut run = Run::start(&server, &worker, config.clone()).await;
    let whole = run.take(8).await;
    run.stop().await;
    let history = worker.history.lock().clone();
    for (place, record) in whole.iter().enumerate().take(7) {
        let worker = Arc::new(Worker::default());
        worker.history.lock().clone_from(&history);
        *worker.offset.lock() = Some(record.source_offset.to_map());
        let mut run = Run::start(&server, &worker, config.clone()).await;
        let mut rest = Vec::new();
        while rest.last().is_none_or(|record| snapshot_mark(record) != Value::from("last")) {
            rest.extend(run.some().await);
        }
        run.stop().await;
        // A checkpoint stands at the end of each two rows and of each table.
        let done = [0, 2, 2, 4, 5, 5, 7][place];
        let expected: Vec<_> = whole[done..].iter().map(brief).collect();
        assert_eq!(rest.iter().map(brief).collect::<Vec<_>>(), expected, "killed after row {}", place + 1);
    }
}

#[tokio::test]
async fn several_sessions_read_in_the_order_of_one() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(server) = Server::start(kind, &[]).await else { continue };
        server
            .run(&["CREATE DATABASE shop", "CREATE TABLE shop.big (id BIGINT PRIMARY KEY, pad VARCHAR(400))"])
            .await;
        server.run(&["CREATE TABLE shop.text (id VARCHAR(40) PRIMARY KEY, pad VARCHAR(400))"]).await;
        server.run(&["CREATE TABLE shop.keyless (x INT)", "INSERT INTO shop.keyless VALUES (1), (2)"]).await;
        let pad = "x".repeat(400);
        for part in 0..30 {
            let rows: Vec<_> = (0..1000).map(|id| format!("({}, '{pad}')", (part * 1000 + id) * 3)).collect();
            server.run(&[&format!("INSERT INTO shop.big VALUES {}", rows.join(","))]).await;
        }
        server
            .run(&[
                "INSERT INTO shop.text SELECT CONCAT('k', id), pad FROM shop.big",
                "ANALYZE TABLE shop.big, shop.text",
            ])
            .await;
        let mut orders = Vec::new();
        for threads in ["1", "3"] {
            let worker = Arc::new(Worker::default());
            let config =
                server.config(&[("snapshot.max.threads", threads), ("snapshot.mode", "initial_only")]);
            let mut run = Run::start(&server, &worker, config).await;
            let records = run.take(60_002).await;
            let order: Vec<_> =
                records.iter().map(|record| (record.record.topic.clone(), brief(record))).collect();
            let marks = records.iter().filter(|record| snapshot_mark(record) != Value::from("true")).count();
            assert_eq!(marks, 6, "{kind:?}: first and last of each table");
            let gauges = run.gauges.snapshot();
            assert_eq!((gauges["snapshot_rows"], gauges["snapshot_remaining_tables"]), (60_002, 0));
            assert!(gauges["snapshot_lock_microseconds"] < 5_000_000, "{gauges:?}");
            orders.push(order);
            run.stop().await;
        }
        assert!(orders[0] == orders[1], "{kind:?}");
    }
}

/// How often the server was asked for a table's definition.
async fn definitions_asked(server: &Server) -> u64 {
    let mut session = server.session().await;
    let status: Option<(String, u64)> =
        session.query_first("SHOW GLOBAL STATUS LIKE 'Com_show_create_table'").await.unwrap();
    status.unwrap().1
}

#[tokio::test]
async fn hundreds_of_definitions_are_read_once_while_nothing_is_committed() {
    // More than one session alone reads.
    const TABLES: usize = 520;
    let Some(server) = Server::start(Kind::MySql, &[]).await else { return };
    let fast = ["SET GLOBAL innodb_flush_log_at_trx_commit = 0", "SET GLOBAL sync_binlog = 0"];
    let create = (0..TABLES)
        .map(|number| format!("CREATE TABLE many.t{number:03} (id INT PRIMARY KEY, c{number} INT)"));
    let statements =
        fast.map(str::to_owned).into_iter().chain(["CREATE DATABASE many".to_owned()]).chain(create);
    server.run_in_one_session(&statements.collect::<Vec<_>>()).await;
    let last = TABLES - 1;
    server
        .run(&["INSERT INTO many.t000 VALUES (1, 10)", &format!("INSERT INTO many.t{last} VALUES (2, 20)")])
        .await;
    let before = definitions_asked(&server).await;
    let worker = Arc::new(Worker::default());
    let config = server.config(&[("database.include.list", "many"), ("snapshot.mode", "initial_only")]);
    let mut run = Run::start(&server, &worker, config).await;
    let records = run.take(2).await;
    assert_eq!(definitions_asked(&server).await - before, u64::try_from(TABLES).unwrap());
    for (record, (table, value)) in records.iter().zip([(0, 10), (last, 20)]) {
        assert_eq!(record.record.topic.rsplit_once('.').unwrap().1, format!("t{table:03}"));
        assert_eq!(after(record, &format!("c{table}")), Value::Int32(value), "its own definition");
    }
    run.stop().await;
}

#[tokio::test]
async fn the_modes_and_options_do_what_they_say() {
    let Some(server) = Server::start(Kind::MariaDb, &[]).await else { return };
    server
        .run(&[
            "CREATE DATABASE shop",
            "CREATE TABLE shop.a (id INT PRIMARY KEY, v INT)",
            "CREATE TABLE shop.b (id INT PRIMARY KEY, v INT)",
            "CREATE TABLE shop.empty (id INT PRIMARY KEY)",
        ])
        .await;
    // An empty snapshot leaves an offset, and so does one without rows.
    for mode in ["initial", "no_data", "initial_only"] {
        let worker = Arc::new(Worker::default());
        let mut run = Run::start(&server, &worker, server.config(&[("snapshot.mode", mode)])).await;
        let offset = run.offset_alone().await;
        assert!(offset.get("file").is_some() && offset.get("snapshot").is_none(), "{mode}: {offset:?}");
        run.stop().await;
    }
    server
        .run(&[
            "INSERT INTO shop.a VALUES (1, 1), (2, 2), (3, 3)",
            "INSERT INTO shop.b VALUES (9, 9)",
            "ANALYZE TABLE shop.a, shop.b",
        ])
        .await;
    let first = |said: &'static [(&'static str, &'static str)], count: usize| {
        let server = &server;
        async move {
            let worker = Arc::new(Worker::default());
            let mut run = Run::start(server, &worker, server.config(said)).await;
            let records = run.take(count).await;
            run.stop().await;
            records.iter().map(brief).collect::<Vec<_>>()
        }
    };
    assert_eq!(first(&[("snapshot.include.collection.list", "shop.b")], 1).await, ["r 9"]);
    let overridden = [
        ("snapshot.select.statement.overrides", "shop.a"),
        (
            "snapshot.select.statement.overrides.shop.a",
            "SELECT v, id FROM shop.a WHERE id > 1 ORDER BY id DESC",
        ),
        ("snapshot.locking.mode", "extended"),
    ];
    let worker = Arc::new(Worker::default());
    let mut run = Run::start(&server, &worker, server.config(&overridden)).await;
    assert_eq!(run.take(3).await.iter().map(brief).collect::<Vec<_>>(), ["r 3", "r 2", "r 9"]);
    run.stop().await;
    assert_eq!(
        first(&[("snapshot.tables.order.by.row.count", "ascending")], 4).await,
        ["r 9", "r 1", "r 2", "r 3"]
    );
    assert_eq!(first(&[("snapshot.locking.mode", "none")], 4).await, ["r 1", "r 2", "r 3", "r 9"]);
    assert_eq!(
        first(&[("snapshot.locking.mode", "minimal_at_least_once")], 4).await,
        ["r 1", "r 2", "r 3", "r 9"]
    );
    starts_again_or_ends(&server).await;
}

async fn starts_again_or_ends(server: &Server) {
    let based = [
        ("snapshot.mode", "configuration_based"),
        ("snapshot.mode.configuration.based.snapshot.data", "true"),
        ("snapshot.mode.configuration.based.start.stream", "true"),
    ];
    let worker = Arc::new(Worker::default());
    for _ in 0..2 {
        let mut run = Run::start(server, &worker, server.config(&based)).await;
        let records = run.take(4).await;
        run.commit(&records[3]);
        run.stop().await;
    }
    // initial_only has nothing to do after its snapshot, and does not fail either.
    let mut run = Run::start(server, &worker, server.config(&[("snapshot.mode", "initial_only")])).await;
    for _ in 0..3 {
        assert_eq!(run.task.poll().await.unwrap(), Vec::<SourceRecord>::new());
    }
    run.stop().await;
}

#[tokio::test]
async fn without_any_right_to_lock_mysql_is_still_captured() {
    let Some(server) = Server::start(Kind::MySql, &[]).await else { return };
    fill(&server).await;
    server
        .run(&[
            "CREATE USER least@localhost IDENTIFIED BY 'secret'",
            "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO least@localhost",
            "GRANT SELECT ON shop.* TO least@localhost",
        ])
        .await;
    let said = [("database.user", "least"), ("database.password", "secret"), ("snapshot.max.threads", "2")];
    let mut run = Run::start(&server, &Arc::new(Worker::default()), server.config(&said)).await;
    let mut folded = Folded::default();
    run.take(800).await.iter().for_each(|record| folded.take(record));
    server.run(&["INSERT INTO shop.t VALUES (99999, 1)"]).await;
    run.take(1).await.iter().for_each(|record| folded.take(record));
    assert_eq!((folded.rows.len(), folded.problems.len()), (801, 0));
    run.stop().await;
}
