//! How a transaction ends: the outcome on disk, then a marker in every partition, then Complete.
//!
//! A crash anywhere leaves a Prepare record as the newest of its id, or Complete. After the first, the next start writes all markers once more: a second
//! marker ends nothing, as no transaction of this id can have begun in between. Complete need not be waited for: whatever the id does next
//! is appended behind it in the same log, so it is never on disk without it; and it is appended only when the markers are on disk.

use std::sync::Arc;

use broker_protocol::ErrorCode;
use tokio::runtime::Handle;

use super::{coordinator::Transactions, entry::Step, store, transaction::Transaction};
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
    let mut appended = Vec::with_capacity(prepared.partitions.len());
    let mut has_offsets = false;
    for partition in &prepared.partitions {
        let Some(log) = state.topics.partition(&partition.topic, partition.partition) else { continue };
        match log.append_marker(marker, now_ms()) {
            Ok(marker) => appended.push((log, marker.last_offset + 1)),
            Err(LogError::Deleted { .. }) => {}
            Err(error) => return Err(error),
        }
        has_offsets |= partition.topic == OFFSETS_TOPIC;
    }
    for (log, end) in appended {
        await_marker(&log, end)?;
    }
    if has_offsets {
        state.groups.end_transaction(prepared.producer_id, commit);
    }
    Ok(())
}

fn await_marker(log: &Arc<PartitionLog>, end: i64) -> Result<(), LogError> {
    match Handle::current().block_on(log.durable(end)) {
        Err(LogError::Deleted { .. }) => Ok(()),
        other => other,
    }
}
