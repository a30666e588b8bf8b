//! The sender's part in transactions: partitions are added before their first batch leaves, and what belongs to a transaction that is
//! being aborted goes no further.

use std::sync::Arc;

use broker_protocol::ApiKey;
use tokio::time::Instant;

use super::{Event, Identity, Sender};
use crate::error::Error;
use crate::producer::accumulator::Place;
use crate::producer::produce::Terms;
use crate::producer::transaction::{Admission, Standing};
use crate::types::TopicPartition;

impl Sender {
    /// Takes over the transaction's identity, and gives up what it no longer wants.
    pub(super) fn follow_transaction(&mut self) {
        let Some(transactional) = self.shared.transactional.clone() else { return };
        let (identity, standing) = {
            let state = transactional.state.lock();
            (state.identity(), state.standing())
        };
        if let Some((id, epoch)) = identity
            && !matches!(self.identity, Identity::Known { id: known, epoch: at, .. } if (known, at) == (id, epoch))
        {
            // A transaction ends only when nothing of it is left in the lanes.
            self.lanes.clear();
            self.identity = Identity::Known { id, epoch, next_sequence: 0 };
        }
        match standing {
            Standing::Flowing => {}
            Standing::Failed(error) => self.fail_all(&error),
            Standing::Ending(error) => {
                self.give_up_unsent(None, |_sender, _place| error.clone());
                let broken = self.lanes.values_mut().filter(|lane| lane.wants_identity());
                let left: Vec<_> = broken.flat_map(|lane| lane.take_expired(None)).collect();
                for batch in left {
                    self.settle(batch, Some(&error));
                    self.shared.progress.notify_waiters();
                }
            }
        }
    }

    /// Whether a partition's batches may leave; if it must be added to the transaction first, that is noted.
    pub(super) fn is_admitted(&mut self, place: Place) -> bool {
        let Some(transactional) = &self.shared.transactional else { return true };
        let admission = transactional.state.lock().admit(place);
        if admission == Admission::Add {
            self.unadded.push(place);
        }
        admission == Admission::Send
    }

    /// Adds the partitions that wait for it, one request at a time.
    pub(super) fn add_partitions(&mut self, now: Instant) {
        let places = std::mem::take(&mut self.unadded);
        let paused = self.add_after.is_some_and(|after| after > now);
        if !paused {
            self.add_after = None;
        }
        let Some(transactional) = &self.shared.transactional else { return };
        if places.is_empty() || self.adding || paused {
            return;
        }
        self.adding = true;
        let partitions = {
            let accumulator = self.shared.accumulator.lock();
            let partition = |place: &Place| TopicPartition {
                topic: accumulator.topic_name(place.0),
                partition: i32::try_from(place.1).unwrap_or(i32::MAX),
            };
            places.iter().map(partition).collect::<Vec<_>>()
        };
        let (shared, transactional) = (Arc::clone(&self.shared), Arc::clone(transactional));
        let pause = self.client.config().retry_backoff;
        self.tasks.spawn(async move {
            let (owner, request) = (Arc::clone(&shared), Arc::clone(&transactional));
            let added = transactional.coordinators.in_turn(async move {
                // By the time it is this request's turn the transaction may be on its way out.
                let Some(identity) = request.state.lock().attempt() else { return Ok(()) };
                request.coordinators.add_partitions(identity, &partitions).await?;
                owner.update(&request, |state| state.added(&places));
                Ok(())
            });
            let result = match added.await {
                Ok(()) => Ok(()),
                Err(error) => {
                    tracing::debug!(%error, "partitions were not added to the transaction");
                    match shared.judge(&transactional, ApiKey::AddPartitionsToTxn, &error, pause) {
                        Ok(pause) => Err(pause),
                        // It stands in the transaction's state, and commit and abort tell.
                        Err(_told) => Ok(()),
                    }
                }
            };
            Event::Added(result)
        });
    }

    /// Records failed for good: their transaction can only be aborted.
    pub(super) fn note_lost(&self, error: &Error) {
        let Some(transactional) = &self.shared.transactional else { return };
        let consequence = matches!(
            error,
            Error::TransactionAborted { .. } | Error::TransactionFailed { .. } | Error::Closed { .. }
        );
        if !consequence {
            self.shared.update(transactional, |state| state.batch_failed(error));
        }
    }

    /// What all batches of a request have in common.
    pub(super) fn terms(&self) -> Terms {
        let transactional = self.shared.transactional.as_ref();
        let state = transactional.map(|transactional| transactional.state.lock());
        Terms {
            acks: self.config.acks,
            timeout: self.client.config().request_timeout,
            transactional_id: state.as_ref().map(|state| state.id().into()),
            classic: state.is_some_and(|state| !state.is_v2()),
        }
    }
}
