//! The differential test: the same SQL past the real Debezium and past us gives the same records, option group by option group.
//!
//! `tests/differential/corpus.sql` was run on MySQL 9.7 once with one Debezium 3.6.3 engine for each
//! `tests/differential/*.properties` watching; what they emitted is `*.jsonl.gz`, made by `Oracle.java` beside them (its first
//! lines say how). This test runs the same SQL on a server of its own, with our connector in place of each engine,
//! and compares topics, keys, values, schemas, headers and offsets. Places in the binlog are compared by their distance from
//! the start, transactions by their number since then. What differs on purpose stands in [`deliberate`], with the reason.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test: what is not as expected fails it")]

mod mysql_support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use api::SourceRecord;
use mysql_support::comparison::{self, Origin, Printer, brief, differ};
use mysql_support::{Kind, Run, Server, Worker, mariadb};
use serde_json::Value as Json;

/// A folder with SQL, the groups of options that watched it, and what they gave.
struct Corpus(PathBuf);

impl Corpus {
    fn groups(&self) -> Vec<String> {
        let files = std::fs::read_dir(&self.0).unwrap();
        let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut groups: Vec<_> =
            files.filter_map(|file| Some(file.strip_suffix(".properties")?.to_owned())).collect();
        groups.sort();
        groups
    }

    fn options(&self, group: &str) -> Vec<(String, String)> {
        comparison::options(&self.0.join(format!("{group}.properties")))
    }

    fn expected(&self, group: &str) -> Vec<Json> {
        let lines = comparison::lines(&self.0.join(format!("{group}.jsonl.gz")));
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Differences about comments, quotes and the default character set, where Debezium's reader of DDL errs.
fn of_names(difference: &str) -> Option<&'static str> {
    if difference.contains("q\\\"u''o") || difference.contains("expected \"e,f\"") {
        return Some("comments are as the server has them: a quote once, and none that was not said again");
    }
    if difference.contains("tableChanges[0].id: ") && difference.contains("we`ird") {
        return Some("an id is in quotes, also when the name has one");
    }
    if difference.contains(".source.table: ") {
        let names = |word: &str| -> Option<Vec<String>> {
            let (_, rest) = difference.split_once(&format!("{word} \""))?;
            let mut names: Vec<_> = rest.split('"').next()?.split(',').map(str::to_owned).collect();
            names.sort();
            Some(names)
        };
        let same = names("expected").is_some() && names("expected") == names("found");
        return same.then_some("the tables of a statement are in its order, in Debezium in that of a hash");
    }
    if difference.contains(".ddl: ") && difference.contains("/*!50100 COMMENT='table' */") {
        return Some("Debezium cuts off the end of a comment");
    }
    let charsets = ["defaultCharsetName: ", "columns[4].charsetName: "];
    let latin = charsets.iter().any(|field| difference.contains(field))
        && difference.ends_with("expected \"utf8mb4\", found \"latin1\"");
    if latin || difference.contains("expected \"\u{fffd}\", found") {
        return Some("a table's new default character set counts, and its bytes are read with it");
    }
    None
}

/// Why a difference is meant. Everything else is a mistake.
fn deliberate(expected: &Json, difference: &str) -> Option<&'static str> {
    let value = &expected["value"]["payload"];
    if difference.contains(".offset.") {
        let is = |op: &str| value["op"] == op;
        if value.get("ddl").is_some() || value.get("status").is_some() || is("t") {
            return Some(
                "offsets behind a statement and a transaction count it in, so that it is not said twice",
            );
        }
        if is("d") || expected["value"].is_null() {
            return Some(
                "a delete is only behind us with its tombstone, and with its create when the key changed",
            );
        }
    }
    if difference.contains("' sp '") || difference.contains("x\\\\,y, sp \"") {
        return Some("the server cuts spaces off the ends of words");
    }
    let is_float4 = difference.contains("after.f4: expected null")
        || difference.contains("fields[16].type: expected \"double\"");
    if is_float4 && brief(expected).contains(".bools ") {
        return Some("FLOAT4 is FLOAT; Debezium has another schema and then no value for it");
    }
    if let Some(reason) = of_names(difference) {
        return Some(reason);
    }
    let ddl = value["ddl"].as_str();
    if ddl.is_some_and(|ddl| ddl.starts_with("UNIQUE INDEX")) && difference.contains(".ddl") {
        return Some("Debezium cuts off the first word");
    }
    if ddl.is_some() && difference.contains(".source.row: ") {
        return Some("Debezium leaves the number of the last row before the statement there");
    }
    if difference.ends_with("length: expected null, found 1")
        || difference.ends_with("length: expected \"absent\", found \"1\"")
    {
        return Some("CHAR is CHAR(1), as the server has it");
    }
    if difference.ends_with("charsetName: expected \"utf8\", found \"utf8mb3\"") {
        return Some("the name that the server has for it now");
    }
    let escaped = [r"b\\\\s", r"g\\\\h", r"%s \\\\n", "YVwwXDA=", r"a\\0\\0"];
    if escaped.iter().any(|text| difference.contains(text)) {
        return Some("a backslash in a default or a word of ENUM or SET is one, as the server has it");
    }
    if brief(expected).starts_with("masked.corpus.words {\"e\":\"g") {
        return Some("a hash of such a word");
    }
    if brief(expected).contains("k_bytes") && difference.contains("expected \"CAE=\", found \"AQg=\"") {
        return Some("Debezium turns the bits of a key twice in a snapshot");
    }
    if brief(expected).contains("k_times")
        && difference.contains(".key.payload.c: expected 0, found -36000500000")
    {
        return Some("a column that is left out of the rows keeps its value in the key");
    }
    let of_no_length = difference.contains("length: expected \"10\", found \"0\"")
        || difference.contains("length: expected 10, found 0");
    if of_no_length || difference.contains("fields[18].parameters: expected {\"truncateLength\":\"3\"}") {
        return Some("CHAR(0) has no length, and is never too long");
    }
    if difference.ends_with("expected \"first_in_data_collection\", found \"first\"") {
        return Some("the first row of all is the first, also when there are empty tables before its own");
    }
    // DEFAULT x'4142' is the two bytes AB; Debezium takes the four digits for them. It leaves '' and \\ and \0 as they are written.
    if ["NDE0Mg==", "34313432", "4142", "eHlcMFww", "xy\\\\0\\\\0", "78795c305c30", "a''b\\\\\\\\c"]
        .iter()
        .any(|digits| difference.contains(&format!("expected \"{digits}\"")))
    {
        return Some("the default is the bytes that the server puts in");
    }
    None
}

