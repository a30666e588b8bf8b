//! How a transaction ends: the outcome on disk, then a marker in every partition, then Complete.
//!
//! A crash anywhere leaves a Prepare record as the newest of its id, or Complete. After the first, the next start writes the markers once more, before
//! anyone reads.
//!
//! Readers see a marker before it is on disk: if a power failure takes it, the outcome is still there, and nothing lies behind the marker that anyone
//! has seen, so that the next start writes it in the same place. That holds as long as the outcome is the newest record of its id, so whatever is written
//! of the id next waits for the markers ([`sync_markers`]). It seldom has to: the next transaction writes to the same partitions, and the fsync of its records
//! is theirs as well. Then its outcome takes the place of the Complete record, which is written only if nothing follows for a while. So a transaction
//! that follows another costs an fsync of each of its partitions and one of its outcome.
//!
//! What the id does *not* write down is that partitions join by being written to (see [`recovery`](super::recovery)), so the next transaction's records may
//! be on disk when Complete is not. A second marker would end that one. It is told from the first by the epoch: such an end raised it, so a partition
//! that knows the raised epoch has the marker, or records that came after it, and gets no second one. After an end that did not raise the epoch (an
//! older client's) the next transaction *is* written down before its first record, and so behind the markers.

use broker_protocol::ErrorCode;
use tokio::runtime::Handle;

use super::{
    coordinator::Transactions,
    entry::{Step, UnsyncedMarker},
    recovery, store,
    transaction::Transaction,
};
use crate::{
    broker::{State, now_ms},
    log::{LogError, Marker},
    topics::OFFSETS_TOPIC,
};

/// There was never another coordinator.
const COORDINATOR_EPOCH: i32 = 0;

/// Writes the outcome, once nothing is being appended any more. On disk when this returns.
pub(super) fn end(state: &State, step: &Step<'_>, prepared: Transaction) -> Result<(), ErrorCode> {
    step.close();
    let written = Transactions::put(state, step, prepared);
    if written.is_err() {
        step.reopen();
    }
    written
}

/// Carries out an outcome that is on disk: its markers are there for all readers when this returns. What cannot be written now is due again soon.
pub(super) fn finish(state: &State, step: &Step<'_>) -> Result<(), ErrorCode> {
    let Some(prepared) = step.transaction() else { return Ok(()) };
    let Some(commit) = prepared.state.prepared() else { return Ok(()) };
    let markers = append_markers(state, &prepared, commit)
        .map_err(|error| try_later(state, step, &format!("markers are missing: {error}")))?;
    let due = step.show_unwritten(prepared.complete(now_ms()), markers);
    state.transactions.alarm.set(due);
    recovery::take_in(state, step);
    Ok(())
}

/// Markers in all partitions. Those that were deleted need none.
fn append_markers(
    state: &State,
    prepared: &Transaction,
    commit: bool,
) -> Result<Vec<UnsyncedMarker>, LogError> {
    let marker = Marker {
        producer_id: prepared.producer_id,
        producer_epoch: prepared.producer_epoch,
        coordinator_epoch: COORDINATOR_EPOCH,
        commit,
    };
    let mut unsynced = Vec::with_capacity(prepared.partitions.len());
    let mut has_offsets = false;
    for partition in &prepared.partitions {
        has_offsets |= partition.topic == OFFSETS_TOPIC;
        let Some(log) = state.topics.partition(&partition.topic, partition.partition) else { continue };
        if prepared.is_marked_by(log.producer_epoch(marker.producer_id)) {
            unsynced.push(UnsyncedMarker { end: log.offsets().end, log });
            continue;
        }
        match log.append_recorded_marker(marker, now_ms()) {
            Ok(marker) => unsynced.push(UnsyncedMarker { end: marker.last_offset + 1, log }),
            Err(LogError::Deleted { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    // What a group has committed counts once the outcome is on disk, as for any reader.
    if has_offsets {
        state.groups.end_transaction(prepared.producer_id, commit);
    }
    Ok(unsynced)
}

/// Returns once the markers of the last end are on disk.
pub(super) fn sync_markers(step: &Step<'_>) -> Result<(), LogError> {
    let unsynced = step.unsynced();
    unsynced.iter().for_each(|marker| marker.log.ask_for_sync(marker.end));
    for marker in &unsynced {
        match Handle::current().block_on(marker.log.synced(marker.end)) {
            Ok(()) | Err(LogError::Deleted { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    step.forget_unsynced();
    Ok(())
}

/// Writes the Complete record that was put off, since nothing has come that would take its place.
pub(super) fn complete(state: &State, step: &Step<'_>) -> Result<(), ErrorCode> {
    let Some(complete) = step.transaction() else { return Ok(()) };
    sync_markers(step)
        .map_err(store::StoreError::from)
        .and_then(|()| store::append(&state.topics, step.id(), Some(&complete)))
        .map_err(|error| {
            try_later(state, step, &format!("it is complete, which cannot be written: {error}"))
        })?;
    step.be_still();
    Ok(())
}

fn try_later(state: &State, step: &Step<'_>, what: &str) -> ErrorCode {
    tracing::warn!(transactional_id = step.id(), "a transaction's end waits: {what}");
    state.transactions.alarm.set(step.retry_later());
    ErrorCode::CONCURRENT_TRANSACTIONS
}
