//! What other readers of binlogs lose, as tests: the losses that Debezium had, and the faults that a source meets.
//!
//! Every row carries a version that each update raises by one. What came out is folded record by record: each chain of versions
//! must be unbroken, and in the end the fold must be the table. A gap is a loss, a repeat a duplicate, a step back a wrong order.
//!
//! Where each of Debezium's losses is kept from coming back: restarts inside an event of many rows (DBZ-73), inside a transaction
//! (DBZ-144), behind a statement (DBZ-1033) and behind a change of a key that ends a transaction (DBZ-8594, DBZ-2329): here and in
//! `mysql_faults`, at every record; connections that hang (DBZ-7570, DBZ-9548): `the_version_chains_of_*`; new sources of GTIDs and
//! errant ones (DBZ-923): `a_failover_*`; from snapshot to stream (DBZ-2288, DBZ-9006, DBZ-2792): `mysql_snapshot`; a blocking snapshot
//! that broke off (DBZ-9337): `mysql_signals`; a position that stands still until its binlog is purged: `mysql_source`; two readers of one
//! number (DBZ-8786): `mysql_checks`; commits before records are written (DBZ-1766): the runtime's tests of exactly-once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mysql_support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use api::{FlatMap, SourceRecord, Struct, Value};
use mysql_async::prelude::Queryable;
use mysql_support::proxy::Proxy;
use mysql_support::{Kind, PATIENCE, Run, Server, Worker, after, brief};

const KINDS: [Kind; 2] = [Kind::MySql, Kind::MariaDb];
const TABLE: [&str; 2] = [
    "CREATE DATABASE shop",
    "CREATE TABLE shop.v (id INT PRIMARY KEY, ver BIGINT NOT NULL, payload VARCHAR(60) NOT NULL)",
];

/// The topic folded into a table, with every broken chain.
#[derive(Debug, Default)]
struct Fold {
    rows: BTreeMap<i64, (i64, String)>,
    broken: Vec<String>,
    records: usize,
    /// The offset of the last.
    offset: Option<FlatMap>,
    /// A row whose key changed: its version, until it comes under the new key.
    moved: Option<i64>,
}

impl Fold {
    fn take(&mut self, records: &[SourceRecord]) {
        for record in records {
            self.records += 1;
            self.offset = Some(record.source_offset.to_map());
            let Some(value) = record.record.value.value.as_struct() else { continue };
            let row = |name: &str| value.get(name).and_then(Value::as_struct).map(cells);
            let (before, after) = (row("before"), row("after"));
            let what = brief(record);
            let problem = match (value.get("op").and_then(Value::as_str), before, after) {
                (Some("r"), None, Some((id, row))) => self.rows.insert(id, row).map(|_| "read twice"),
                (Some("c"), None, Some((id, row))) => {
                    let expected = self.moved.take().map_or(1, |ver| ver + 1);
                    let is_next = row.0 == expected;
                    (self.rows.insert(id, row).is_some() || !is_next).then_some("not the first version")
                }
                (Some("u"), Some((id, old)), Some((_, new))) => {
                    let is_next = self.rows.get(&id) == Some(&old) && new.0 == old.0 + 1;
                    self.rows.insert(id, new);
                    (!is_next).then_some("not the next version")
                }
                (Some("d"), Some((id, old)), None) => {
                    let moves =
                        record.record.headers.iter().any(|header| &*header.key == "__debezium.newkey");
                    self.moved = moves.then_some(old.0);
                    (self.rows.remove(&id) != Some(old)).then_some("not the row that was there")
                }
                _ => Some("no change"),
            };
            self.broken
                .extend(problem.map(|problem| format!("{what}: {problem} ({:?})", record.source_offset)));
        }
    }

    /// Polls until the fold is the table, which nobody writes to any more.
    async fn must_become(&mut self, server: &Server, run: &mut Run, what: &str) {
        let expected = table(server).await;
        let deadline = Instant::now() + PATIENCE;
        while self.rows != expected {
            assert!(Instant::now() < deadline, "{what}: {} rows of {}", self.rows.len(), expected.len());
            self.take(&run.some().await);
            assert_eq!(self.broken, Vec::<String>::new(), "{what}");
        }
        assert_eq!(self.broken, Vec::<String>::new(), "{what}");
    }
}