async fn collect(corpus: &Corpus, server: &Server, group: &str, worker: Arc<Worker>) -> Run {
    let base = [("topic.prefix", group), ("database.include.list", "corpus"), ("database.server.id", "0")];
    let mut config = server.config(&base);
    config.insert(
        "database.server.id".to_owned(),
        (7000 + group.len() * 31 + usize::from(group.as_bytes()[0])).to_string(),
    );
    config.remove("include.schema.changes");
    config.extend(corpus.options(group));
    if server.kind == Kind::MariaDb {
        mariadb::set_comments(&mut config);
    }
    Run::start(server, &worker, config).await
}

#[tokio::test]
async fn what_comes_out_is_what_debezium_gives() {
    differential(Kind::MySql, "").await;
}

#[tokio::test]
async fn values_and_schemas_of_every_type_are_debeziums() {
    differential(Kind::MySql, "types").await;
}

#[tokio::test]
async fn rows_between_all_kinds_of_ddl_are_debeziums() {
    differential(Kind::MySql, "ddl").await;
}

#[tokio::test]
async fn keys_defaults_and_odd_names_are_debeziums() {
    differential(Kind::MySql, "more").await;
}

#[tokio::test]
async fn what_comes_out_of_mariadb_is_what_debezium_gives() {
    differential(Kind::MariaDb, "mariadb").await;
}

#[tokio::test]
async fn compressed_events_and_row_metadata_of_mariadb_change_nothing() {
    let arguments = ["--log-bin-compress=ON", "--log-bin-compress-min-len=10", "--binlog-row-metadata=FULL"];
    let problems = differences(Kind::MariaDb, "mariadb", &arguments).await;
    // They take other places in the binlog.
    let others: Vec<_> = problems
        .iter()
        .filter(|one| !one.contains(".offset.pos: ") && !one.contains(".source.pos: "))
        .collect();
    assert!(problems.len() > others.len() && others.is_empty(), "{others:#?}");
}

#[tokio::test]
async fn what_only_mariadb_has_is_what_debezium_gives() {
    differential(Kind::MariaDb, "mariadb/own").await;
}

