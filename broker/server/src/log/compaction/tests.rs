//! The laws of compaction, over random histories and with crashes in between.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use proptest::prelude::*;

use super::{
    super::{CleanupPolicy, LogConfig, tests::TestLog, tests::batch},
    *,
};

type RecordSeen = (i64, String, Option<String>);

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 400,
        cleanup_policy: CleanupPolicy { delete: false, compact: true },
        min_cleanable_dirty_ratio: 0.0,
        delete_retention_ms: 100,
        ..LogConfig::default()
    }
}

/// The newest record of each key.
fn newest(records: &[RecordSeen]) -> BTreeMap<String, (i64, Option<String>)> {
    records.iter().map(|(offset, key, value)| (key.clone(), (*offset, value.clone()))).collect()
}

/// What a reader ends up with: the newest values without the deleted keys.
fn table(records: &[RecordSeen]) -> BTreeMap<String, String> {
    newest(records).into_iter().filter_map(|(key, (_, value))| Some((key, value?))).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u8, Option<u16>)>),
    Compact { later_ms: i64 },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let record = (0..12_u8, proptest::option::weighted(0.8, any::<u16>()));
    prop_oneof![
        5 => proptest::collection::vec(record, 1..5).prop_map(Step::Append),
        2 => (0..150_i64).prop_map(|later_ms| Step::Compact { later_ms }),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn compaction_keeps_the_newest_of_each_key_and_changes_nothing_else(steps in proptest::collection::vec(step(), 1..60)) {
        let mut test = TestLog::new(config());
        let (mut written, mut now): (Vec<RecordSeen>, i64) = (Vec::new(), 0);
        for step in steps {
            match step {
                Step::Append(records) => {
                    let texts: Vec<_> = records.iter().map(|(key, value)| (format!("k{key}"), value.map(|value| value.to_string()))).collect();
                    let borrowed: Vec<_> = texts.iter().map(|(key, value)| (&**key, value.as_deref())).collect();
                    let appended = test.append(&batch(&borrowed, now, None));
                    written.extend((appended.base_offset..).zip(texts).map(|(offset, (key, value))| (offset, key, value)));
                }
                Step::Compact { later_ms } => {
                    now += later_ms;
                    test.log().compact(now).unwrap();
                }
                Step::Reopen => test.reopen(),
            }
            let found = test.records();
            prop_assert_eq!(table(&found), table(&written), "the newest values are all there");
            let known: BTreeSet<&RecordSeen> = written.iter().collect();
            prop_assert!(found.iter().all(|record| known.contains(record)), "records keep offset, key and value");
            prop_assert!(found.is_sorted_by_key(|record| record.0), "in order");
            let end = i64::try_from(written.len()).unwrap();
            prop_assert_eq!(test.log().offsets().end, end);
        }
    }
}

/// A log with ten values of one key, nine of them outdated, in closed segments.
fn outdated() -> TestLog {
    let test = TestLog::new(config());
    for number in 0..10 {
        test.append(&batch(&[("k", Some(&number.to_string())), ("other", Some("x"))], 1, None));
    }
    for _ in 0..6 {
        test.append(&batch(&[("filler", Some("y"))], 1, None));
    }
    test
}

#[test]
fn outdated_records_go_and_segments_become_one() {
    let mut test = outdated();
    let segments = test.files("log").len();
    assert!(test.log().compact(1).unwrap());
    for _ in 0..6 {
        test.append(&batch(&[("filler", Some("y"))], 1, None));
    }
    assert!(test.log().compact(2).unwrap());
    let records = test.records();
    assert!(test.files("log").len() < segments, "what became small was merged");
    assert_eq!(records.iter().filter(|(_, key, _)| key == "k").count(), 1);
    assert!(!test.log().compact(3).unwrap(), "nothing is new");
    test.reopen();
    assert_eq!(test.records(), records);
}

