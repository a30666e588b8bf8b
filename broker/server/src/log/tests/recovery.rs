//! What is left after a crash is exactly what was whole.

use std::fs;

use super::{super::CleanupPolicy, *};

/// The log that the torn ones begin as: three batches, the last two of which are torn.
fn three_batches() -> (TestLog, Vec<u8>, Vec<u64>) {
    let test = TestLog::new(LogConfig::default());
    let mut ends = vec![0];
    for at in 0..3 {
        let records: Vec<(String, String)> =
            (0..=at).map(|n| (format!("k{n}"), format!("v{at}-{n}"))).collect();
        let records: Vec<(&str, Option<&str>)> = records.iter().map(|(k, v)| (&**k, Some(&**v))).collect();
        test.append(&batch(&records, 1, None));
        ends.push(test.log().size_bytes());
    }
    let bytes = fs::read(test.path("00000000000000000000.log")).unwrap();
    (test, bytes, ends)
}

fn whole_batches(ends: &[u64], length: u64) -> usize {
    ends.iter().filter(|end| **end <= length).count() - 1
}

/// Records in the first batches of [`three_batches`].
const RECORDS: [usize; 4] = [0, 1, 3, 6];

#[test]
fn a_tail_torn_at_any_byte_keeps_every_whole_batch() {
    let (mut test, bytes, ends) = three_batches();
    let path = test.path("00000000000000000000.log");
    for length in usize::try_from(ends[1]).unwrap()..=bytes.len() {
        for garbage in [&b""[..], b"garbage behind the tear", &[0; 200]] {
            fs::write(&path, [&bytes[..length], garbage].concat()).unwrap();
            test.reopen();
            // Zeros may happen to be the bytes that were torn off.
            let zeros =
                bytes[length..].iter().take_while(|byte| garbage.first() == Some(&0) && **byte == 0).count();
            let kept = whole_batches(&ends, (length + zeros) as u64);
            assert_eq!(test.records().len(), RECORDS[kept], "torn at {length}");
            assert_eq!(test.log().size_bytes(), ends[kept], "torn at {length}");
            let next = test.append(&numbered(9)).base_offset;
            assert_eq!(usize::try_from(next).unwrap(), RECORDS[kept], "torn at {length}");
        }
    }
}

#[test]
fn a_flipped_bit_ends_the_log_before_its_batch_and_the_rest_is_kept_aside() {
    let (mut test, bytes, ends) = three_batches();
    let path = test.path("00000000000000000000.log");
    for bit in (ends[1] * 8)..(ends[2] * 8) {
        // Base offset and leader epoch are the broker's own and stand outside the checksum.
        let byte = (bit / 8) - ends[1];
        if byte < 8 || (12..16).contains(&byte) {
            continue;
        }
        let mut damaged = bytes.clone();
        damaged[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        fs::write(&path, &damaged).unwrap();
        test.reopen();
        assert_eq!(test.records().len(), 1, "bit {bit}");
        let aside = test.path(&format!("00000000000000000000.log.damaged-at-{}", ends[1]));
        assert_eq!(fs::read(&aside).unwrap(), damaged[usize::try_from(ends[1]).unwrap()..], "bit {bit}");
        fs::remove_file(aside).unwrap();
    }
}

#[test]
fn a_flipped_bit_in_a_closed_segment_is_reported_and_never_served() {
    let config = LogConfig { segment_bytes: 200, ..LogConfig::default() };
    let mut test = TestLog::new(config);
    for number in 0..12 {
        test.append(&numbered(number));
    }
    let (path, all) = (test.path("00000000000000000000.log"), test.records());
    let bytes = fs::read(&path).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &damaged).unwrap();
        test.reopen();
        // What is served is what was stored; the rest is an error.
        for offset in 0..4 {
            if let Ok(read) = test.log().read(offset, 1000, true) {
                for batch in Batches::new(read) {
                    let batch = batch.unwrap();
                    for record in &batch.records(InflateLimits::default()).unwrap() {
                        let record = record.unwrap();
                        let known = all.iter().any(|(_, key, _)| key.as_bytes() == record.key.unwrap());
                        assert!(known, "bit {bit}");
                    }
                }
            }
        }
        assert_eq!(test.records_from(all[4].0), all[4..], "bit {bit}: other segments are served");
    }
}

