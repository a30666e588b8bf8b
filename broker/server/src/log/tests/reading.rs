//! What a reader gets: whole batches from its offset on, within its limits.

use super::*;

fn first_offsets(bytes: Bytes) -> Vec<i64> {
    Batches::new(bytes).map(|batch| batch.unwrap().header().base_offset).collect()
}

#[test]
fn the_whole_batch_that_holds_the_offset_comes_even_if_it_is_larger_than_asked() {
    let test = TestLog::new(LogConfig::default());
    test.append(&batch(&[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))], 1, None));
    test.append(&numbered(1));
    let size = test.log().read(0, 1, true).unwrap().len();
    assert_eq!(first_offsets(test.log().read(1, 1, true).unwrap()), [0]);
    assert_eq!(first_offsets(test.log().read(2, 10_000, true).unwrap()), [0, 3]);
    assert_eq!(first_offsets(test.log().read(2, size, false).unwrap()), [0]);
    assert_eq!(test.log().read(2, size - 1, false).unwrap().len(), 0);
    assert_eq!(test.log().read(4, 100, true).unwrap().len(), 0);
    assert!(matches!(test.log().read(5, 100, true), Err(LogError::OutOfRange { end: 4, .. })));
}

#[test]
fn nothing_is_seen_before_it_is_on_disk() {
    let test = TestLog::new(LogConfig::default());
    test.append(&numbered(0));
    test.log().append(&numbered(1), 1).unwrap();
    assert_eq!(
        test.log().offsets(),
        super::super::LogOffsets { start: 0, last_stable: 1, high_watermark: 1, end: 2 }
    );
    assert_eq!(test.records().len(), 1);
    test.log().flush_now().unwrap();
    assert_eq!(test.records().len(), 2);
}

#[tokio::test]
async fn one_fsync_answers_everyone_who_waits() {
    let test = TestLog::new(LogConfig::default());
    for number in 0..3 {
        test.log().append(&numbered(number), 1).unwrap();
    }
    let log = Arc::clone(test.log());
    let waiting = tokio::spawn(async move { tokio::join!(log.durable(1), log.durable(2), log.durable(3)) });
    let flusher = super::super::Flusher::start(Arc::clone(&test.queue)).unwrap();
    let (one, two, three) = waiting.await.unwrap();
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    flusher.stop();
}

#[test]
fn time_stamps_are_found_over_segments() {
    let mut test = TestLog::new(LogConfig { segment_bytes: 1000, ..LogConfig::default() });
    for number in 0..100 {
        test.append(&batch(&[("k", Some("v"))], i64::from(number) * 10, None));
    }
    for _ in 0..2 {
        for (timestamp, offset) in [(0, 0), (1, 1), (10, 1), (555, 56), (990, 99)] {
            let found = test.log().batch_at_timestamp(timestamp).unwrap().unwrap();
            assert_eq!(first_offsets(found), [offset], "time stamp {timestamp}");
        }
        assert_eq!(test.log().batch_at_timestamp(991).unwrap(), None);
        test.reopen();
    }
}

#[test]
fn a_long_poll_over_many_logs_leaves_nothing_behind_in_any() {
    let logs = [TestLog::new(LogConfig::default()), TestLog::new(LogConfig::default())];
    for _ in 0..3 {
        let poll = Arc::new(tokio::sync::Notify::new());
        for test in logs.iter().chain(&logs) {
            test.log().notify_on_append(&poll);
        }
    }
    let next = Arc::new(tokio::sync::Notify::new());
    for test in &logs {
        test.log().notify_on_append(&next);
        assert_eq!(test.log().readers.lock().len(), 1);
    }
}

/// Who took the log's place in the queue covers every append until the place is given back, its own and those of others.
#[test]
fn whoever_takes_the_turn_to_flush_flushes_for_all_who_count_on_it() {
    let test = TestLog::new(LogConfig::default());
    let turn = test.log().take_flush_turn().unwrap();
    assert!(test.log().take_flush_turn().is_none(), "the place is taken");
    test.log().append(&numbered(1), 0).unwrap();
    test.log().append(&numbered(2), 0).unwrap();
    assert_eq!(test.log().offsets().high_watermark, 0, "nothing has been synced");
    drop(turn);
    assert_eq!(test.log().offsets().high_watermark, 2);
    test.log().append(&numbered(3), 0).unwrap();
    assert!(test.log().take_flush_turn().is_none(), "the queue has it again");
}