fn cells(row: &Struct) -> (i64, (i64, String)) {
    let number = |name: &str| row.get(name).and_then(Value::as_i64).unwrap();
    (number("id"), (number("ver"), row.get("payload").and_then(Value::as_str).unwrap().to_owned()))
}

async fn table(server: &Server) -> BTreeMap<i64, (i64, String)> {
    let mut conn = server.session().await;
    let rows: Vec<(i64, i64, String)> = conn.query("SELECT id, ver, payload FROM shop.v").await.unwrap();
    rows.into_iter().map(|(id, ver, payload)| (id, (ver, payload))).collect()
}

/// Transactions of every kind of change; `round` makes them different ones. The last change of the last is that of a key.
fn changes(round: i64) -> Vec<String> {
    let base = round * 100;
    let insert = |from: i64, to: i64| {
        let rows: Vec<_> = (from..to).map(|id| format!("({id}, 1, REPEAT('x', {}))", id % 50)).collect();
        format!("INSERT INTO shop.v VALUES {}", rows.join(", "))
    };
    let raise = |condition: String| {
        format!("UPDATE shop.v SET ver = ver + 1, payload = CONCAT('r{round}-', id) WHERE {condition}")
    };
    [
        "BEGIN".to_owned(),
        insert(base, base + 40),
        raise(format!("id BETWEEN {base} AND {}", base + 20)),
        format!("DELETE FROM shop.v WHERE id BETWEEN {} AND {}", base + 5, base + 9),
        "COMMIT".to_owned(),
        raise("id % 3 = 0".to_owned()),
        "BEGIN".to_owned(),
        insert(base + 40, base + 45),
        raise(format!("id >= {}", base + 30)),
        "SAVEPOINT s".to_owned(),
        raise("id > 0".to_owned()),
        "ROLLBACK TO s".to_owned(),
        format!("UPDATE shop.v SET id = id + 1000000, ver = ver + 1 WHERE id = {}", base + 2),
        "COMMIT".to_owned(),
    ]
    .into()
}

/// Every way in which a connection ends while changes come: cut in the middle of an event at many places, cut off and silent,
/// killed by the server, the server killed; and the reader stopped between any two records.
async fn over_faults(kind: Kind) {
    let Some(mut server) = Server::start(kind, &[]).await else { return };
    server.run(&TABLE).await;
    server.run_in_one_session(&changes(0)).await;
    let proxy = Proxy::start(server.port()).await;
    let port = proxy.port().to_string();
    let options = [("database.port", port.as_str()), ("connect.keep.alive.interval.ms", "1000")];
    let worker = Arc::new(Worker::default());
    let mut run = Run::start(&server, &worker, server.config(&options)).await;
    let mut fold = Fold::default();
    for round in 1..=24_i64 {
        let what = format!("{kind:?}, round {round}");
        match round % 6 {
            // Bytes after which the connection is cut: in the handshake, in the middle of events, between two.
            0..3 => proxy.cut_after(usize::try_from(round * round * 37).unwrap()),
            3 => proxy.cut_after(0),
            4 if round % 4 == 0 => proxy.freeze(),
            _ => {}
        }
        server.run_in_one_session(&changes(round)).await;
        if round == 13 {
            server.kill();
            server.launch().await;
        }
        if round % 6 == 5 {
            // The reader stops anywhere: what is behind the record that was committed last comes again.
            let records = run.some().await;
            let kept = usize::try_from(round).unwrap() * 7 % records.len();
            let whole = last_of_row(&records, kept);
            fold.take(&records[..=whole]);
            run.commit(&records[whole]);
            run.stop().await;
            run = Run::start(&server, &worker, server.config(&options)).await;
        }
        fold.must_become(&server, &mut run, &what).await;
    }
    run.stop().await;
}

/// A place behind a whole row: its delete, tombstone and create are committed together.
fn last_of_row(records: &[SourceRecord], from: usize) -> usize {
    let ends = |index: &usize| {
        let next = records.get(index + 1);
        let is_key = |record: &SourceRecord| {
            record.record.headers.iter().any(|header| &*header.key == "__debezium.oldkey")
        };
        !next.is_some_and(|next| next.record.is_tombstone() || is_key(next))
    };
    (from..records.len()).find(ends).unwrap()
}

