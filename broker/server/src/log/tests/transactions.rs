//! Transactions: what readers of committed records see is a function of what was appended, over rolls, crashes, damaged indexes and
//! compaction.

mod history;

use std::collections::HashSet;

use broker_protocol::batch::BatchHeader;

use super::{
    super::{AbortedTransaction, CleanupPolicy, Marker},
    *,
};

type Record = (i64, String, Option<String>);

/// A batch of one producer, as part of a transaction or not.
fn produced(producer: (i64, i16, i32), transactional: bool, records: &[(&str, Option<&str>)]) -> Batch {
    let mut builder = BatchBuilder::new(100);
    for (key, value) in records {
        builder.append(1, Some(key.as_bytes()), value.map(str::as_bytes), &[]).unwrap();
    }
    let (producer_id, producer_epoch, base_sequence) = producer;
    let is_transactional = transactional;
    let fields = BatchFields {
        producer_id,
        producer_epoch,
        base_sequence,
        is_transactional,
        ..BatchFields::default()
    };
    Batch::take(&mut Bytes::from(builder.finish(&fields).unwrap().0)).unwrap()
}

fn data(producer_id: i64, base_sequence: i32, value: &str) -> Batch {
    produced((producer_id, 0, base_sequence), true, &[("k", Some(value))])
}

fn marker(producer_id: i64, producer_epoch: i16, commit: bool) -> Marker {
    Marker { producer_id, producer_epoch, coordinator_epoch: 0, commit }
}

fn aborted(producer_id: i64, first_offset: i64) -> AbortedTransaction {
    AbortedTransaction { producer_id, first_offset }
}

impl TestLog {
    fn end(&self, marker: Marker) -> Appended {
        let appended = self.log().append_marker(marker, 1).unwrap();
        self.log().flush_now().unwrap();
        appended
    }

    /// What a consumer that reads committed records gets, as Kafka's does it: each answer is read by its own list of aborted transactions.
    fn committed_from(&self, from: i64, bytes_max: usize) -> Vec<Record> {
        let (mut next, mut records) = (from, Vec::new());
        loop {
            let offsets = self.log().offsets();
            let bytes = self.log().read_until(next, offsets.last_stable, bytes_max, true).unwrap();
            if bytes.is_empty() {
                return records;
            }
            let batches: Vec<Batch> = Batches::new(bytes).map(Result::unwrap).collect();
            let end = batches.last().unwrap().header().next_offset();
            let mut ahead = self.log().aborted_transactions(next, end).unwrap();
            ahead.sort_by_key(|aborted| std::cmp::Reverse(aborted.first_offset));
            let mut skipped = HashSet::new();
            for batch in &batches {
                let header = batch.header();
                while let Some(aborted) = ahead.pop_if(|aborted| aborted.first_offset <= header.last_offset())
                {
                    skipped.insert(aborted.producer_id);
                }
                read_batch(batch, next, &mut skipped, &mut records);
            }
            next = end;
        }
    }
}

fn read_batch(batch: &Batch, from: i64, skipped: &mut HashSet<i64>, records: &mut Vec<Record>) {
    let header = batch.header();
    for record in &batch.records(InflateLimits::default()).unwrap() {
        let record = record.unwrap();
        if header.is_control() {
            if record.key.unwrap()[3] == 0 {
                skipped.remove(&header.producer_id);
            }
        } else if record.offset >= from
            && !(header.is_transactional() && skipped.contains(&header.producer_id))
        {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            records.push((record.offset, text(record.key.unwrap()), record.value.map(text)));
        }
    }
}

#[test]
fn a_transaction_is_seen_once_its_marker_is_on_disk() {
    let test = TestLog::new(LogConfig::default());
    test.append(&data(1, 0, "a"));
    test.append(&numbered(7));
    assert_eq!(test.log().offsets().last_stable, 0);
    assert!(test.committed_from(0, 1000).is_empty());
    assert_eq!(test.records().len(), 2, "others see all of it");
    test.log().append_marker(marker(1, 0, true), 1).unwrap();
    test.log().apply_retention(1).unwrap();
    assert_eq!(test.log().offsets().last_stable, 0, "the marker is not durable yet, whoever looks");
    test.log().flush_now().unwrap();
    let offsets = test.log().offsets();
    assert_eq!((offsets.last_stable, offsets.end), (3, 3));
    assert_eq!(test.committed_from(0, 1000).len(), 2);
    assert_eq!(test.log().aborted_transactions(0, 3).unwrap(), []);
}

