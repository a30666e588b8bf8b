//! The file sink: each record's value as a line, exactly once, also across `kill -9`.
//!
//! # Why it is exactly once
//! 1. `pre_commit` makes the file durable and returns, for every open partition, the offset and one and the same [`Note`]:
//!    the file's length at that moment. The runtime commits offsets and notes in one request, so they are kept or lost
//!    together.
//! 2. After a crash the file holds the committed lines and, behind the committed length, lines (perhaps a torn one) whose
//!    offsets were not committed. `open` gets the notes back before the first record comes and cuts the file to that
//!    length. The records behind the committed offsets come again, and are appended once.
//! 3. Before the first commit there is no note. The marker beside the file, durable before the first line is written, tells the
//!    length instead (see `marker`). It goes when the second commit is prepared, so the first one has been made.
//! 4. There is one writer: one task (`task_configs` gives one whatever `tasks.max` says), and a lock on the file that a
//!    task which was given up, but still hangs in a write, holds on to.
//!
//! # Where it is less
//! * Rotated, removed or replaced by someone: the sink goes on in the new file, with a new epoch. Committed lines went with the old
//!   file, untouched. If the process is killed before the next commit, lines between the last commit and the rotation
//!   stand in the old file and come again into the new one. Files under other names are never cut.
//! * Shortened by someone: what is gone stays gone, the sink goes on at the end.
//! * Offsets set or reset by a user: no note, so nothing is cut. Records come again as the user wished, behind the old.
//! * The standard output (no `file`): cannot be cut, so at least once.
//! * A disk that refuses a write (full): the torn line is cut off and the same batch is tried again, for ever. A disk that fails to
//!   sync: the task fails and begins again from the last commit, since what such a disk holds is unknown.
//!
//! The line is what Connect writes: Java's `toString` of the value (`Struct{a=1}`, `null` for a tombstone), but bytes are
//! written as they are, where Java prints their address.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use api::configs::{ConfigError, ConfigErrors};
use api::{
    AssignedPartition, Error, OffsetAndMetadata, Props, Result, SinkConnector, SinkContext, SinkOffsets,
    SinkRecord, SinkTask, TopicPartition, Value, async_trait, consumed_offsets, java_text,
};

use super::append::Appender;
use super::config::FileSinkConfig;
use super::identity::hash_of;
use super::note::{Committed, Note};
use super::place::Place;

/// See [`super::SINK`].
#[derive(Debug, Clone, Copy)]
pub struct FileSinkConnector;

#[async_trait]
impl SinkConnector for FileSinkConnector {
    async fn validate(&self, config: &Props) -> std::result::Result<(), ConfigErrors> {
        let parsed = FileSinkConfig::parse(config)?;
        let Some(file) = parsed.file else { return Ok(()) };
        let place = Place::new(&file, &parsed.allowed_directories);
        let invalid = |reason: String| ConfigErrors::from(ConfigError::invalid("file", &file, reason));
        place.check().map_err(|reason| invalid(format!("it {reason}")))?;
        match place.open(std::fs::OpenOptions::new().append(true)) {
            Ok(_file_or_none_yet) => Ok(()),
            Err(error) => Err(invalid(error.to_string())),
        }
    }

    fn task_configs(&self, config: &Props, _tasks_max: usize) -> Result<Vec<Props>> {
        parse(config)?;
        Ok(vec![config.clone()])
    }

    fn task(&self) -> Box<dyn SinkTask> {
        Box::new(FileSinkTask::default())
    }
}

fn parse(config: &Props) -> Result<FileSinkConfig> {
    FileSinkConfig::parse(config).map_err(|errors| Error::bad_config(errors.to_string()))
}

/// See [`FileSinkConnector`].
#[derive(Debug, Default)]
pub struct FileSinkTask {
    target: Option<Target>,
    /// The open partitions, with the offset that was last committed or prepared for it.
    partitions: BTreeMap<TopicPartition, Option<i64>>,
}

#[derive(Debug, Clone)]
enum Target {
    StandardOutput,
    File(Arc<Mutex<Appender>>),
}

#[async_trait]
impl SinkTask for FileSinkTask {
    async fn start(&mut self, context: SinkContext) -> Result<()> {
        let config = parse(&context.config)?;
        self.target = Some(match config.file {
            None => Target::StandardOutput,
            Some(file) => {
                let place = Place::new(&file, &config.allowed_directories);
                let appender = blocking(move || Appender::open(place)).await?;
                Target::File(Arc::new(Mutex::new(appender)))
            }
        });
        Ok(())
    }

