//! The producer's transaction, step by step and in wrong orders.

use broker_protocol::{ApiKey, ErrorCode};

use super::{Admission, NextStep, Standing, Terms, Transaction};
use crate::error::Error;

const CLASSIC: Terms = Terms { v2: false, can_bump: true };
const V2: Terms = Terms { v2: true, can_bump: true };

fn open(terms: Terms) -> Transaction {
    let mut transaction = Transaction::new("tx");
    transaction.start_initializing().unwrap();
    transaction.identified((7, 0), terms);
    transaction.begin().unwrap();
    transaction
}

fn refused(code: ErrorCode) -> Error {
    let (broker, subject) = ("b".to_owned(), "s".to_owned());
    Error::Refused { broker, api: ApiKey::Produce, subject, code, message: None }
}

#[test]
fn calls_out_of_order_are_refused_and_say_why() {
    let mut new = Transaction::new("tx");
    let error = new.begin().unwrap_err();
    assert!(error.to_string().contains("call init_transactions first"), "{error}");
    assert!(new.start_commit().is_err() && new.start_abort().is_err());
    let mut open = open(CLASSIC);
    assert!(open.begin().is_err() && open.start_initializing().is_err());
    open.start_commit().unwrap();
    // A commit that was begun may have happened: only a commit can find out.
    assert!(open.start_abort().is_err());
    open.start_commit().unwrap();
}

#[test]
fn an_empty_transaction_asks_nothing() {
    for terms in [CLASSIC, V2] {
        let mut transaction = open(terms);
        transaction.start_commit().unwrap();
        assert_eq!(transaction.next_step().unwrap(), NextStep::Done);
        transaction.finish();
        transaction.begin().unwrap();
    }
}

#[test]
fn partitions_are_added_first_before_kip_890_and_never_after() {
    let mut classic = open(CLASSIC);
    assert_eq!(classic.admit((0, 0)), Admission::Add);
    assert_eq!(classic.attempt(), Some((7, 0)));
    classic.added(&[(0, 0)]);
    assert_eq!((classic.admit((0, 0)), classic.admit((0, 1))), (Admission::Send, Admission::Add));
    classic.start_commit().unwrap();
    assert_eq!(classic.next_step().unwrap(), NextStep::End { commit: true, surely: true });
    classic.ended(None, CLASSIC);
    classic.begin().unwrap();
    assert_eq!((classic.admit((0, 0)), classic.identity()), (Admission::Add, Some((7, 0))));

    let mut newer = open(V2);
    assert_eq!(newer.admit((0, 0)), Admission::Send);
    newer.start_commit().unwrap();
    assert_eq!(newer.next_step().unwrap(), NextStep::End { commit: true, surely: true });
    newer.ended(Some((7, 1)), V2);
    newer.begin().unwrap();
    assert_eq!(newer.identity(), Some((7, 1)));
}

#[test]
fn nothing_begins_a_transaction_that_is_being_aborted() {
    for terms in [CLASSIC, V2] {
        let mut unsent = open(terms);
        unsent.start_abort().unwrap();
        assert_eq!(unsent.admit((0, 0)), Admission::Wait);
        assert_eq!(unsent.next_step().unwrap(), NextStep::Done);
        let mut sent = open(terms);
        sent.admit((0, 0));
        sent.added(&[(0, 0)]);
        sent.attempt();
        sent.start_abort().unwrap();
        assert_eq!(sent.admit((0, 0)), Admission::Send, "what was sent is tried to its end");
        assert_eq!(sent.next_step().unwrap(), NextStep::End { commit: false, surely: true });
    }
}

#[test]
fn lost_numbers_cost_a_new_epoch_before_kip_890_only() {
    let mut classic = open(CLASSIC);
    classic.added(&[(0, 0)]);
    classic.attempt();
    let told = classic.batch_failed(&refused(ErrorCode::MESSAGE_TOO_LARGE));
    assert!(told.is_abortable() && !told.is_retriable());
    assert!(classic.start_commit().unwrap_err().is_abortable());
    assert!(matches!(classic.standing(), Standing::Ending(_)));
    classic.start_abort().unwrap();
    assert_eq!(classic.next_step().unwrap(), NextStep::End { commit: false, surely: true });
    classic.ended(None, CLASSIC);
    assert_eq!(classic.next_step().unwrap(), NextStep::Bump);
    classic.identified((7, 1), CLASSIC);
    classic.begin().unwrap();

    let mut newer = open(V2);
    newer.admit((0, 0));
    newer.batch_failed(&refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    newer.start_abort().unwrap();
    newer.ended(Some((7, 1)), V2);
    assert_eq!(newer.next_step().unwrap(), NextStep::Done);
    newer.begin().unwrap();
}

#[test]
fn without_a_way_to_a_new_epoch_lost_numbers_are_the_end() {
    let mut old = open(Terms { v2: false, can_bump: false });
    old.batch_failed(&refused(ErrorCode::MESSAGE_TOO_LARGE));
    assert!(matches!(old.standing(), Standing::Failed(_)));
    assert!(old.start_abort().is_err());
}

#[test]
fn a_fenced_producer_can_do_nothing_and_says_so_for_ever() {
    let mut fenced = open(V2);
    assert!(fenced.batch_failed(&refused(ErrorCode::PRODUCER_FENCED)).is_fenced());
    fenced.finish();
    for refusal in [fenced.start_abort(), fenced.start_commit(), fenced.begin()] {
        assert!(refusal.unwrap_err().is_fenced());
    }
    assert_eq!(fenced.admit((0, 0)), Admission::Wait);
}

#[test]
fn the_first_cause_stands_and_an_abort_is_not_disturbed() {
    let mut transaction = open(CLASSIC);
    let first = transaction.batch_failed(&refused(ErrorCode::MESSAGE_TOO_LARGE)).to_string();
    transaction.batch_failed(&refused(ErrorCode::INVALID_RECORD));
    let Standing::Ending(error) = transaction.standing() else { panic!("not ending") };
    assert_eq!(error.to_string(), first);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("MESSAGE_TOO_LARGE"), "{cause}");
    transaction.start_abort().unwrap();
    transaction.batch_failed(&refused(ErrorCode::INVALID_RECORD));
    transaction.start_abort().unwrap();
}

#[test]
fn what_the_coordinator_does_not_know_is_not_ended_but_begun_anew() {
    let mut lost = open(CLASSIC);
    lost.added(&[(0, 0)]);
    lost.attempt();
    lost.spoil(refused(ErrorCode::INVALID_PRODUCER_ID_MAPPING), true);
    lost.start_abort().unwrap();
    assert_eq!(lost.next_step().unwrap(), NextStep::Bump);
}

#[test]
fn a_cluster_that_goes_over_to_kip_890_gives_the_next_transaction_a_new_epoch() {
    let mut transaction = open(CLASSIC);
    transaction.added(&[(0, 0)]);
    transaction.attempt();
    transaction.start_commit().unwrap();
    transaction.ended(None, V2);
    assert_eq!(transaction.next_step().unwrap(), NextStep::Bump);
}