#[tokio::test]
async fn a_marker_whose_outcome_is_recorded_is_seen_at_once_if_all_before_it_is_on_disk() {
    let test = TestLog::new(LogConfig::default());
    test.append(&data(1, 0, "a"));
    let end = test.log().append_recorded_marker(marker(1, 0, true), 1).unwrap().last_offset + 1;
    assert_eq!((test.log().offsets().last_stable, test.committed_from(0, 1000).len()), (end, 1));
    let log = Arc::clone(test.log());
    let syncing = tokio::spawn(async move { log.synced(end).await });
    tokio::task::yield_now().await;
    assert!(!syncing.is_finished(), "seen, but not on disk");
    test.log().flush_now().unwrap();
    syncing.await.unwrap().unwrap();

    test.log().append(&data(2, 0, "b"), 1).unwrap();
    test.log().append_recorded_marker(marker(2, 0, true), 1).unwrap();
    assert_eq!(test.log().offsets().last_stable, end, "the record before it may be lost");
    test.log().flush_now().unwrap();
    assert_eq!(test.log().offsets().last_stable, end + 2);
}

#[test]
fn an_aborted_transaction_is_told_for_every_range_that_it_overlaps() {
    let mut test = TestLog::new(LogConfig { segment_bytes: 200, ..LogConfig::default() });
    for sequence in 0..4 {
        test.append(&data(1, sequence, "gone"));
        test.append(&data(2, sequence, "stays"));
    }
    test.end(marker(1, 0, false));
    assert_eq!(test.log().offsets().last_stable, 1, "the other one is still open");
    test.append(&data(1, 4, "stays, too"));
    test.end(marker(2, 0, true));
    test.end(marker(1, 0, true));
    for _ in 0..2 {
        assert_eq!(test.log().offsets().last_stable, 12);
        for from in 0..12 {
            let expected = if from <= 8 { vec![aborted(1, 0)] } else { Vec::new() };
            assert_eq!(test.log().aborted_transactions(from, from + 1).unwrap(), expected, "{from}");
            let committed = test.committed_from(from, 100);
            assert!(committed.iter().all(|record| record.2.as_deref() != Some("gone")), "{committed:?}");
        }
        assert_eq!(test.committed_from(0, 10_000).len(), 5);
        test.reopen();
    }
}

#[test]
fn epochs_and_sequences_are_held_over_markers() {
    let mut test = TestLog::new(LogConfig::default());
    test.append(&data(1, 0, "a"));
    let log = Arc::clone(test.log());
    let plain = produced((1, 0, 1), false, &[("k", None)]);
    assert!(matches!(log.append(&plain, 1), Err(LogError::InvalidTransactionState { producer_id: 1 })));
    assert!(log.append(&data(1, 0, "a"), 1).unwrap().duplicate);
    test.end(marker(1, 0, true));
    // The same epoch goes on where it was; the next one begins anew.
    assert!(log.append(&data(1, 0, "a"), 1).unwrap().duplicate, "sent again after the end");
    assert!(matches!(log.append(&data(1, 5, "x"), 1), Err(LogError::OutOfOrderSequence { expected: 1, .. })));
    test.append(&data(1, 1, "b"));
    test.end(marker(1, 1, false));
    drop(log);
    for _ in 0..2 {
        let log = Arc::clone(test.log());
        assert!(matches!(
            log.append(&data(1, 2, "late"), 1),
            Err(LogError::InvalidProducerEpoch { current: 1, .. })
        ));
        assert!(matches!(
            log.append_marker(marker(1, 0, true), 1),
            Err(LogError::InvalidProducerEpoch { current: 1, found: 0, .. })
        ));
        let skipping = produced((1, 1, 3), true, &[("k", None)]);
        assert!(matches!(log.append(&skipping, 1), Err(LogError::OutOfOrderSequence { expected: 0, .. })));
        drop(log);
        test.reopen();
    }
    test.append(&produced((1, 1, 0), true, &[("k", None)]));
    let newer = Marker { coordinator_epoch: 4, ..marker(1, 1, true) };
    test.end(newer);
    let older = Marker { coordinator_epoch: 3, ..newer };
    assert!(matches!(
        test.log().append_marker(older, 1),
        Err(LogError::CoordinatorFenced { current: 4, .. })
    ));
}

#[test]
fn of_an_unknown_producer_a_later_sequence_is_taken_unless_each_transaction_begins_at_zero() {
    let test = TestLog::new(LogConfig::default());
    assert!(!test.log().append(&data(1, 17, "expired"), 1).unwrap().duplicate);
    let refused = test.log().append_with_epoch_bumps(&data(2, 17, "lost its first"), 1);
    assert!(matches!(refused, Err(LogError::OutOfOrderSequence { expected: 0, found: 17, .. })));
    test.log().append_with_epoch_bumps(&data(2, 0, "first"), 1).unwrap();
}

