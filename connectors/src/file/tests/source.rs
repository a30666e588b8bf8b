//! Growing, rotating, truncating, restarting: nothing lost, nothing twice.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use api::laws::{CommittedOffsets, SourceLaws, bad_config_yields_all_errors, source_context};
use api::{FlatMap, Props, SourceConnector as _, SourceRecord, SourceTask};
use tempfile::TempDir;

use crate::file::{FileSourceConnector, SOURCE};

struct Log {
    directory: TempDir,
    quiet_ms: u64,
}

impl Log {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), quiet_ms: 3_600_000 }
    }

    /// One whose last line counts as soon as it is looked at.
    fn impatient() -> Self {
        Self { quiet_ms: 0, ..Self::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn append(&self, text: &str) {
        append(&self.path("log"), text);
    }

    fn config(&self) -> Props {
        let said = [
            ("file", self.path("log").display().to_string()),
            ("topic", "lines".to_owned()),
            ("poll.wait.ms", "1".to_owned()),
            ("last.line.quiet.ms", self.quiet_ms.to_string()),
        ];
        said.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
    }

    async fn start(&self, offsets: CommittedOffsets) -> Box<dyn SourceTask> {
        let mut task = FileSourceConnector.task();
        task.start(source_context(self.config(), offsets)).await.unwrap();
        task
    }

    async fn start_new(&self) -> Box<dyn SourceTask> {
        self.start(CommittedOffsets::default()).await
    }
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

async fn read(task: &mut Box<dyn SourceTask>, count: usize) -> Vec<SourceRecord> {
    let mut records = Vec::new();
    while records.len() < count {
        records.extend(task.poll().await.unwrap());
    }
    records
}

async fn read_lines(task: &mut Box<dyn SourceTask>, count: usize) -> Vec<String> {
    read(task, count).await.iter().map(line).collect()
}

fn line(record: &SourceRecord) -> String {
    record.record.value.value.as_str().unwrap().to_owned()
}

fn position(record: &SourceRecord) -> i64 {
    record.source_offset.to_map().get("position").unwrap().as_i64().unwrap()
}

#[tokio::test]
async fn obeys_the_laws() {
    let log = Log::impatient();
    for number in 0..5000 {
        log.append(&format!(
            "line {number} – with bytes of two and more{}",
            if number % 2 == 0 { "\n" } else { "\r\n" }
        ));
    }
    log.append("the last one");
    let mut config = log.config();
    config.insert("batch.size".to_owned(), "7".to_owned());
    for batch in ["700", "10000"] {
        config.insert("batch.size".to_owned(), batch.to_owned());
        SourceLaws { connector: &FileSourceConnector, config: config.clone(), records: 5001 }.all().await;
    }
}

#[test]
fn bad_options_are_named_all_at_once() {
    let said = [("batch.size", "0"), ("line.bytes.max", "x"), ("poll.wait.ms", "-1"), ("topic", "a b")];
    let config = said.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    bad_config_yields_all_errors(
        &SOURCE,
        &config,
        &["batch.size", "line.bytes.max", "poll.wait.ms", "topic"],
    );
    bad_config_yields_all_errors(&SOURCE, &Props::new(), &["topic"]);
}

#[tokio::test]
async fn offsets_are_as_connect_writes_them_with_the_identity_behind() {
    let log = Log::new();
    log.append("grün\nrot\n");
    let records = read(&mut log.start_new().await, 2).await;
    assert_eq!((position(&records[0]), position(&records[1])), (6, 10));
    let names: Vec<_> =
        records[0].source_offset.to_map().entries().iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["position", "identity"]);
    let filename = records[0].source_partition.get("filename").and_then(api::Value::as_str);
    assert_eq!(filename, log.path("log").to_str());
}

#[tokio::test]
async fn a_line_that_grows_comes_when_it_is_whole() {
    let log = Log::new();
    let mut task = log.start_new().await;
    assert!(task.poll().await.unwrap().is_empty(), "a missing file is waited for");
    log.append("one\ntw");
    assert_eq!(read_lines(&mut task, 1).await, ["one"]);
    assert!(task.poll().await.unwrap().is_empty());
    log.append("o\nthree\n");
    assert_eq!(read_lines(&mut task, 2).await, ["two", "three"]);
}

#[tokio::test]
async fn the_last_line_without_a_break_comes_once_also_over_a_restart() {
    let log = Log::impatient();
    log.append("one\nlast");
    let mut task = log.start_new().await;
    let records = read(&mut task, 2).await;
    assert_eq!((line(&records[1]), position(&records[1])), ("last".to_owned(), 8));
    assert!(task.poll().await.unwrap().is_empty());
    log.append("\nnext\n");
    assert_eq!(read_lines(&mut task, 1).await, ["next"]);
    let mut task = log.start(CommittedOffsets::after(&records[1])).await;
    assert_eq!(read_lines(&mut task, 1).await, ["next"]);
}

#[tokio::test]
async fn a_renamed_file_is_finished_before_the_new_one() {
    let mut log = Log::impatient();
    log.quiet_ms = 50;
    log.append("a\nb\n");
    let mut task = log.start_new().await;
    assert_eq!(read_lines(&mut task, 2).await, ["a", "b"]);
    fs::rename(log.path("log"), log.path("log.1")).unwrap();
    append(&log.path("log.1"), "c\n");
    log.append("d\n");
    append(&log.path("log.1"), "written by one who still held it");
    assert_eq!(read_lines(&mut task, 3).await, ["c", "written by one who still held it", "d"]);
}

#[tokio::test]
async fn a_file_renamed_while_we_were_away_is_found_and_finished() {
    let log = Log::impatient();
    log.append("a\nb\n");
    let records = read(&mut log.start_new().await, 2).await;
    log.append("c\n");
    fs::rename(log.path("log"), log.path("log.1")).unwrap();
    log.append("d\n");
    let mut task = log.start(CommittedOffsets::after(&records[0])).await;
    assert_eq!(read_lines(&mut task, 3).await, ["b", "c", "d"]);
    // The new one is not there yet.
    fs::rename(log.path("log"), log.path("log.0")).unwrap();
    let mut task = log.start(CommittedOffsets::after(&records[1])).await;
    assert_eq!(read_lines(&mut task, 1).await, ["c"]);
    log.append("e\n");
    assert_eq!(read_lines(&mut task, 1).await, ["e"]);
}

#[tokio::test]
async fn a_file_replaced_while_we_were_away_is_read_from_its_start() {
    let log = Log::new();
    log.append("a\nb\n");
    let records = read(&mut log.start_new().await, 2).await;
    // The same inode, and longer than the position.
    fs::write(log.path("log"), "something else\nentirely\n").unwrap();
    let mut task = log.start(CommittedOffsets::after(&records[1])).await;
    assert_eq!(read_lines(&mut task, 2).await, ["something else", "entirely"]);
}

#[tokio::test]
async fn a_truncated_file_is_read_from_its_start_after_what_was_read_of_it() {
    let log = Log::new();
    log.append("one\ntwo\nunfinished");
    let mut task = log.start_new().await;
    assert_eq!(read_lines(&mut task, 2).await, ["one", "two"]);
    assert!(task.poll().await.unwrap().is_empty());
    fs::write(log.path("log"), "new\n").unwrap();
    let records = read(&mut task, 2).await;
    assert_eq!((line(&records[0]), position(&records[0])), ("unfinished".to_owned(), 0));
    assert_eq!((line(&records[1]), position(&records[1])), ("new".to_owned(), 4));
}

#[tokio::test]
async fn a_file_truncated_and_grown_beyond_the_position_is_noticed_by_its_first_bytes() {
    let log = Log::new();
    log.append("one\ntwo\n");
    let mut task = log.start_new().await;
    assert_eq!(read_lines(&mut task, 2).await, ["one", "two"]);
    assert!(task.poll().await.unwrap().is_empty());
    fs::write(log.path("log"), "completely different\nand longer\n").unwrap();
    assert_eq!(read_lines(&mut task, 2).await, ["completely different", "and longer"]);
}

#[tokio::test]
async fn an_offset_of_kafka_connect_is_gone_on_from() {
    let log = Log::new();
    log.append("one\ntwo\n");
    let partition = FlatMap::new().with("filename", log.path("log").display().to_string());
    let offset = FlatMap::new().with("position", 4_i64);
    let mut task = log.start(CommittedOffsets::one(partition.clone(), offset)).await;
    assert_eq!(read_lines(&mut task, 1).await, ["two"]);
    let beyond = FlatMap::new().with("position", 400_i64);
    let mut task = log.start(CommittedOffsets::one(partition, beyond)).await;
    assert_eq!(read_lines(&mut task, 2).await, ["one", "two"]);
}

#[tokio::test]
async fn a_line_beyond_the_limit_fails_with_its_place_after_the_lines_before_it() {
    let log = Log::new();
    log.append("short\n");
    log.append(&"x".repeat(3_000_000));
    let mut task = log.start_new().await;
    assert_eq!(read_lines(&mut task, 1).await, ["short"]);
    let error = loop {
        match task.poll().await {
            Ok(records) => assert!(records.is_empty()),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("byte 6") && error.contains("line.bytes.max"), "{error}");
}

#[tokio::test]
async fn an_unreadable_file_is_told_with_its_setting() {
    let log = Log::new();
    fs::create_dir(log.path("log")).unwrap();
    let errors = FileSourceConnector.validate(&log.config()).await.unwrap_err().to_string();
    assert!(errors.contains("configuration file") && errors.contains("not a regular file"), "{errors}");
    let mut task = FileSourceConnector.task();
    task.start(source_context(log.config(), CommittedOffsets::default())).await.unwrap();
    let error = task.poll().await.unwrap_err();
    assert_eq!(error.kind(), api::ErrorKind::BadConfig, "{error}");
}

#[test]
fn offsets_that_a_user_sets_are_checked() {
    let config = Log::new().config();
    let partition = FlatMap::new().with("filename", "x");
    let check = |partition: &FlatMap, offset: Option<FlatMap>| {
        FileSourceConnector.check_offsets(&config, &[(partition.clone(), offset)])
    };
    check(&partition, None).unwrap();
    check(&partition, Some(FlatMap::new().with("position", 0_i64))).unwrap();
    for bad in [FlatMap::new(), FlatMap::new().with("position", -1_i64), FlatMap::new().with("position", "1")]
    {
        assert!(check(&partition, Some(bad)).is_err());
    }
    assert!(check(&FlatMap::new(), None).is_err());
}