#[test]
fn a_log_that_never_fills_its_segment_is_compacted_all_the_same() {
    let mut test = TestLog::new(LogConfig { segment_bytes: 1 << 30, ..config() });
    for number in 0..200 {
        test.append(&batch(&[("k", Some(&number.to_string()))], 1, None));
    }
    assert!(test.log().compact(1).unwrap());
    assert_eq!(test.records(), [(199, "k".to_owned(), Some("199".to_owned()))]);
    assert_eq!(test.append(&batch(&[("k", None)], 1, None)).base_offset, 200);
    test.reopen();
    assert_eq!(test.records().len(), 2);
}

#[test]
fn tombstones_stay_for_their_time_after_compaction_has_seen_them() {
    let test = TestLog::new(config());
    test.append(&batch(&[("gone", Some("1"))], 1, None));
    test.append(&batch(&[("gone", None)], 1, None));
    for _ in 0..12 {
        test.append(&batch(&[("filler", Some("y"))], 1, None));
    }
    let tombstones = |test: &TestLog| test.records().iter().filter(|(_, key, _)| key == "gone").count();
    test.log().compact(1_000).unwrap();
    assert_eq!(tombstones(&test), 1, "the value is gone, the tombstone is not");
    test.log().compact(1_099).unwrap();
    assert_eq!(tombstones(&test), 1);
    assert!(test.log().compact(1_100).unwrap(), "its time is over, though nothing is new");
    assert_eq!(tombstones(&test), 0);
    assert!(!test.log().compact(9_999).unwrap());
}

#[test]
fn a_crash_at_any_step_of_the_swap_leaves_the_old_segments_or_the_new_one() {
    let expected = {
        let test = outdated();
        test.log().compact(1).unwrap();
        table(&test.records())
    };
    // The steps in the order of `swap`: each is what a crash just after it would leave.
    for steps in 0..6 {
        let mut test = outdated();
        let bases: Vec<i64> =
            test.log().inner.lock().closed.iter().map(|segment| segment.base_offset).collect();
        let all: Vec<u8> = bases
            .iter()
            .flat_map(|base| fs::read(file_path(&test.path(""), *base, "log")).unwrap())
            .collect();
        let folder = test.path("");
        fs::write(cleaned_path(&folder, bases[0]), &all).unwrap();
        if steps > 0 {
            let names: Vec<String> = bases.iter().map(i64::to_string).collect();
            fs::write(file_path(&folder, bases[0], "swap"), names.join(" ")).unwrap();
        }
        if steps > 1 {
            bases.iter().for_each(|base| fs::remove_file(file_path(&folder, *base, "index")).unwrap());
        }
        if steps > 2 {
            fs::remove_file(file_path(&folder, bases[1], "log")).unwrap();
        }
        if steps > 3 {
            bases[2..].iter().for_each(|base| fs::remove_file(file_path(&folder, *base, "log")).unwrap());
        }
        if steps > 4 {
            fs::rename(cleaned_path(&folder, bases[0]), file_path(&folder, bases[0], "log")).unwrap();
        }
        test.reopen();
        assert_eq!(table(&test.records()), expected, "crash after step {steps}");
        assert!(test.files("swap").is_empty() && test.files("cleaned").is_empty());
        assert_eq!(test.files("log").len() == 2, steps > 0, "crash after step {steps}");
        test.log().compact(5).unwrap();
        assert_eq!(table(&test.records()), expected);
    }
}

#[test]
fn readers_go_on_while_the_log_is_compacted_under_them() {
    let test = outdated();
    let expected = table(&test.records());
    let log = Arc::clone(test.log());
    std::thread::scope(|scope| {
        let compacting =
            scope.spawn(move || (0..20).filter(|round| log.compact(round * 200).unwrap()).count());
        while !compacting.is_finished() {
            assert_eq!(table(&test.records()), expected);
            test.append(&batch(&[("filler", Some("y"))], 1, None));
        }
    });
}
