//! Disks that are full or broken.

use std::{
    fs::File,
    io,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::*;

/// Writes `room` more bytes and is full then; its fsync fails when told to.
#[derive(Debug)]
struct FaultyDisk {
    room: AtomicUsize,
    sync_fails: AtomicBool,
    write_breaks: AtomicBool,
}

impl FaultyDisk {
    fn new() -> Arc<Self> {
        let (sync_fails, write_breaks) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { room: AtomicUsize::new(usize::MAX), sync_fails, write_breaks })
    }
}

impl Disk for FaultyDisk {
    fn write_at(&self, file: &File, slices: &[&[u8]], position: u64) -> io::Result<()> {
        if self.write_breaks.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let (bytes, room) = (slices.concat(), self.room.load(Ordering::SeqCst));
        let fits = bytes.len().min(room);
        SystemDisk.write_at(file, &[&bytes[..fits]], position)?;
        if room != usize::MAX {
            self.room.store(room - fits, Ordering::SeqCst);
        }
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        // As a kernel does it: the first fsync tells of the error, the next ones say that all is well.
        if self.sync_fails.swap(false, Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        SystemDisk.sync(file)
    }
}

#[test]
fn a_full_disk_is_said_and_the_log_lives_on_once_there_is_room() {
    let disk = FaultyDisk::new();
    let mut test = TestLog::on(LogConfig::default(), Arc::clone(&disk) as Arc<dyn Disk>);
    test.append(&numbered(0));
    for room in 0..80 {
        disk.room.store(room, Ordering::SeqCst);
        let error = test.log().append(&numbered(1), 1).unwrap_err();
        assert!(matches!(error, LogError::DiskFull { .. }), "{error}");
        assert_eq!(test.log().offsets().end, 1);
    }
    disk.room.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(test.append(&numbered(2)).base_offset, 1);
    let all = test.records();
    assert_eq!(all.len(), 2);
    test.reopen();
    assert_eq!(test.records(), all);
}

#[test]
fn a_torn_write_of_a_full_disk_is_cut_off_after_a_crash() {
    let disk = FaultyDisk::new();
    let mut test = TestLog::on(LogConfig::default(), Arc::clone(&disk) as Arc<dyn Disk>);
    test.append(&numbered(0));
    disk.room.store(70, Ordering::SeqCst);
    test.log().append(&numbered(1), 1).unwrap_err();
    test.reopen();
    assert_eq!(test.records().len(), 1);
}

#[tokio::test]
async fn the_first_failed_fsync_is_final_for_the_directory() {
    let disk = FaultyDisk::new();
    let mut test = TestLog::on(LogConfig::default(), Arc::clone(&disk) as Arc<dyn Disk>);
    test.append(&numbered(0));
    let appended = test.log().append(&numbered(1), 1).unwrap();
    disk.sync_fails.store(true, Ordering::SeqCst);
    assert!(matches!(test.log().flush_now(), Err(LogError::Offline { .. })));
    let waited = test.log().durable(appended.last_offset + 1).await;
    assert!(matches!(waited, Err(LogError::Offline { .. })), "{waited:?}");
    // The next fsync would succeed, and would be a lie.
    assert!(matches!(test.log().flush_now(), Err(LogError::Offline { .. })));
    let error = test.log().append(&numbered(2), 1).unwrap_err();
    assert!(error.to_string().contains("fsync"), "{error}");
    assert_eq!(test.records().len(), 1, "what is on disk is still served");
    assert!(test.directory.as_ref().unwrap().close().is_err());
    test.reopen();
}

#[test]
fn a_broken_write_takes_the_directory_offline() {
    let disk = FaultyDisk::new();
    let test = TestLog::on(LogConfig::default(), Arc::clone(&disk) as Arc<dyn Disk>);
    disk.write_breaks.store(true, Ordering::SeqCst);
    assert!(matches!(test.log().append(&numbered(0), 1), Err(LogError::Offline { .. })));
    disk.write_breaks.store(false, Ordering::SeqCst);
    assert!(matches!(test.log().append(&numbered(0), 1), Err(LogError::Offline { .. })));
}
