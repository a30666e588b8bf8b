//! A transactional producer's state: what may be called when, what the sender may send, and how a transaction ends.
//!
//! ```text
//! Unused -> Initializing -> Ready -> Open -> Committing -> Ready
//!                                     |  \-> Aborting  --> Ready
//!                                     \-> Spoiled (only an abort helps) ; from everywhere: Failed (nothing helps)
//! ```
//! Pure: no clock, no socket; the rules are those of KIP-98, KIP-360, KIP-447 and KIP-890 as the Java client has them. Invariant: a
//! transaction is ended only once no record of it is under way, so nothing of it can land behind its marker; and batches of one
//! transaction bear one producer id and epoch.

use std::collections::HashSet;
use std::sync::Arc;

use broker_protocol::ErrorCode;

use super::accumulator::Place;
use crate::error::{Error, Result};

/// Producer id and epoch.
pub(crate) type ProducerIdentity = (i64, i16);

/// How transactions go at the coordinator's cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Terms {
    /// By KIP-890: producing adds partitions, and every end bumps the epoch.
    pub(crate) v2: bool,
    /// Whether a producer may ask for a higher epoch of its own (KIP-360, InitProducerId 3).
    pub(crate) can_bump: bool,
}

#[derive(Debug, Clone)]
enum Phase {
    Unused,
    Initializing,
    Ready,
    Open,
    Committing,
    Aborting,
    Spoiled(Error),
    Failed(Error),
}

/// Whether a partition's batch may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may.
    Send,
    /// Not before the partition is added to the transaction.
    Add,
    /// Not now.
    Wait,
}

/// What becomes of records that wait.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    /// They go their way.
    Flowing,
    /// Those that were never sent fail with this.
    Ending(Error),
    /// All fail with this.
    Failed(Error),
}

/// What is left to be asked of the coordinator so that a transaction is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// EndTxn. `surely`: the coordinator is known to have this transaction.
    End { commit: bool, surely: bool },
    /// InitProducerId with the present identity, for the next epoch.
    Bump,
    /// Nothing.
    Done,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Transaction {
    id: String,
    phase: Phase,
    identity: Option<ProducerIdentity>,
    terms: Terms,
    /// Partitions that the coordinator has in this transaction.
    partitions: HashSet<Place>,
    /// The coordinator may have the transaction: something was sent to make it so.
    attempted: bool,
    /// The coordinator has it.
    started: bool,
    /// Numbers were lost: the next transaction needs a new epoch.
    needs_bump: bool,
    /// The coordinator does not know the producer id: there is nothing to end.
    unknown: bool,
}

impl Transaction {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            phase: Phase::Unused,
            identity: None,
            terms: Terms::default(),
            partitions: HashSet::new(),
            attempted: false,
            started: false,
            needs_bump: false,
            unknown: false,
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn identity(&self) -> Option<ProducerIdentity> {
        self.identity
    }

    pub(crate) fn terms(&self) -> Terms {
        self.terms
    }

    /// Whether this transaction goes by KIP-890.
    pub(crate) fn is_v2(&self) -> bool {
        self.terms.v2
    }

    /// Asking for a producer id may begin (or be taken up again).
    pub(crate) fn start_initializing(&mut self) -> Result<()> {
        match &self.phase {
            Phase::Unused | Phase::Initializing => {
                self.phase = Phase::Initializing;
                Ok(())
            }
            _ => Err(self.refusal("init_transactions", "is new")),
        }
    }

    /// A producer id came, the first one or (after an abort) one with a higher epoch.
    pub(crate) fn identified(&mut self, identity: ProducerIdentity, terms: Terms) {
        (self.identity, self.terms) = (Some(identity), terms);
        self.finish();
    }

    /// Opens a transaction.
    pub(crate) fn begin(&mut self) -> Result<()> {
        match &self.phase {
            Phase::Ready => {
                self.phase = Phase::Open;
                Ok(())
            }
            _ => Err(self.refusal("begin_transaction", "is initialized and has no open transaction")),
        }
    }

