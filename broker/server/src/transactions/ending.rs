//! How a transaction ends: the outcome on disk, then a marker in every partition, then Complete.
//!
//! A crash anywhere leaves a Prepare record as the newest of its id, or Complete. After the first, the next start writes the markers once more, before
//! anyone reads. Complete is appended only when the markers are on disk, and need not be waited for itself: what the id has written down
//! next lies behind it in the same log.
//!
//! What the id does *not* write down is that partitions join by being written to (see [`recovery`](super::recovery)), so the next transaction's records may
//! be on disk when Complete is not. A second marker would end that one. It is told from the first by the epoch: such an end raised it, so a partition
//! that knows the raised epoch has the marker, or records that came after it, and gets no second one.
//!
//! Readers see a marker before it is on disk: if a power failure takes it, the outcome is still there, and nothing lies behind the marker that anyone
//! has seen, so that the next start writes it in the same place.

use std::sync::Arc;

use broker_protocol::ErrorCode;
use tokio::runtime::Handle;

use super::{coordinator::Transactions, entry::Step, recovery, store, transaction::Transaction};
use crate::{
    broker::{State, now_ms},
    log::{LogError, Marker, PartitionLog},
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

/// Carries out an outcome that is on disk. What cannot be written now is due again soon.
pub(super) fn finish(state: &State, step: &Step<'_>) -> Result<(), ErrorCode> {
    let Some(prepared) = step.transaction() else { return Ok(()) };
    let Some(commit) = prepared.state.prepared() else { return Ok(()) };
    let completed = prepared.complete(now_ms());
    let done = write_markers(state, &prepared, commit)
        .map_err(store::StoreError::from)
        .and_then(|()| store::append(&state.topics, step.id(), Some(&completed)));
    match done {
        Ok(_) => {
            state.transactions.alarm.set(step.show(completed));
            recovery::take_in(state, step);
            Ok(())
        }
        Err(error) => {
            tracing::warn!(
                transactional_id = step.id(),
                "a transaction's end could not be written everywhere: {error}"
            );
            state.transactions.alarm.set(step.retry_later());
            Err(ErrorCode::CONCURRENT_TRANSACTIONS)
        }
    }
}

/// Markers in all partitions, on disk when this returns. Partitions that were deleted need none.
fn write_markers(state: &State, prepared: &Transaction, commit: bool) -> Result<(), LogError> {
    let marker = Marker {
        producer_id: prepared.producer_id,
        producer_epoch: prepared.producer_epoch,
        coordinator_epoch: COORDINATOR_EPOCH,
        commit,
    };
    let mut ends = Vec::with_capacity(prepared.partitions.len());
    let mut has_offsets = false;
    for partition in &prepared.partitions {
        has_offsets |= partition.topic == OFFSETS_TOPIC;
        let Some(log) = state.topics.partition(&partition.topic, partition.partition) else { continue };
        if prepared.is_marked_by(log.producer_epoch(marker.producer_id)) {
            ends.push((Arc::clone(&log), log.offsets().end));
            continue;
        }
        match log.append_recorded_marker(marker, now_ms()) {
            Ok(marker) => ends.push((log, marker.last_offset + 1)),
            Err(LogError::Deleted { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    // What a group has committed counts once the outcome is on disk, as for any reader.
    if has_offsets {
        state.groups.end_transaction(prepared.producer_id, commit);
    }
    for (log, end) in ends {
        await_marker(&log, end)?;
    }
    Ok(())
}

fn await_marker(log: &Arc<PartitionLog>, end: i64) -> Result<(), LogError> {
    match Handle::current().block_on(log.synced(end)) {
        Err(LogError::Deleted { .. }) => Ok(()),
        other => other,
    }
}