    async fn open(&mut self, partitions: &[AssignedPartition]) -> Result<BTreeMap<TopicPartition, i64>> {
        // Partitions that join open ones find a file in step: all of its lines since are theirs.
        let first = self.partitions.is_empty() && !partitions.is_empty();
        if first && matches!(self.target, Some(Target::File(_))) {
            let committed = committed_of(partitions);
            self.with_file(move |appender| appender.recover(&committed)).await?;
        }
        let committed = |assigned: &AssignedPartition| assigned.committed.as_ref().map(|found| found.offset);
        self.partitions
            .extend(partitions.iter().map(|assigned| (assigned.partition.clone(), committed(assigned))));
        Ok(BTreeMap::new())
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Result<()> {
        let mut lines = Vec::new();
        let mut text = String::new();
        for record in records {
            append_line(record, &mut text, &mut lines);
        }
        if matches!(self.target, Some(Target::StandardOutput)) {
            return blocking(move || print(&lines)).await;
        }
        self.with_file(move |appender| appender.append(&lines)).await
    }

    async fn pre_commit(&mut self, consumed: &BTreeMap<TopicPartition, i64>) -> Result<SinkOffsets> {
        if matches!(self.target, Some(Target::StandardOutput)) {
            return Ok(consumed_offsets(consumed));
        }
        for (partition, offset) in consumed {
            self.partitions.insert(partition.clone(), Some(*offset));
        }
        let offsets: Vec<_> = self
            .partitions
            .iter()
            .filter_map(|(partition, offset)| Some((partition.clone(), (*offset)?)))
            .collect();
        if offsets.is_empty() {
            return Ok(SinkOffsets::new());
        }
        let metadata = self.with_file(Appender::sync).await?.to_text();
        let with_note =
            |(partition, offset)| (partition, OffsetAndMetadata { offset, metadata: metadata.clone() });
        Ok(offsets.into_iter().map(with_note).collect())
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.partitions.retain(|partition, _| !partitions.contains(partition));
        if self.partitions.is_empty() && matches!(self.target, Some(Target::File(_))) {
            self.with_file(Appender::settle).await?;
        }
        Ok(())
    }

    async fn stop(&mut self) {
        // Closing the file gives its lock back.
        self.target = None;
    }
}

impl FileSinkTask {
    /// Does something with the file on a thread that may block.
    async fn with_file<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Appender) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.target {
            None | Some(Target::StandardOutput) => {
                Err(Error::fatal("the task has no file: it was not started"))
            }
            Some(Target::File(appender)) => {
                let appender = Arc::clone(appender);
                blocking(move || work(&mut appender.lock().unwrap_or_else(PoisonError::into_inner))).await
            }
        }
    }
}

/// The last commits: the notes of our own, and what somebody else has committed under the connector's name.
fn committed_of(partitions: &[AssignedPartition]) -> Committed {
    let (mut notes, mut others) = (Vec::new(), Vec::new());
    for assigned in partitions {
        let Some(committed) = &assigned.committed else { continue };
        let note = Some(&committed.metadata).filter(|text| !text.is_empty()).map(|text| Note::parse(text));
        match note {
            Some(Ok(note)) => notes.push(note),
            found => {
                if let Some(Err(error)) = found {
                    tracing::warn!(%error, "Committed metadata is ignored.");
                }
                let TopicPartition { topic, partition } = &assigned.partition;
                others.push(format!("{topic}-{partition}:{}\n", committed.offset));
            }
        }
    }
    others.sort_unstable();
    let by_others = if others.is_empty() { 0 } else { hash_of(others.concat().as_bytes()) };
    Committed { notes, by_others }
}

fn append_line(record: &SinkRecord, text: &mut String, lines: &mut Vec<u8>) {
    let datum = &record.record.value;
    match &datum.value {
        Value::String(string) => lines.extend_from_slice(string.as_bytes()),
        Value::Bytes(bytes) if datum.schema.as_ref().is_none_or(|schema| schema.name().is_none()) => {
            lines.extend_from_slice(bytes);
        }
        value => {
            text.clear();
            java_text::append(datum.schema.as_deref(), value, text);
            lines.extend_from_slice(text.as_bytes());
        }
    }
    lines.push(b'\n');
}

fn print(lines: &[u8]) -> Result<()> {
    let mut output = std::io::stdout().lock();
    output
        .write_all(lines)
        .and_then(|()| output.flush())
        .map_err(|error| Error::retriable("cannot write to the standard output").with_source(error))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::fatal("writing the file failed").with_source(error)),
    }
}