#[test]
fn missing_and_damaged_indexes_are_built_again() {
    let config = LogConfig { segment_bytes: 20_000, ..LogConfig::default() };
    let mut test = TestLog::new(config);
    for number in 0..1000 {
        test.append(&numbered(number));
    }
    let all = test.records();
    assert_eq!(all.len(), 1000);
    assert!(test.files("index").len() > 2);
    for index in test.files("index").iter().chain(&test.files("timeindex")) {
        for damage in [None, Some(vec![0xff; 16]), Some(vec![1; 24]), Some(Vec::new())] {
            let sound = fs::read(index).unwrap();
            match damage {
                None => fs::remove_file(index).unwrap(),
                Some(damage) => fs::write(index, damage).unwrap(),
            }
            test.reopen();
            for offset in [0, 1, 150, 333, 999] {
                let found = test.log().read(offset, 100, true).unwrap();
                assert_eq!(Batches::new(found).next().unwrap().unwrap().header().base_offset, offset);
            }
            fs::write(index, sound).unwrap();
        }
    }
}

#[test]
fn a_missing_segment_is_an_error_and_not_a_jump() {
    let mut test = TestLog::new(LogConfig { segment_bytes: 200, ..LogConfig::default() });
    for number in 0..12 {
        test.append(&numbered(number));
    }
    let logs = test.files("log");
    fs::remove_file(&logs[1]).unwrap();
    test.reopen();
    let errors: Vec<_> = (0..12).filter_map(|offset| test.log().read(offset, 1, true).err()).collect();
    assert!(!errors.is_empty());
    assert!(errors.iter().all(|error| matches!(error, LogError::Corrupt { .. })), "{errors:?}");
}

#[test]
fn stray_files_do_no_harm() {
    let mut test = TestLog::new(LogConfig::default());
    test.append(&numbered(1));
    for name in
        ["00000000000000000000.log.cleaned", "x.tmp", "notes.txt", "1.log", "00000000000000000007.snapshot"]
    {
        fs::write(test.path(name), "stray").unwrap();
    }
    test.reopen();
    assert_eq!(test.records().len(), 1);
    assert!(test.path("notes.txt").exists(), "what is not ours stays");
}

#[test]
fn producers_are_known_again_after_crashes_and_clean_stops() {
    let config = LogConfig { segment_bytes: 300, ..LogConfig::default() };
    let mut test = TestLog::new(config);
    let numbered = |sequence| batch(&[("k", Some("v"))], 1, Some(sequence));
    for sequence in 0..10 {
        assert!(!test.append(&numbered(sequence)).duplicate);
        if sequence % 2 == 0 {
            test.reopen()
        } else {
            test.restart()
        }
        let again = test.append(&numbered(sequence));
        assert!(again.duplicate && again.base_offset == i64::from(sequence), "{again:?}");
    }
    assert!(matches!(
        test.log().append(&numbered(11), 1),
        Err(LogError::OutOfOrderSequence { expected: 10, .. })
    ));
    for snapshot in test.files("snapshot") {
        let mut bytes = fs::read(&snapshot).unwrap();
        bytes[9] ^= 1;
        fs::write(snapshot, bytes).unwrap();
    }
    test.reopen();
    assert!(test.append(&numbered(9)).duplicate, "rebuilt from the log itself");
}

#[test]
fn a_clean_stop_needs_no_recovery_and_loses_nothing() {
    let mut test = TestLog::new(LogConfig { segment_bytes: 20_000, ..LogConfig::default() });
    for round in 0..4 {
        for number in 0..150 {
            test.append(&numbered(round * 150 + number));
        }
        let all = test.records();
        test.restart();
        assert_eq!(test.records(), all);
    }
    let newest = test.log().newest_batch().unwrap().unwrap();
    assert_eq!(Batches::new(newest).next().unwrap().unwrap().header().base_offset, 599);
}