    /// Whether offsets may be added; the producer id to do it with.
    pub(crate) fn check_open(&self, operation: &'static str) -> Result<ProducerIdentity> {
        match (&self.phase, self.identity) {
            (Phase::Open, Some(identity)) => Ok(identity),
            _ => Err(self.refusal(operation, "has an open transaction")),
        }
    }

    /// The commit may begin (or be taken up again after it failed with a retriable error).
    pub(crate) fn start_commit(&mut self) -> Result<()> {
        match &self.phase {
            Phase::Open | Phase::Committing => {
                self.phase = Phase::Committing;
                Ok(())
            }
            _ => Err(self.refusal("commit_transaction", "has an open transaction")),
        }
    }

    /// The abort may begin (or be taken up again).
    pub(crate) fn start_abort(&mut self) -> Result<()> {
        match &self.phase {
            Phase::Open | Phase::Spoiled(_) | Phase::Aborting => {
                self.phase = Phase::Aborting;
                Ok(())
            }
            _ => Err(self.refusal("abort_transaction", "has an open transaction")),
        }
    }

    /// What to ask next, once every record is settled. An error if the transaction can no longer be ended this way.
    pub(crate) fn next_step(&self) -> Result<NextStep> {
        let commit = match &self.phase {
            Phase::Committing => true,
            Phase::Aborting => false,
            Phase::Spoiled(error) | Phase::Failed(error) => return Err(error.clone()),
            _ => return Ok(NextStep::Done),
        };
        Ok(match (self.attempted && !self.unknown, self.needs_bump) {
            (true, _) => NextStep::End { commit, surely: self.started },
            (false, true) => NextStep::Bump,
            (false, false) => NextStep::Done,
        })
    }

    /// The coordinator ended the transaction; with KIP-890 it says under which identity the next one goes. `terms` are those
    /// of the coordinator now: who goes over to KIP-890 starts with a new epoch.
    pub(crate) fn ended(&mut self, next: Option<ProducerIdentity>, terms: Terms) {
        self.identity = next.or(self.identity);
        self.needs_bump = next.is_none() && (self.needs_bump || (terms.v2 && !self.terms.v2));
        self.terms = terms;
        (self.attempted, self.started) = (false, false);
        self.partitions.clear();
        if !self.needs_bump {
            self.finish();
        }
    }

    /// Nothing had to be asked, or all was: the producer is ready for the next transaction.
    pub(crate) fn finish(&mut self) {
        if matches!(self.phase, Phase::Failed(_)) {
            return;
        }
        self.partitions.clear();
        (self.attempted, self.started, self.needs_bump, self.unknown) = (false, false, false, false);
        self.phase = Phase::Ready;
    }

    /// Whether a batch of this partition may leave.
    pub(crate) fn admit(&mut self, place: Place) -> Admission {
        match &self.phase {
            Phase::Open | Phase::Committing if self.terms.v2 => {
                (self.attempted, self.started) = (true, true);
                Admission::Send
            }
            Phase::Open | Phase::Committing if !self.partitions.contains(&place) => Admission::Add,
            Phase::Open | Phase::Committing => Admission::Send,
            // When it is aborted, what was sent before is still tried until its fate is known. Nothing may make the coordinator begin a
            // transaction now: nobody would end it, and the next commit would show what was to be aborted.
            Phase::Aborting | Phase::Spoiled(_) => {
                let is_begun = if self.terms.v2 { self.attempted } else { self.partitions.contains(&place) };
                if is_begun { Admission::Send } else { Admission::Wait }
            }
            Phase::Unused | Phase::Initializing | Phase::Ready | Phase::Failed(_) => Admission::Wait,
        }
    }

    /// A request that makes the coordinator start the transaction is about to be sent: with this identity, if that is still wanted.
    pub(crate) fn attempt(&mut self) -> Option<ProducerIdentity> {
        let wanted = matches!(self.phase, Phase::Open | Phase::Committing);
        self.attempted |= wanted;
        self.identity.filter(|_| wanted)
    }