#[tokio::test]
async fn the_version_chains_of_mysql_hold_over_every_fault() {
    over_faults(Kind::MySql).await;
}

#[tokio::test]
async fn the_version_chains_of_mariadb_hold_over_every_fault() {
    over_faults(Kind::MariaDb).await;
}

/// DBZ-923, DBZ-8323 and errant transactions: another server of the group goes on, with its own files, numbers and tags.
#[tokio::test]
async fn a_failover_goes_on_by_gtids_and_what_is_errant_is_told() {
    let Some(mut primary) = Server::start(Kind::MySql, &[]).await else { return };
    let Some(replica) = Server::start(Kind::MySql, &["--server-id=2"]).await else { return };
    primary.run(&TABLE).await;
    primary.run(&["FLUSH BINARY LOGS", "FLUSH BINARY LOGS"]).await;
    let follow = format!(
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={}, SOURCE_USER='root', SOURCE_AUTO_POSITION=1, \
         GET_SOURCE_PUBLIC_KEY=1",
        primary.port()
    );
    replica.run(&["RESET BINARY LOGS AND GTIDS", &follow, "START REPLICA"]).await;
    let worker = Arc::new(Worker::default());
    let mut run = Run::start(&primary, &worker, primary.config(&[])).await;
    let mut fold = Fold::default();
    primary.run_in_one_session(&changes(1)).await;
    fold.must_become(&primary, &mut run, "before").await;
    // Stopped in the middle of a transaction, whose rest and whose successors only the other server still has.
    let tagged = ["SET SESSION gtid_next = 'AUTOMATIC:blue'".to_owned()];
    primary.run_in_one_session(&[&tagged[..], &changes(2)].concat()).await;
    primary
        .run(&["ALTER TABLE shop.v ADD COLUMN w INT DEFAULT 1 FIRST", "UPDATE shop.v SET ver = ver + 1"])
        .await;
    let records = run.some().await;
    let whole = last_of_row(&records, 20);
    fold.take(&records[..=whole]);
    run.commit(&records[whole]);
    run.stop().await;
    let gtids = primary.binlog_end().await.gtids;
    let wait = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{gtids}', 60)");
    let waited: i64 = replica.session().await.query_first(wait).await.unwrap().unwrap();
    assert_eq!(waited, 0, "the replica follows");
    primary.kill();
    replica.run(&["STOP REPLICA", "RESET REPLICA ALL", "FLUSH BINARY LOGS"]).await;
    replica.run(&["ALTER TABLE shop.v ADD COLUMN u INT FIRST, DROP COLUMN w"]).await;
    replica.run_in_one_session(&["UPDATE shop.v SET ver = ver + 1".to_owned()]).await;
    replica.run(&["ALTER TABLE shop.v DROP COLUMN u"]).await;
    replica.run_in_one_session(&[&tagged[..], &changes(3)].concat()).await;
    let mut run = Run::start(&replica, &worker, replica.config(&[])).await;
    fold.must_become(&replica, &mut run, "after").await;
    let records = fold.records;
    // And again from an offset of the new server, with the shapes that are remembered of both.
    replica.run_in_one_session(&changes(4)).await;
    let some = run.some().await;
    fold.take(&some);
    run.commit(some.last().unwrap());
    run.stop().await;
    let mut run = Run::start(&replica, &worker, replica.config(&[])).await;
    fold.must_become(&replica, &mut run, "again").await;
    assert!(fold.records > records);
    run.stop().await;
    // What it has of its own lacks on a third that follows it, and which goes on from tagged GTIDs, too.
    let Some(third) = Server::start(Kind::MySql, &["--server-id=3"]).await else { return };
    let follow = follow.replace(&primary.port().to_string(), &replica.port().to_string());
    third.run(&["RESET BINARY LOGS AND GTIDS", &follow, "START REPLICA"]).await;
    let gtids = replica.binlog_end().await.gtids;
    assert!(gtids.contains(":blue:"), "{gtids}");
    let wait = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{gtids}', 60)");
    let waited: i64 = third.session().await.query_first(wait).await.unwrap().unwrap();
    assert_eq!(waited, 0, "the third follows");
    third.run(&["STOP REPLICA", "RESET REPLICA ALL", "FLUSH BINARY LOGS"]).await;
    third.run_in_one_session(&changes(5)).await;
    worker.offset.lock().clone_from(&fold.offset);
    let mut run = Run::start(&third, &worker, third.config(&[])).await;
    fold.must_become(&third, &mut run, "on the third").await;
    run.stop().await;
    // A server that lacks what was read: an errant transaction, or one that lags behind.
    primary.launch().await;
    let mut run = Run::start(&primary, &worker, primary.config(&[])).await;
    let report = run.failure().await.report();
    assert!(report.contains("does not have") && report.contains(&replica.uuid().await), "{report}");
    run.stop().await;
}

