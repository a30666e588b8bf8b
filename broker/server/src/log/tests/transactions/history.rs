//! A model of a log with transactions, told the same story as a log: what readers see is worked out from the story alone.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    super::{super::ProducerView, *},
    *,
};

/// What happened to a log, in order; offsets are where it happened.
#[derive(Clone, Debug)]
enum Event {
    Data { producer: Option<(i64, i16, i32)>, transactional: bool, records: Vec<Record> },
    End { marker: Marker, offset: i64 },
}

impl Event {
    fn next_offset(&self) -> i64 {
        match self {
            Self::Data { records, .. } => records.last().unwrap().0 + 1,
            Self::End { offset, .. } => offset + 1,
        }
    }
}

/// What the events say, worked out without any of the log's means.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    open: BTreeMap<i64, i64>,
    aborted: Vec<AbortedTransaction>,
    records: Vec<Record>,
    producers: Vec<ProducerView>,
    end: i64,
}

impl Expected {
    fn of(events: &[Event]) -> Self {
        let (mut expected, mut pending) = (Self::default(), BTreeMap::<i64, Vec<Record>>::new());
        let mut producers = BTreeMap::<i64, ProducerView>::new();
        for event in events {
            match event {
                Event::Data { producer, transactional, records } => {
                    if let Some((id, epoch, sequence)) = *producer {
                        let last_sequence = sequence + i32::try_from(records.len()).unwrap() - 1;
                        let known = producers.get(&id).map_or(-1, |producer| producer.coordinator_epoch);
                        producers.insert(id, view(id, epoch, last_sequence, known));
                    }
                    match producer.filter(|_| *transactional) {
                        Some((id, ..)) => {
                            expected.open.entry(id).or_insert(records[0].0);
                            pending.entry(id).or_default().extend(records.iter().cloned());
                        }
                        None => expected.records.extend(records.iter().cloned()),
                    }
                }
                Event::End { marker, .. } => {
                    let Marker { producer_id: id, producer_epoch: epoch, .. } = *marker;
                    let same = producers.get(&id).filter(|known| known.producer_epoch == epoch);
                    let last_sequence = same.map_or(-1, |known| known.last_sequence);
                    producers.insert(id, view(id, epoch, last_sequence, marker.coordinator_epoch));
                    let first = expected.open.remove(&id);
                    let records = pending.remove(&id).unwrap_or_default();
                    if marker.commit {
                        expected.records.extend(records);
                    } else {
                        expected.aborted.extend(first.map(|first| aborted(id, first)));
                    }
                }
            }
            expected.end = event.next_offset();
        }
        expected.producers = producers.into_values().collect();
        for producer in &mut expected.producers {
            producer.transaction_start_offset =
                expected.open.get(&producer.producer_id).copied().unwrap_or(-1);
        }
        let last_stable = expected.last_stable();
        expected.records.retain(|record| record.0 < last_stable);
        expected.records.sort();
        expected
    }

    fn last_stable(&self) -> i64 {
        self.open.values().copied().min().unwrap_or(self.end)
    }
}

fn view(producer_id: i64, producer_epoch: i16, last_sequence: i32, coordinator_epoch: i32) -> ProducerView {
    let (last_timestamp, transaction_start_offset) = (1, -1);
    ProducerView {
        producer_id,
        producer_epoch,
        last_sequence,
        last_timestamp,
        coordinator_epoch,
        transaction_start_offset,
    }
}

/// A log and what happened to it.
struct History {
    test: TestLog,
    events: Vec<Event>,
    /// Epoch and next sequence of each producer.
    producers: BTreeMap<i64, (i16, i32)>,
}

impl History {
    fn new(config: LogConfig) -> Self {
        Self { test: TestLog::new(config), events: Vec::new(), producers: BTreeMap::new() }
    }

    /// Producers 1 to 4 write in transactions, 5 numbers its batches, 0 does neither.
    fn write(&mut self, id: i64, records: &[(String, Option<String>)]) {
        let (epoch, sequence) = *self.producers.entry(id).or_default();
        let transactional = (1..5).contains(&id);
        let identity = if id == 0 { (-1, -1, -1) } else { (id, epoch, sequence) };
        let borrowed: Vec<_> = records.iter().map(|(key, value)| (&**key, value.as_deref())).collect();
        let batch = produced(identity, transactional, &borrowed);
        let appended = self.test.log().append(&batch, 1).unwrap();
        assert!(!appended.duplicate);
        self.producers.insert(id, (epoch, sequence + i32::try_from(records.len()).unwrap()));
        let records = (appended.base_offset..).zip(records.iter().cloned());
        let records = records.map(|(offset, (key, value))| (offset, key, value)).collect();
        let producer = (id != 0).then_some(identity);
        self.events.push(Event::Data { producer, transactional, records });
        if id != 0 {
            assert!(self.test.log().append(&batch, 1).unwrap().duplicate, "sent again");
        }
    }