    /// Whether there is something to abort.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Spoiled(_) | Phase::Aborting)
    }

    /// The coordinator has these partitions in the transaction (none: it has a group's offsets).
    pub(crate) fn added(&mut self, places: &[Place]) {
        self.started = true;
        self.partitions.extend(places.iter().copied());
    }

    /// What becomes of records that wait.
    pub(crate) fn standing(&self) -> Standing {
        match &self.phase {
            Phase::Aborting => {
                Standing::Ending(Error::TransactionAborted { transactional_id: self.id.clone() })
            }
            Phase::Spoiled(error) => Standing::Ending(error.clone()),
            Phase::Failed(error) => Standing::Failed(error.clone()),
            _ => Standing::Flowing,
        }
    }

    /// Records were lost; the transaction cannot be committed. Returns what callers are told from now on.
    pub(crate) fn batch_failed(&mut self, error: &Error) -> Error {
        match error.code() {
            Some(code @ ErrorCode::PRODUCER_FENCED) => return self.fenced(code),
            Some(
                ErrorCode::CLUSTER_AUTHORIZATION_FAILED
                | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                | ErrorCode::INVALID_PRODUCER_ID_MAPPING,
            ) => return self.fail(error.clone()),
            _ if matches!(error, Error::UnsupportedApi { .. }) => return self.fail(error.clone()),
            _ => {}
        }
        self.spoil(error.clone(), true)
    }

    /// Only an abort helps. `numbers_lost`: sequence numbers cannot go on as they are.
    pub(crate) fn spoil(&mut self, error: Error, numbers_lost: bool) -> Error {
        // With KIP-890 the end of every transaction brings a new epoch by itself.
        if numbers_lost && !self.terms.v2 {
            if !self.terms.can_bump {
                return self.fail(error);
            }
            self.needs_bump = true;
        }
        self.unknown |= matches!(
            error.code(),
            Some(ErrorCode::INVALID_PRODUCER_ID_MAPPING | ErrorCode::UNKNOWN_PRODUCER_ID)
        ) && !matches!(error, Error::TransactionFailed { .. });
        let told = Error::TransactionFailed { transactional_id: self.id.clone(), source: Arc::new(error) };
        match &self.phase {
            Phase::Open | Phase::Committing => self.phase = Phase::Spoiled(told.clone()),
            Phase::Spoiled(first) | Phase::Failed(first) => return first.clone(),
            // It is on its way out already, or there is none.
            Phase::Aborting | Phase::Unused | Phase::Initializing | Phase::Ready => {}
        }
        told
    }

    /// A newer producer took over.
    pub(crate) fn fenced(&mut self, code: ErrorCode) -> Error {
        self.fail(Error::Fenced { transactional_id: self.id.clone(), code })
    }

    /// Nothing helps any more.
    pub(crate) fn fail(&mut self, error: Error) -> Error {
        if let Phase::Failed(first) = &self.phase {
            return first.clone();
        }
        self.phase = Phase::Failed(error.clone());
        error
    }

    /// Why records are not taken now.
    pub(crate) fn closed(&self) -> Error {
        self.refusal("append", "has an open transaction")
    }

    fn refusal(&self, operation: &'static str, needed: &'static str) -> Error {
        let found = match &self.phase {
            Phase::Spoiled(error) | Phase::Failed(error) => return error.clone(),
            Phase::Unused => "is not initialized; call init_transactions first",
            Phase::Initializing => "is not initialized yet; call init_transactions again",
            Phase::Ready => "has none; call begin_transaction first",
            Phase::Open => "has an open transaction",
            Phase::Committing => "is committing one; call commit_transaction again",
            Phase::Aborting => "is aborting one; call abort_transaction again",
        };
        Error::TransactionState { operation, needed, found }
    }
}

#[cfg(test)]
mod tests;