/// What a server lost, or never had, is told with what is missing; it is never passed over.
#[tokio::test]
async fn a_server_that_was_reset_or_restored_is_told_apart() {
    for gtids in [true, false] {
        let arguments: &[&str] = if gtids { &[] } else { &["--gtid-mode=OFF"] };
        let Some(mut server) = Server::start(Kind::MySql, arguments).await else { return };
        server.run(&TABLE).await;
        server.run_in_one_session(&changes(1)).await;
        server.kill();
        let backup = tempfile::tempdir().unwrap();
        server.copy_data(backup.path());
        server.launch().await;
        let worker = Arc::new(Worker::default());
        let mut run = Run::start(&server, &worker, server.config(&[])).await;
        let mut fold = Fold::default();
        server.run_in_one_session(&changes(2)).await;
        fold.must_become(&server, &mut run, "before").await;
        server.run(&["INSERT INTO shop.v VALUES (777, 1, 'last')"]).await;
        let last = run.take(1).await;
        run.commit(&last[0]);
        run.stop().await;
        // The backup is older than what was read.
        server.kill();
        server.restore_data(backup.path());
        server.launch().await;
        let mut run = Run::start(&server, &worker, server.config(&[])).await;
        let report = run.failure().await.report();
        assert!(report.contains("restored") && report.contains("snapshot"), "{gtids}: {report}");
        run.stop().await;
        server.run(&["RESET BINARY LOGS AND GTIDS"]).await;
        let mut run = Run::start(&server, &worker, server.config(&[])).await;
        let report = run.failure().await.report();
        assert!(report.contains("snapshot.mode=when_needed"), "{gtids}: {report}");
        run.stop().await;
        let options = [("snapshot.mode", "when_needed")];
        let mut run = Run::start(&server, &worker, server.config(&options)).await;
        Fold::default().must_become(&server, &mut run, "a new snapshot").await;
        run.stop().await;
    }
}

/// gh-ost and pt-online-schema-change with only the table itself captured: its ghost is unknown until it takes the name.
#[tokio::test]
async fn online_schema_changes_are_followed_though_the_ghost_is_not_captured() {
    for kind in KINDS {
        for known in [false, true] {
            let Some(server) = Server::start(kind, &[]).await else { continue };
            server
                .run(&["CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(9))"])
                .await;
            let ghost = [
                "CREATE TABLE shop._t_gho LIKE shop.t",
                "ALTER TABLE shop._t_gho ADD COLUMN w INT NOT NULL DEFAULT 5 FIRST, MODIFY v VARCHAR(90)",
            ];
            // The ghost is there before the connector, or comes while it follows.
            if !known {
                server.run(&ghost).await;
            }
            let options = [("table.include.list", "shop\\.t")];
            let worker = Arc::new(Worker::default());
            server.run(&["INSERT INTO shop.t VALUES (0, 'first')"]).await;
            let mut run = Run::start(&server, &worker, server.config(&options)).await;
            let first = run_one(&mut run).await;
            run.commit(&first);
            if known {
                server.run(&ghost).await;
            }
            // The shape of a ghost from before is read from the server, which has no older ones.
            let last =
                if known { "ALTER TABLE shop.t DROP COLUMN v, ADD COLUMN x INT DEFAULT 8" } else { "DO 0" };
            server
                .run(&[
                    "INSERT INTO shop.t VALUES (1, 'a')",
                    "INSERT INTO shop._t_gho (id, v) SELECT id, v FROM shop.t",
                    "RENAME TABLE shop.t TO shop._t_del, shop._t_gho TO shop.t",
                    "INSERT INTO shop.t VALUES (7, 2, 'b')",
                    "DROP TABLE shop._t_del",
                    last,
                    "INSERT INTO shop.t (w, id) VALUES (9, 3)",
                ])
                .await;
            let all = run.take(3).await;
            run.stop().await;
            let row = |record: &SourceRecord| {
                let value = record.record.value.value.as_struct().unwrap();
                format!("{:?}", value.get("after").and_then(Value::as_struct).unwrap())
            };
            assert_eq!(all.iter().map(brief).collect::<Vec<_>>(), ["c 1", "c 2", "c 3"], "{kind:?} {known}");
            assert_eq!((after(&all[1], "w"), after(&all[1], "v")), (Value::Int32(7), Value::from("b")));
            assert_eq!(after(&all[2], "w"), Value::Int32(9));
            if known {
                assert_eq!(after(&all[2], "x"), Value::Int32(8));
            }
            for (index, record) in all[..2].iter().enumerate() {
                run_again(&server, &worker, record, &options, |rest| {
                    let expected: Vec<_> = all[index + 1..].iter().map(row).collect();
                    assert_eq!(
                        rest.iter().map(row).collect::<Vec<_>>(),
                        expected,
                        "{kind:?} {known} {index}"
                    );
                })
                .await;
            }
        }
    }
}