#[tokio::test]
async fn values_and_schemas_of_every_type_of_mariadb_are_debeziums() {
    differential(Kind::MariaDb, "mariadb/types").await;
}

#[tokio::test]
async fn rows_between_all_kinds_of_ddl_of_mariadb_are_debeziums() {
    differential(Kind::MariaDb, "mariadb/ddl").await;
}

async fn differential(kind: Kind, folder: &str) {
    let problems = differences(kind, folder, &[]).await;
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
}

/// Runs the folder's SQL past a connector for each of its groups, and tells what is not as Debezium gave it; nothing without a server.
async fn differences(kind: Kind, folder: &str, arguments: &[&str]) -> Vec<String> {
    let corpus = Corpus(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/differential").join(folder));
    let statements = match kind {
        Kind::MySql => "--binlog-rows-query-log-events=ON",
        Kind::MariaDb => "--binlog-annotate-row-events=ON",
    };
    let arguments: Vec<_> = arguments.iter().copied().chain([statements]).collect();
    let Some(server) = Server::start(kind, &arguments).await else { return Vec::new() };
    let [before, after] = comparison::corpus(&corpus.0.join("corpus.sql"));
    server.run_in_one_session(&before).await;
    let mut runs = BTreeMap::new();
    for group in corpus.groups() {
        runs.insert(group.clone(), collect(&corpus, &server, &group, Arc::new(Worker::default())).await);
    }
    let mut found: BTreeMap<String, Vec<SourceRecord>> = BTreeMap::new();
    for (group, run) in &mut runs {
        // The snapshot is over when the reader says that it is connected and nothing remains.
        let records = found.entry(group.clone()).or_default();
        run.until_following(records).await;
    }
    server.run_in_one_session(&after).await;
    for (group, mut run) in runs {
        let records = found.get_mut(&group).unwrap();
        while !records.iter().any(|record| {
            record.record.topic.contains("sentinel") && !record.record.is_tombstone() && is_streamed(record)
        }) {
            records.extend(run.some().await);
        }
        while corpus
            .options(&group)
            .iter()
            .any(|(name, value)| name == "provide.transaction.metadata" && value == "true")
            && records.last().is_some_and(|record| record.record.topic.contains("sentinel"))
        {
            records.extend(run.some().await);
        }
        run.stop().await;
    }
    let mut problems = Vec::new();
    for (group, records) in &found {
        let expected = corpus.expected(group);
        let expected =
            if kind == Kind::MariaDb { mariadb::without_open_transactions(expected) } else { expected };
        compare(kind, group, (&expected, records), &mut problems);
    }
    problems
}

fn is_streamed(record: &SourceRecord) -> bool {
    mysql_support::source(record, "snapshot") == api::Value::Null
}

fn compare(
    kind: Kind,
    group: &str,
    (expected, records): (&[Json], &[SourceRecord]),
    problems: &mut Vec<String>,
) {
    let mut printer = Printer::new();
    let found: Vec<Json> = records.iter().map(|record| printer.print(record)).collect();
    let base = (Origin::of(&expected[0]), Origin::of(&found[0]));
    let expected: Vec<_> = expected.iter().map(|record| base.0.normalize(record.clone())).collect();
    let found: Vec<_> = found.into_iter().map(|record| base.1.normalize(record)).collect();
    let (left, right): (Vec<_>, Vec<_>) =
        (expected.iter().map(brief).collect(), found.iter().map(brief).collect());
    if left.len() != right.len() {
        let place = left
            .iter()
            .zip(&right)
            .position(|(left, right)| left != right)
            .unwrap_or(left.len().min(right.len()));
        problems.push(format!(
            "{group}: {} records expected, {} found; from {place} on expected {:?}, found {:?}",
            left.len(),
            right.len(),
            left.get(place..left.len().min(place + 4)),
            right.get(place..right.len().min(place + 4))
        ));
        return;
    }
    for (index, (expected, found)) in expected.iter().zip(&found).enumerate() {
        let mut differences = Vec::new();
        differ("", expected, found, &mut differences);
        differences.retain(|difference| deliberate(expected, difference).is_none());
        if kind == Kind::MariaDb {
            differences.retain(|difference| mariadb::deliberate(expected, difference).is_none());
        }
        problems.extend(
            differences.into_iter().map(|one| format!("{group} {index} ({}): {one}", brief(expected))),
        );
    }
}