    fn end(&mut self, id: i64, commit: bool, bump: bool) {
        let (epoch, sequence) = *self.producers.entry(id).or_default();
        let next = if bump { (epoch + 1, 0) } else { (epoch, sequence) };
        self.producers.insert(id, next);
        let marker = marker(id, next.0, commit);
        let offset = self.test.log().append_marker(marker, 1).unwrap().base_offset;
        self.events.push(Event::End { marker, offset });
    }

    /// Kill -9 and a loss of up to `lost` bytes that were not on disk, with all that happened in them.
    fn crash(&mut self, lost: u64) {
        let (active, size, kept, durable) = {
            let inner = self.test.log().inner.lock();
            let kept = inner.flushed_position.max(inner.active.size.saturating_sub(lost));
            (inner.active.base_offset, inner.active.size, kept, inner.flushed_offset)
        };
        if kept < size {
            let path = self.test.path(&format!("{active:020}.log"));
            fs::File::options().write(true).open(path).unwrap().set_len(kept).unwrap();
        }
        self.test.reopen();
        let end = self.test.log().offsets().end;
        assert!(end >= durable, "what was on disk is there");
        self.events.retain(|event| event.next_offset() <= end);
        assert_eq!(Expected::of(&self.events).end, end);
        self.forget_lost();
    }

    /// Producers go on from what the log has of them.
    fn forget_lost(&mut self) {
        let known = Expected::of(&self.events).producers;
        let known =
            known.iter().map(|view| (view.producer_id, (view.producer_epoch, view.last_sequence + 1)));
        self.producers = known.collect();
    }

    fn check(&self, bytes_max: usize, compacted: bool) {
        let log = self.test.log();
        log.flush_now().unwrap();
        let (expected, offsets) = (Expected::of(&self.events), log.offsets());
        assert_eq!((offsets.end, offsets.last_stable), (expected.end, expected.last_stable()));
        assert_eq!(log.producers(), expected.producers);
        let found = self.test.committed_from(0, bytes_max);
        if compacted {
            assert_eq!(table(&found), table(&expected.records), "the newest committed values");
            let known: BTreeSet<&Record> = expected.records.iter().collect();
            assert!(found.iter().all(|record| known.contains(record)), "nothing that was not committed");
            return;
        }
        assert_eq!(found, expected.records);
        for from in 0..expected.end {
            let all = log.aborted_transactions(from, offsets.last_stable).unwrap();
            let ends = |first: &AbortedTransaction| {
                self.abort_of(first) >= from && first.first_offset < offsets.last_stable
            };
            let wanted: Vec<_> = expected.aborted.iter().copied().filter(ends).collect();
            assert_eq!(all, if from < offsets.last_stable { wanted } else { Vec::new() }, "from {from}");
        }
    }

    /// Where the marker of an aborted transaction is.
    fn abort_of(&self, aborted: &AbortedTransaction) -> i64 {
        let ends = self.events.iter().filter_map(|event| match event {
            Event::End { marker, offset } if marker.producer_id == aborted.producer_id => Some(*offset),
            _ => None,
        });
        ends.filter(|offset| *offset > aborted.first_offset).min().unwrap()
    }
}

