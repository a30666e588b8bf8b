//! Positions at every event of a transaction, and restarts from each of them.

use api::{Bytes, Text};

use super::*;

const UUID: [u8; 16] = [0x11; 16];

fn event(size: u32, log_pos: u32) -> RawEvent {
    RawEvent {
        kind: 0,
        timestamp: 9,
        server_id: 3,
        size,
        log_pos,
        flags: 0,
        inner: false,
        body: Bytes::new(),
    }
}

fn start() -> Tracker {
    let gtids = GtidSet::parse("11111111-1111-1111-1111-111111111111:1-4", false).unwrap();
    let file = Text::from_static("b.000001");
    Tracker::new(Position { file, pos: 100, gtids: Some(gtids), ..Position::default() })
}

/// A transaction of two events with two rows each; returns the rows that were handed out, and after each the position.
fn transaction(tracker: &mut Tracker, number: u64) -> Vec<((u64, u64), Position)> {
    let mut handed_out = Vec::new();
    tracker.enter(&event(50, 150));
    tracker.mysql_gtid(Some((UUID, String::new(), number)), 77);
    tracker.leave();
    tracker.enter(&event(50, 200));
    tracker.begin(Some(1));
    tracker.leave();
    for (index, end) in [(0, 250), (1, 300)] {
        tracker.enter(&event(50, end));
        for row in 0..2 {
            let skipped = row < tracker.rows_to_skip();
            tracker.hand_out();
            if !skipped {
                handed_out.push(((index, row), tracker.position()));
            }
        }
        tracker.leave();
    }
    tracker.enter(&event(50, 350));
    tracker.commit();
    tracker.leave();
    handed_out
}

#[test]
fn a_restart_from_any_row_hands_out_exactly_the_rest() {
    let all = transaction(&mut start(), 5);
    assert_eq!(all.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [(0, 0), (0, 1), (1, 0), (1, 1)]);
    for (index, (_, position)) in all.iter().enumerate() {
        assert_eq!((position.pos, &*position.file), (150, "b.000001"), "the transaction's BEGIN");
        let mut again = Tracker::new(position.clone());
        let rest: Vec<_> = transaction(&mut again, 5).into_iter().map(|(row, _)| row).collect();
        let expected: Vec<_> = all[index + 1..].iter().map(|(row, _)| *row).collect();
        assert_eq!(rest, expected);
    }
}

#[test]
fn a_restart_before_the_end_of_what_is_left_out_leaves_out_the_same() {
    let all = transaction(&mut start(), 5);
    let mut again = Tracker::new(all[2].1.clone());
    assert_eq!(again.position(), all[2].1, "before anything was read");
    again.enter(&event(50, 150));
    again.mysql_gtid(Some((UUID, String::new(), 5)), 77);
    again.enter(&event(50, 200));
    again.begin(None);
    assert_eq!(again.position().skip, all[2].1.skip);
}

#[test]
fn another_transaction_is_handed_out_whole() {
    let all = transaction(&mut start(), 5);
    let mut again = Tracker::new(all[1].1.clone());
    assert_eq!(transaction(&mut again, 6).len(), 4);
}

#[test]
fn a_commit_moves_the_restart_behind_it_and_into_the_gtids() {
    let mut tracker = start();
    transaction(&mut tracker, 5);
    let position = tracker.position();
    assert_eq!((position.pos, position.skip.is_none()), (350, true));
    assert!(position.gtids.unwrap().to_string().ends_with(":1-5"));
    assert_eq!(tracker.timestamp_us(), 9_000_000);
}

#[test]
fn positions_beyond_four_gibibytes_are_counted_on() {
    let mut tracker = Tracker::new(Position { pos: u64::from(u32::MAX) - 9, ..Position::default() });
    tracker.enter(&event(20, 10));
    assert_eq!(tracker.end(), u64::from(u32::MAX) + 11);
}

#[test]
fn mariadb_counts_from_its_gtid_and_starts_a_set_when_there_is_none() {
    let mut tracker =
        Tracker::new(Position { file: Text::from_static("b.1"), pos: 4, ..Position::default() });
    tracker.enter(&event(42, 46));
    tracker.mariadb_gtid(0, 8, false);
    assert_eq!((tracker.position().pos, tracker.gtid().map(|gtid| &**gtid)), (4, Some("0-3-8")));
    tracker.leave();
    assert_eq!(tracker.events(), 1);
    tracker.commit();
    assert_eq!(tracker.position().gtids.unwrap().to_string(), "0-3-8");
}

#[test]
fn a_restart_behind_the_gtid_event_still_knows_the_transaction() {
    let all = transaction(&mut start(), 5);
    let mut again = Tracker::new(all[0].1.clone());
    again.enter(&event(50, 200));
    again.begin(None);
    assert_eq!(again.gtid(), all[0].1.skip.gtid.as_ref());
    again.enter(&event(50, 350));
    again.commit();
    assert!(again.position().gtids.unwrap().to_string().ends_with(":1-5"));
}

/// MariaDB: a GTID event, then a statement and its rows, twice. Gives the numbers of the rows that are handed out.
fn annotated(tracker: &mut Tracker, is_annotated: bool) -> Vec<u64> {
    let mut handed_out = Vec::new();
    tracker.enter(&event(50, 150));
    tracker.mariadb_gtid(0, 5, false);
    tracker.leave();
    for number in 0..2 {
        if is_annotated {
            tracker.enter(&event(50, 200));
            tracker.leave_annotation();
        }
        tracker.enter(&event(50, 250));
        if tracker.rows_to_skip() == 0 {
            handed_out.push(number);
        }
        tracker.hand_out();
        tracker.leave();
    }
    handed_out
}

#[test]
fn statements_of_rows_count_only_in_the_offsets_of_debezium() {
    let gtids = || Some(GtidSet::parse("0-3-4", true).unwrap());
    let at = |events, gtid: Option<&'static str>| {
        let skip = Skip { events, rows: 1, gtid: gtid.map(Text::from_static) };
        Tracker::new(Position { gtids: gtids(), pos: 100, skip, ..Position::default() })
    };
    for is_annotated in [true, false] {
        assert_eq!(annotated(&mut at(1, Some("0-3-5")), is_annotated), [1]);
    }
    // Debezium was sent the GTID event and the statement before the first rows, or the former only.
    assert_eq!(annotated(&mut at(2, None), true), [1]);
    assert_eq!(annotated(&mut at(1, None), false), [1]);
}
