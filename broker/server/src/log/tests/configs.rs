//! What a log's settings do: when it syncs, when it compacts, when files go.

use std::{
    fs::File,
    io,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::*;
use crate::log::{CleanupPolicy, Flusher};

/// Counts fsyncs.
#[derive(Debug, Default)]
struct CountingDisk {
    syncs: AtomicUsize,
}

impl Disk for CountingDisk {
    fn write_at(&self, file: &File, slices: &[&[u8]], position: u64) -> io::Result<()> {
        SystemDisk.write_at(file, slices, position)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        SystemDisk.sync(file)
    }
}

fn relaxed(flush_records: u64, flush_ms: i64) -> LogConfig {
    LogConfig { flush_records, flush_ms, ..LogConfig::default() }
}

#[test]
fn flush_messages_lets_records_be_read_before_the_fsync_and_counts_to_it() {
    let disk = Arc::new(CountingDisk::default());
    let mut test = TestLog::on(relaxed(3, i64::MAX), Arc::clone(&disk) as Arc<dyn Disk>);
    let flusher = Flusher::start(Arc::clone(&test.queue)).unwrap();
    for number in 0..2 {
        test.log().append(&numbered(number), 1).unwrap();
    }
    let offsets = test.log().offsets();
    assert_eq!((offsets.high_watermark, offsets.last_stable, offsets.end), (2, 2, 2));
    assert_eq!(test.records().len(), 2, "written records are read");
    assert_eq!(disk.syncs.load(Ordering::SeqCst), 0, "and not on disk yet");
    test.log().append(&numbered(2), 1).unwrap();
    flusher.stop();
    assert_eq!(disk.syncs.load(Ordering::SeqCst), 1, "three records share one fsync");
    // A kill of the process takes nothing: what was written is in the system's hands.
    test.log().append(&numbered(3), 1).unwrap();
    test.reopen();
    assert_eq!(test.records().len(), 4);
}

#[test]
fn flush_ms_brings_written_records_to_disk_without_another_append() {
    let disk = Arc::new(CountingDisk::default());
    let test = TestLog::on(relaxed(u64::MAX, 20), Arc::clone(&disk) as Arc<dyn Disk>);
    let flusher = Flusher::start(Arc::clone(&test.queue)).unwrap();
    test.log().append(&numbered(0), 1).unwrap();
    test.log().append(&numbered(1), 1).unwrap();
    let began = std::time::Instant::now();
    while disk.syncs.load(Ordering::SeqCst) == 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "nothing was flushed");
        std::thread::yield_now();
    }
    flusher.stop();
    assert_eq!(disk.syncs.load(Ordering::SeqCst), 1);
}

#[test]
fn by_default_nothing_is_read_before_it_is_on_disk() {
    let test = TestLog::new(LogConfig::default());
    test.log().append(&numbered(0), 1).unwrap();
    assert_eq!(test.log().offsets().high_watermark, 0);
    assert!(test.records().is_empty());
    test.log().flush_now().unwrap();
    assert_eq!(test.records().len(), 1);
}

fn compacted() -> LogConfig {
    LogConfig {
        segment_bytes: 200,
        cleanup_policy: CleanupPolicy { delete: false, compact: true },
        min_cleanable_dirty_ratio: 1.0,
        ..LogConfig::default()
    }
}

/// The same key, one record a batch, time stamps 0, 1, 2, ...
fn same_key(test: &TestLog, records: i64) {
    for number in 0..records {
        test.append(&batch(&[("key", Some("value"))], number, None));
    }
}

#[test]
fn min_compaction_lag_keeps_what_is_young() {
    let test =
        TestLog::new(LogConfig { compaction_lag_min_ms: 10, min_cleanable_dirty_ratio: 0.0, ..compacted() });
    same_key(&test, 20);
    test.log().compact(15).unwrap();
    let records = test.records();
    assert!(records.len() < 20, "what is old enough is compacted");
    // Up to time 5 records are ten ms old; segments hold two records.
    let offsets: Vec<i64> = records.iter().map(|(offset, ..)| *offset).collect();
    assert!((6..20).all(|young| offsets.contains(&young)), "{offsets:?}");
}

#[test]
fn max_compaction_lag_compacts_what_is_old_although_little_is_new() {
    let test = TestLog::new(LogConfig { compaction_lag_max_ms: 1_000, ..compacted() });
    same_key(&test, 10);
    // All is new: even the strictest ratio is met.
    assert!(test.log().compact(20).unwrap());
    same_key(&test, 4);
    assert!(!test.log().compact(30).unwrap(), "a part is not all");
    assert!(test.log().compact(5_000).unwrap(), "but now it is late");
    assert_eq!(test.records().len(), 1, "the active segment was closed for it, too");
}

#[test]
fn expired_segments_stay_on_disk_for_file_delete_delay() {
    let mut test = TestLog::new(LogConfig {
        segment_bytes: 200,
        retention_bytes: Some(1),
        file_delete_delay_ms: 60,
        ..LogConfig::default()
    });
    same_key(&test, 8);
    let segments = test.files("log").len();
    let gone = test.log().apply_retention(1_000).unwrap();
    assert!(gone > 0);
    assert_eq!(test.files("log").len(), segments - gone, "they are no segments any more");
    assert!(!test.files("deleted").is_empty());
    test.log().remove_doomed(1_059).unwrap();
    assert!(!test.files("deleted").is_empty());
    test.log().remove_doomed(1_060).unwrap();
    assert!(test.files("deleted").is_empty());
    same_key(&test, 8);
    assert!(test.log().apply_retention(2_000).unwrap() > 0);
    let kept = test.records();
    test.reopen();
    assert!(test.files("deleted").is_empty(), "a start removes what a crash left");
    assert_eq!(test.records(), kept);
}