async fn run_one(run: &mut Run) -> SourceRecord {
    run.take(1).await.remove(0)
}

async fn run_again(
    server: &Server,
    worker: &Arc<Worker>,
    behind: &SourceRecord,
    options: &[(&str, &str)],
    check: impl FnOnce(&[SourceRecord]),
) {
    *worker.offset.lock() = Some(behind.source_offset.to_map());
    let mut run = Run::start(server, worker, server.config(options)).await;
    let count = if brief(behind) == "c 1" { 2 } else { 1 };
    let rest = run.take(count).await;
    run.stop().await;
    check(&rest);
}

/// Rows beyond 16 MiB, which come in several packets, and an event with many of them; and a restart between.
#[tokio::test]
async fn events_beyond_16_mib_are_read() {
    for kind in KINDS {
        let Some(server) = Server::start(kind, &["--max-allowed-packet=256M"]).await else { continue };
        server.run(&["CREATE DATABASE shop", "CREATE TABLE shop.b (id INT PRIMARY KEY, v LONGTEXT)"]).await;
        server.run(&["INSERT INTO shop.b VALUES (0, 'small')"]).await;
        let worker = Arc::new(Worker::default());
        let mut run = Run::start(&server, &worker, server.config(&[])).await;
        let first = run_one(&mut run).await;
        run.commit(&first);
        // About the size of a packet, and beyond.
        let packet = (1 << 24) - 1;
        let sizes = [packet - 34, 20_000_000];
        for (id, size) in (1..).zip(sizes) {
            server
                .run(&[&format!("INSERT INTO shop.b VALUES ({id}, CONCAT(REPEAT('x', {size}), 'end'))")])
                .await;
        }
        server
            .run(&[
                "UPDATE shop.b SET v = CONCAT(v, '!') WHERE id IN (0, 2)",
                "DELETE FROM shop.b WHERE id = 0",
            ])
            .await;
        let expected = ["c 1", "c 2", "u 0", "u 2", "d 0", "tombstone 0"];
        let mut found = Vec::new();
        while found.len() < expected.len() {
            for record in run.some().await {
                if let Some(id) = brief(&record).strip_prefix("c ") {
                    let text = after(&record, "v");
                    let text = text.as_str().unwrap();
                    let size = sizes[id.parse::<usize>().unwrap() - 1];
                    assert_eq!((text.len(), text.get(size..)), (size + 3, Some("end")), "{kind:?} {id}");
                }
                if brief(&record) == "c 2" {
                    run.commit(&record);
                }
                found.push(brief(&record));
            }
        }
        assert_eq!(found, expected, "{kind:?}");
        run.stop().await;
        let mut run = Run::start(&server, &worker, server.config(&[])).await;
        let rest = run.take(4).await;
        assert_eq!(rest.iter().map(brief).collect::<Vec<_>>(), expected[2..], "{kind:?}");
        run.stop().await;
    }
}