#[test]
fn a_locked_directory_names_the_process_that_has_it() {
    let test = TestLog::new(LogConfig::default());
    let error = LogDirectory::open(test.folder.path(), Arc::new(SystemDisk)).unwrap_err().to_string();
    let path = test.folder.path().display().to_string();
    assert!(error.contains(&std::process::id().to_string()) && error.contains(&path), "{error}");
}

#[test]
fn retention_removes_whole_segments_from_the_front() {
    let config = LogConfig { segment_bytes: 200, retention_bytes: Some(400), ..LogConfig::default() };
    let mut test = TestLog::new(config);
    for number in 0..12 {
        test.append(&numbered(number));
    }
    let removed = test.log().apply_retention(100).unwrap();
    assert!(removed > 0);
    let (offsets, size) = (test.log().offsets(), test.log().size_bytes());
    assert!(offsets.start > 0 && size >= 400, "{offsets:?} {size}");
    assert!(matches!(test.log().read(0, 100, true), Err(LogError::OutOfRange { .. })));
    test.reopen();
    assert_eq!(test.log().offsets(), offsets);
    // By age everything goes, and offsets go on.
    test.config.retention_ms = Some(10);
    test.reopen();
    test.log().apply_retention(1_000_000).unwrap();
    assert_eq!(test.records(), []);
    assert_eq!(test.append(&numbered(0)).base_offset, 12);
    test.reopen();
    assert_eq!(test.records().len(), 1);
}

#[test]
fn deleted_records_stay_deleted() {
    let policy = CleanupPolicy { delete: true, compact: false };
    let mut test =
        TestLog::new(LogConfig { segment_bytes: 200, cleanup_policy: policy, ..LogConfig::default() });
    for number in 0..12 {
        test.append(&numbered(number));
    }
    assert_eq!(test.log().delete_before(7).unwrap(), 7);
    assert!(matches!(test.log().delete_before(13), Err(LogError::OutOfRange { .. })));
    test.reopen();
    assert_eq!(test.log().offsets().start, 7);
    assert_eq!(test.records().len(), 5);
    assert!(test.log().apply_retention(1).unwrap() > 0);
    assert_eq!(test.records().len(), 5);
}

#[test]
fn a_start_reads_on_from_the_recovery_point_and_damage_to_it_costs_time_only() {
    let mut test = TestLog::new(LogConfig::default());
    for number in 0..100 {
        test.append(&batch(&[("k", Some("v"))], 1, Some(number)));
    }
    let (all, log) = (test.records(), test.path("00000000000000000000.log"));
    assert!(test.path("recovery-point").exists());
    let mut files: Vec<PathBuf> =
        fs::read_dir(test.path("")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path != &log);
    assert_eq!(files.len(), 6, "{files:?}");
    for file in files {
        let sound = fs::read(&file).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut damaged = sound.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(&file, &damaged).unwrap();
            // The id of the topic is the one thing that must be right: another topic's folder is not taken.
            let opened = test.open_on(Arc::new(SystemDisk));
            if !file.ends_with("partition.metadata") || opened.is_ok() {
                opened.unwrap();
                assert_eq!(test.log().offsets().end, 100, "{} bit {bit}", file.display());
                let again = test.log().append(&batch(&[("k", Some("v"))], 1, Some(99)), 1).unwrap();
                assert!(again.duplicate, "{} bit {bit}", file.display());
            }
        }
        fs::write(&file, sound).unwrap();
    }
    test.reopen();
    assert_eq!(test.records(), all);
    // Damage before the point is not looked for at the start, and not served afterwards.
    let mut damaged = fs::read(&log).unwrap();
    damaged[100] ^= 1;
    fs::write(&log, &damaged).unwrap();
    test.reopen();
    assert_eq!(test.log().offsets().end, 100);
    assert!((0..3).any(|offset| matches!(test.log().read(offset, 1, true), Err(LogError::Corrupt { .. }))));
}
