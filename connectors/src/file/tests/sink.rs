//! Killing, rotating, truncating, filling the disk: each record once.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use api::laws::{Reports, SinkLaws, Target, bad_config_yields_all_errors, sink_context};
use api::{
    AssignedPartition, Bytes, OffsetAndMetadata, Props, Record, SchemaAndValue, SinkConnector as _,
    SinkOffsets, SinkRecord, SinkTask, Text, TimestampType, TopicPartition, Value,
};
use tempfile::TempDir;

use crate::file::{FileSinkConnector, SINK};

struct Lines(TempDir);

impl Lines {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("out.txt")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap_or_default()
    }

    async fn start(&self, committed: &SinkOffsets) -> Box<dyn SinkTask> {
        let mut task = FileSinkConnector.task();
        task.start(sink_context(self.config(), Arc::new(Reports::default()))).await.unwrap();
        let assigned: Vec<_> = [partition(0), partition(1)]
            .map(|partition| AssignedPartition { committed: committed.get(&partition).cloned(), partition })
            .into();
        task.open(&assigned).await.unwrap();
        task
    }
}

impl Target for Lines {
    fn config(&self) -> Props {
        Props::from([("file".to_owned(), self.path().display().to_string())])
    }

    fn delivered(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }
}

fn partition(partition: i32) -> TopicPartition {
    TopicPartition { topic: Text::from_static("t"), partition }
}

fn record(number: i32, offset: i64, value: SchemaAndValue) -> SinkRecord {
    let record =
        Record { topic: Text::from_static("t"), partition: Some(number), value, ..Record::default() };
    SinkRecord { record, timestamp_type: TimestampType::CreateTime, original: partition(number), offset }
}

fn text(number: i32, offset: i64) -> SinkRecord {
    record(number, offset, SchemaAndValue::of_text(format!("{number}@{offset}")))
}

/// Puts texts and gives the offsets after them.
async fn put(task: &mut Box<dyn SinkTask>, offsets: std::ops::Range<i64>) -> BTreeMap<TopicPartition, i64> {
    let end = offsets.end;
    let records: Vec<_> = offsets.map(|offset| text(0, offset)).collect();
    task.put(&records).await.unwrap();
    BTreeMap::from([(partition(0), end)])
}

#[tokio::test]
async fn obeys_the_laws_exactly_once() {
    let records = (0..50).flat_map(|offset| [text(0, offset), text(1, offset)]).collect();
    let laws = SinkLaws {
        connector: &FileSinkConnector,
        target: &|| Box::new(Lines::new()),
        records,
        text: |record| record.record.value.value.as_str().unwrap().to_owned(),
        exactly_once: true,
    };
    laws.all().await;
}

#[tokio::test]
async fn values_are_written_as_connect_prints_them_and_bytes_as_they_are() {
    let lines = Lines::new();
    let mut task = lines.start(&SinkOffsets::new()).await;
    let schema = api::Schema::structure().field("a", api::Schema::plain(api::SchemaType::Int32)).build();
    let value = api::Struct::of(schema, vec![Value::Int32(1)]).unwrap();
    let values = [
        SchemaAndValue::of_struct(value),
        SchemaAndValue::NULL,
        SchemaAndValue::schemaless(Value::Bytes(Bytes::from_static(b"raw"))),
        SchemaAndValue::schemaless(Value::Float64(1e10)),
    ];
    let records: Vec<_> = (0_i64..).zip(values).map(|(offset, value)| record(0, offset, value)).collect();
    task.put(&records).await.unwrap();
    assert_eq!(lines.text(), "Struct{a=1}\nnull\nraw\n1.0E10\n");
}

#[tokio::test]
async fn what_was_in_the_file_before_stays() {
    let lines = Lines::new();
    fs::write(lines.path(), "by hand\n").unwrap();
    let mut task = lines.start(&SinkOffsets::new()).await;
    put(&mut task, 0..1).await;
    drop(task);
    let mut task = lines.start(&SinkOffsets::new()).await;
    assert_eq!(lines.text(), "by hand\n", "uncommitted lines are cut off, nothing else");
    put(&mut task, 0..1).await;
    assert_eq!(lines.text(), "by hand\n0@0\n");
}

/// Killed behind its first commit, whose marker stays; then a Kafka Connect goes on with the file and the group, and we again.
#[tokio::test]
async fn what_another_sink_wrote_and_committed_meanwhile_stays() {
    let lines = Lines::new();
    let mut task = lines.start(&SinkOffsets::new()).await;
    let consumed = put(&mut task, 0..2).await;
    task.pre_commit(&consumed).await.unwrap();
    drop(task);
    let theirs = lines.text() + "by Kafka Connect\n";
    fs::write(lines.path(), &theirs).unwrap();
    let committed =
        SinkOffsets::from([(partition(0), OffsetAndMetadata { offset: 3, metadata: String::new() })]);
    let mut task = lines.start(&committed).await;
    assert_eq!(lines.text(), theirs, "it was committed, though not by us");
    put(&mut task, 3..4).await;
    drop(task);
    lines.start(&committed).await;
    assert_eq!(lines.text(), theirs, "what we wrote since was not");
}

#[tokio::test]
async fn a_torn_line_is_cut_off() {
    let lines = Lines::new();
    let mut task = lines.start(&SinkOffsets::new()).await;
    let consumed = put(&mut task, 0..2).await;
    let committed = task.pre_commit(&consumed).await.unwrap();
    drop(task);
    fs::write(lines.path(), "0@0\n0@1\n0@2\n0@").unwrap();
    let mut task = lines.start(&committed).await;
    put(&mut task, 2..4).await;
    assert_eq!(lines.delivered(), ["0@0", "0@1", "0@2", "0@3"]);
}