/// The newest value of each key that is not deleted.
fn table(records: &[Record]) -> BTreeMap<&str, &str> {
    let newest: BTreeMap<&str, Option<&str>> =
        records.iter().map(|(_, key, value)| (&**key, value.as_deref())).collect();
    newest.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

#[test]
fn a_log_of_transactions_torn_at_any_byte_is_recovered_exactly() {
    let record = |value: i32| vec![("k".to_owned(), Some(value.to_string()))];
    let mut history = History::new(LogConfig::default());
    let mut ends = vec![0];
    for step in 0..14 {
        match step {
            0 | 3 | 9 => history.write(1, &record(step)),
            1 | 5 | 6 => history.write(2, &record(step)),
            4 => history.end(1, false, false),
            7 => history.end(2, true, true),
            10 => history.end(1, true, true),
            11 => history.write(2, &record(step)),
            12 => history.end(2, false, true),
            _ => history.write(0, &record(step)),
        }
        ends.push(history.test.log().size_bytes());
    }
    let path = history.test.path("00000000000000000000.log");
    let (bytes, events) = (fs::read(&path).unwrap(), history.events.clone());
    for length in 0..=bytes.len() {
        for garbage in [&b""[..], b"garbage behind the tear"] {
            fs::write(&path, [&bytes[..length], garbage].concat()).unwrap();
            history.test.reopen();
            let whole = ends.iter().filter(|end| **end <= length as u64).count() - 1;
            history.events = events[..whole].to_vec();
            history.check(10_000, false);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write { id: i64, records: Vec<(u8, Option<u16>)> },
    End { id: i64, commit: bool, bump: bool },
    Flush,
    Crash { lost: u64 },
    Restart,
    Damage { extension: &'static str, byte: usize },
    Compact { later_ms: i64 },
    Check { bytes_max: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let record = (0..8_u8, proptest::option::weighted(0.9, any::<u16>()));
    let records = proptest::collection::vec(record, 1..4);
    let file = prop_oneof![Just("txnindex"), Just("index"), Just("sums"), Just("snapshot")];
    prop_oneof![
        12 => (0..6_i64, records).prop_map(|(id, records)| Step::Write { id, records }),
        6 => (1..5_i64, any::<bool>(), any::<bool>()).prop_map(|(id, commit, bump)| Step::End { id, commit, bump }),
        2 => Just(Step::Flush),
        1 => (0..600_u64).prop_map(|lost| Step::Crash { lost }),
        1 => Just(Step::Restart),
        1 => (file, any::<usize>()).prop_map(|(extension, byte)| Step::Damage { extension, byte }),
        2 => (0..150_i64).prop_map(|later_ms| Step::Compact { later_ms }),
        2 => (1..2_000_usize).prop_map(|bytes_max| Step::Check { bytes_max }),
    ]
}

fn run(config: LogConfig, steps: Vec<Step>) {
    let compacted = config.cleanup_policy.compact;
    let (mut history, mut now) = (History::new(config), 0);
    for step in steps {
        match step {
            Step::Write { id, records } => {
                let text = |(key, value): (u8, Option<u16>)| {
                    (format!("k{key}"), value.map(|value| value.to_string()))
                };
                history.write(id, &records.into_iter().map(text).collect::<Vec<_>>());
            }
            Step::End { id, commit, bump } => history.end(id, commit, bump),
            Step::Flush => history.test.log().flush_now().unwrap(),
            Step::Crash { lost } => history.crash(lost),
            Step::Restart => history.test.restart(),
            Step::Damage { extension, byte } => {
                history.test.log().flush_now().unwrap();
                if !(history.events.is_empty() || compacted && extension == "snapshot") {
                    history.test.damage(extension, byte);
                }
                history.test.reopen();
            }
            Step::Compact { later_ms } => {
                now += later_ms;
                history.test.log().compact(now).unwrap();
            }
            Step::Check { bytes_max } => history.check(bytes_max, compacted),
        }
    }
    history.check(500, compacted);
    history.crash(0);
    history.check(500, compacted);
}

impl TestLog {
    /// Flips a bit of one of the files with this extension, or takes an empty one away.
    fn damage(&self, extension: &str, byte: usize) {
        let files = self.files(extension);
        let Some(file) = files.get(byte % files.len().max(1)) else { return };
        let mut bytes = fs::read(file).unwrap();
        if bytes.is_empty() || byte.is_multiple_of(3) {
            return fs::remove_file(file).unwrap();
        }
        let at = byte % bytes.len();
        bytes[at] ^= 1;
        fs::write(file, bytes).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn committed_records_are_what_the_history_says(steps in proptest::collection::vec(step(), 1..80)) {
        run(LogConfig { segment_bytes: 700, ..LogConfig::default() }, steps);
    }

    #[test]
    fn compaction_never_loses_a_committed_value_nor_shows_an_aborted_one(steps in proptest::collection::vec(step(), 1..80)) {
        run(LogConfig {
            segment_bytes: 700,
            cleanup_policy: CleanupPolicy { delete: false, compact: true },
            min_cleanable_dirty_ratio: 0.0,
            delete_retention_ms: 100,
            ..LogConfig::default()
        }, steps);
    }
}
