//! Logs on a real file system, and on one that fails.

mod configs;
mod faults;
mod reading;
mod recovery;
mod transactions;

use std::{fs, path::PathBuf, sync::Arc};

use broker_protocol::batch::{Batch, BatchBuilder, BatchFields, Batches, InflateLimits};
use bytes::Bytes;

use super::{
    Appended, Disk, FlushQueue, LogConfig, LogDirectory, LogError, PartitionLog, PartitionPlace, SystemDisk,
};

/// A batch of these keys and values, from producer 7 if it has a sequence.
pub(super) fn batch(records: &[(&str, Option<&str>)], timestamp: i64, sequence: Option<i32>) -> Batch {
    let mut builder = BatchBuilder::new(100);
    for (key, value) in records {
        builder.append(timestamp, Some(key.as_bytes()), value.map(str::as_bytes), &[]).unwrap();
    }
    let mut fields = BatchFields::default();
    if let Some(sequence) = sequence {
        (fields.producer_id, fields.producer_epoch, fields.base_sequence) = (7, 0, sequence);
    }
    let (bytes, _) = builder.finish(&fields).unwrap();
    Batch::take(&mut Bytes::from(bytes)).unwrap()
}

/// One partition in a folder of its own.
pub(super) struct TestLog {
    pub(super) folder: tempfile::TempDir,
    pub(super) config: LogConfig,
    pub(super) place: PartitionPlace,
    pub(super) queue: Arc<FlushQueue>,
    pub(super) log: Option<Arc<PartitionLog>>,
    pub(super) directory: Option<Arc<LogDirectory>>,
}

impl TestLog {
    pub(super) fn new(config: LogConfig) -> Self {
        Self::on(config, Arc::new(SystemDisk))
    }

    pub(super) fn on(config: LogConfig, disk: Arc<dyn Disk>) -> Self {
        let place = PartitionPlace { topic: "t".into(), topic_id: uuid::Uuid::new_v4(), partition: 0 };
        // Memory if there is any to be had: thousands of fsyncs prove nothing about a log.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let queue = Arc::default();
        let mut test = Self { folder, config, place, queue, log: None, directory: None };
        test.open_on(disk).unwrap();
        test
    }

    pub(super) fn open_on(&mut self, disk: Arc<dyn Disk>) -> Result<(), LogError> {
        (self.log, self.directory) = (None, None);
        // The queue may hold the log, and the log holds the lock of the directory.
        self.queue.clear();
        self.queue = Arc::default();
        let directory = Arc::new(LogDirectory::open(self.folder.path(), disk).unwrap());
        self.directory = Some(Arc::clone(&directory));
        self.log =
            Some(PartitionLog::open(&self.place, &directory, &self.queue, Arc::new(self.config.clone()))?);
        Ok(())
    }

    /// Opens what is on disk, as after kill -9.
    pub(super) fn reopen(&mut self) {
        self.open_on(Arc::new(SystemDisk)).unwrap();
    }

    /// Closes and opens again.
    pub(super) fn restart(&mut self) {
        self.log().close().unwrap();
        self.directory.as_ref().unwrap().close().unwrap();
        self.reopen();
        assert!(self.directory.as_ref().unwrap().was_clean());
    }

    pub(super) fn log(&self) -> &Arc<PartitionLog> {
        self.log.as_ref().unwrap()
    }

    pub(super) fn append(&self, batch: &Batch) -> Appended {
        let appended = self.log().append(batch, 1_000).unwrap();
        self.log().flush_now().unwrap();
        appended
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("t-0").join(name)
    }

    pub(super) fn files(&self, extension: &str) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(self.path("")).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|found| found == extension));
        paths.sort();
        paths
    }

    /// All records from an offset on: offset, key, value.
    pub(super) fn records_from(&self, from: i64) -> Vec<(i64, String, Option<String>)> {
        let (mut next, mut records) = (from, Vec::new());
        loop {
            let bytes = self.log().read(next, 1000, true).unwrap();
            if bytes.is_empty() {
                return records;
            }
            for batch in Batches::new(bytes) {
                let batch = batch.unwrap();
                for record in &batch.records(InflateLimits::default()).unwrap() {
                    let record = record.unwrap();
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    if record.offset >= from {
                        records.push((record.offset, text(record.key.unwrap()), record.value.map(text)));
                    }
                }
                next = batch.header().next_offset();
            }
        }
    }

    pub(super) fn records(&self) -> Vec<(i64, String, Option<String>)> {
        self.records_from(self.log().offsets().start)
    }
}

/// `key-<n>` to `value-<n>`, one record a batch.
pub(super) fn numbered(number: i32) -> Batch {
    batch(&[(&format!("key-{number}"), Some(&format!("value-{number}")))], i64::from(number), None)
}