#[tokio::test]
async fn every_open_partition_is_committed_with_the_same_note_each_time() {
    let lines = Lines::new();
    let mut task = lines.start(&SinkOffsets::new()).await;
    task.put(&[text(0, 0), text(1, 0)]).await.unwrap();
    let consumed = BTreeMap::from([(partition(0), 1), (partition(1), 1)]);
    let first = task.pre_commit(&consumed).await.unwrap();
    // Then only partition 0 moves on.
    let consumed = put(&mut task, 1..2).await;
    let second = task.pre_commit(&consumed).await.unwrap();
    assert_eq!(second.len(), 2);
    assert_eq!(second[&partition(0)].metadata, second[&partition(1)].metadata);
    assert_ne!(second[&partition(1)].metadata, first[&partition(1)].metadata);
    assert_eq!((second[&partition(0)].offset, second[&partition(1)].offset), (2, 1));
}

#[tokio::test]
async fn a_rotated_file_is_left_and_a_new_one_begun_and_cut_to_its_own_start() {
    let lines = Lines::new();
    let mut task = lines.start(&SinkOffsets::new()).await;
    let consumed = put(&mut task, 0..2).await;
    let committed = task.pre_commit(&consumed).await.unwrap();
    let old = lines.0.path().join("out.txt.1");
    fs::rename(lines.path(), &old).unwrap();
    put(&mut task, 2..4).await;
    assert_eq!((fs::read_to_string(&old).unwrap(), lines.text()), ("0@0\n0@1\n".into(), "0@2\n0@3\n".into()));
    // Killed before the next commit: the new file's lines come again, and are there once.
    drop(task);
    let mut task = lines.start(&committed).await;
    let consumed = put(&mut task, 2..5).await;
    assert_eq!(lines.delivered(), ["0@2", "0@3", "0@4"]);
    let committed = task.pre_commit(&consumed).await.unwrap();
    put(&mut task, 5..6).await;
    drop(task);
    lines.start(&committed).await;
    assert_eq!(lines.delivered(), ["0@2", "0@3", "0@4"]);
}

#[tokio::test]
async fn a_truncated_file_is_gone_on_with_and_an_old_note_does_not_cut_it_wrongly() {
    let lines = Lines::new();
    let mut task = lines.start(&SinkOffsets::new()).await;
    let consumed = put(&mut task, 0..2).await;
    let committed = task.pre_commit(&consumed).await.unwrap();
    fs::OpenOptions::new().write(true).open(lines.path()).unwrap().set_len(0).unwrap();
    put(&mut task, 2..9).await;
    drop(task);
    let mut task = lines.start(&committed).await;
    assert_eq!(lines.text(), "", "all of it comes again");
    put(&mut task, 2..9).await;
    assert_eq!(lines.delivered().len(), 7);
}

/// Where the disk's files end: a write beyond is cut short and then refused, as on a full disk.
fn longest_file(file: &fs::File) -> u64 {
    let (mut possible, mut impossible) = (0, u64::MAX);
    while impossible - possible > 1 {
        let length = possible + (impossible - possible) / 2;
        match file.set_len(length) {
            Ok(()) => possible = length,
            Err(_too_long) => impossible = length,
        }
    }
    possible
}

#[tokio::test]
async fn a_disk_that_takes_no_more_loses_nothing_and_leaves_no_torn_line() {
    let lines = Lines::new();
    let file = fs::File::create(lines.path()).unwrap();
    let start = longest_file(&file) - 10;
    file.set_len(start).unwrap();
    let mut task = lines.start(&SinkOffsets::new()).await;
    put(&mut task, 0..1).await;
    let batch: Vec<_> = (1..3).map(|offset| text(0, offset)).collect();
    for _ in 0..2 {
        let error = task.put(&batch).await.unwrap_err();
        assert!(error.is_retriable() && error.to_string().contains("out.txt"), "{error}");
        assert_eq!(file.metadata().unwrap().len(), start + 4, "the torn line is cut off");
    }
    task.put(&batch[..1]).await.unwrap();
    assert_eq!(file.metadata().unwrap().len(), start + 8);
}

#[tokio::test]
async fn offsets_that_a_user_reset_cut_nothing() {
    let lines = Lines::new();
    let mut task = lines.start(&SinkOffsets::new()).await;
    let consumed = put(&mut task, 0..2).await;
    task.pre_commit(&consumed).await.unwrap();
    task.close(&[partition(0), partition(1)]).await.unwrap();
    task.stop().await;
    let mut task = lines.start(&SinkOffsets::new()).await;
    put(&mut task, 0..2).await;
    assert_eq!(lines.delivered(), ["0@0", "0@1", "0@0", "0@1"]);
}

#[tokio::test]
async fn two_sinks_cannot_write_one_file() {
    let lines = Lines::new();
    let first = lines.start(&SinkOffsets::new()).await;
    let mut second = FileSinkConnector.task();
    let context = sink_context(lines.config(), Arc::new(Reports::default()));
    let error = second.start(context.clone()).await.unwrap_err();
    assert!(error.is_retriable() && error.to_string().contains("locked by another sink"), "{error}");
    drop(first);
    second.start(context).await.unwrap();
}

#[tokio::test]
async fn there_is_one_task_whatever_tasks_max_says() {
    assert_eq!(FileSinkConnector.task_configs(&Lines::new().config(), 8).unwrap().len(), 1);
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_told_with_its_setting() {
    let missing = Props::from([("file".to_owned(), "/no/such/directory/out.txt".to_owned())]);
    let errors = FileSinkConnector.validate(&missing).await.unwrap_err().to_string();
    assert!(errors.contains("configuration file") && errors.contains("/no/such/directory"), "{errors}");
    bad_config_yields_all_errors(&SINK, &missing, &[]);
}