#[test]
fn a_producer_with_an_open_transaction_does_not_expire() {
    let test = TestLog::new(LogConfig::default());
    test.append(&data(1, 0, "open"));
    test.append(&produced((2, 0, 0), false, &[("k", None)]));
    test.log().expire_producers(i64::MAX);
    let known: Vec<i64> = test.log().producers().iter().map(|producer| producer.producer_id).collect();
    assert_eq!(known, [1]);
    test.end(marker(1, 0, false));
    test.log().expire_producers(i64::MAX);
    assert_eq!(test.log().producers(), []);
}

#[test]
fn retention_waits_for_the_transaction_and_deletion_does_not() {
    let config = LogConfig { segment_bytes: 200, retention_bytes: Some(0), ..LogConfig::default() };
    let mut test = TestLog::new(config);
    test.append(&numbered(0));
    test.append(&numbered(1));
    test.append(&numbered(2));
    test.append(&data(1, 0, "open"));
    (4..12).for_each(|number| _ = test.append(&numbered(number)));
    test.log().apply_retention(1).unwrap();
    let offsets = test.log().offsets();
    assert!(offsets.start > 0 && offsets.start <= 3, "{offsets:?}");
    assert_eq!(offsets.last_stable, 3);
    // As in Kafka: the records of an open transaction can be deleted, and the last stable offset is never before the start.
    test.log().delete_before(6).unwrap();
    assert_eq!(test.log().offsets().last_stable, 6);
    test.reopen();
    assert_eq!(test.log().offsets().last_stable, 6);
    test.end(marker(1, 0, false));
    assert_eq!(test.log().offsets().last_stable, 13);
    assert_eq!(test.committed_from(6, 1000).len(), 6);
}

#[tokio::test]
async fn who_waits_is_woken_when_the_transaction_ends() {
    let test = TestLog::new(LogConfig::default());
    test.append(&data(1, 0, "a"));
    let woken = Arc::new(tokio::sync::Notify::new());
    test.log().notify_on_append(&woken);
    test.end(marker(1, 0, true));
    woken.notified().await;
    assert_eq!(test.log().offsets().last_stable, 2);
}

/// Markers in a log, by offset.
fn markers(test: &TestLog) -> Vec<i64> {
    let bytes = test.log().read(0, usize::MAX, true).unwrap();
    let mut found: Vec<i64> = Vec::new();
    let (mut next, mut rest) = (0, bytes);
    while !rest.is_empty() {
        for batch in Batches::new(rest) {
            let header: BatchHeader = *batch.unwrap().header();
            found.extend(header.is_control().then_some(header.base_offset));
            next = header.next_offset();
        }
        rest = test.log().read(next, usize::MAX, true).unwrap();
    }
    found
}

#[test]
fn compaction_stops_at_an_open_transaction_and_drops_aborted_records_and_old_markers() {
    let config = LogConfig {
        segment_bytes: 200,
        cleanup_policy: CleanupPolicy { delete: false, compact: true },
        min_cleanable_dirty_ratio: 0.0,
        delete_retention_ms: 100,
        ..LogConfig::default()
    };
    let mut test = TestLog::new(config);
    let filler =
        |test: &TestLog| (0..6).for_each(|_| _ = test.append(&batch(&[("filler", Some("y"))], 1, None)));
    test.append(&data(1, 0, "committed"));
    test.end(marker(1, 0, true));
    test.append(&data(2, 0, "aborted"));
    test.end(marker(2, 0, false));
    test.append(&data(3, 0, "open"));
    filler(&test);
    test.log().compact(1_000).unwrap();
    assert!(test.log().inner.lock().cleaned_to <= 4, "not beyond the open transaction");
    test.end(marker(3, 0, false));
    filler(&test);
    test.log().compact(1_001).unwrap();
    let value = |test: &TestLog| test.records().into_iter().find(|record| record.1 == "k").unwrap();
    assert_eq!(value(&test), (0, "k".to_owned(), Some("committed".to_owned())), "nothing supersedes it");
    assert_eq!(markers(&test), [1, 3, 11]);
    filler(&test);
    test.log().compact(1_050).unwrap();
    assert_eq!(markers(&test), [1, 3, 11], "a reader may still need them");
    filler(&test);
    test.log().compact(1_200).unwrap();
    assert_eq!(markers(&test), [1], "its record is still there");
    for _ in 0..2 {
        assert_eq!(test.log().aborted_transactions(0, i64::MAX).unwrap(), []);
        assert_eq!(value(&test).0, 0);
        test.reopen();
    }
}
