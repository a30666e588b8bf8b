//! The producer's transactions, as its user calls them: init, begin, send offsets, commit, abort.
//!
//! Decisions are in [`super::transaction`]; here is only the asking, again and again until an answer decides or time is up. Every
//! method may be called again after a retriable error (or when its future was dropped): it goes on where it stood.

use std::sync::Arc;
use std::time::Duration;

use broker_protocol::{ApiKey, ErrorCode};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::coordinator::Coordinators;
use super::transaction::{NextStep, Standing, Transaction};
use super::verdict::{Verdict, judge};
use super::{Producer, Shared};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::types::{GroupMetadata, OffsetAndMetadata, TopicPartition};

/// A transaction that is being completed is over soon: no reason to wait as long as for a broker that is gone.
pub(super) const CONCURRENT_PAUSE: Duration = Duration::from_millis(20);

/// What a transactional producer has beside an ordinary one; shared with the sender.
#[derive(Debug)]
pub(crate) struct Transactional {
    pub(crate) state: Mutex<Transaction>,
    pub(crate) coordinators: Arc<Coordinators>,
}

impl Transactional {
    pub(super) fn new(client: &Client, id: &str) -> Arc<Self> {
        let coordinators = Arc::new(Coordinators::new(client, id));
        Arc::new(Self { state: Mutex::new(Transaction::new(id)), coordinators })
    }
}

impl Shared {
    /// Changes the transaction, and lets the accumulator and everyone who waits know.
    pub(super) fn update<T>(
        &self,
        transactional: &Transactional,
        change: impl FnOnce(&mut Transaction) -> T,
    ) -> T {
        let mut state = transactional.state.lock();
        let result = change(&mut state);
        {
            let mut accumulator = self.accumulator.lock();
            match state.standing() {
                Standing::Failed(error) => accumulator.fail(error),
                _ if state.check_open("append").is_ok() => accumulator.resume(),
                _ => accumulator.suspend(state.closed()),
            }
        }
        drop(state);
        self.wake.notify_one();
        self.progress.notify_waiters();
        result
    }
}

impl Producer {
    fn transactional(&self, operation: &'static str) -> Result<&Transactional> {
        self.shared.transactional.as_deref().ok_or(Error::TransactionState {
            operation,
            needed: "has a transactional.id",
            found: "has none",
        })
    }

    /// Takes over the transactional id: fences older producers of it, waits until their open transaction is ended, and gets a producer
    /// id. To be called once, before anything else.
    pub async fn init_transactions(&self) -> Result<()> {
        let transactional = self.transactional("init_transactions")?;
        self.shared.update(transactional, Transaction::start_initializing)?;
        self.initialize(transactional).await
    }

    /// Opens a transaction: records appended from now on belong to it.
    pub fn begin_transaction(&self) -> Result<()> {
        let transactional = self.transactional("begin_transaction")?;
        self.shared.update(transactional, Transaction::begin)
    }

    /// Commits a group's offsets (of the next records to read) if and when the transaction commits. With the metadata of
    /// [`crate::GroupConsumer::group_metadata`] a member that the group went on without is refused (KIP-447).
    pub async fn send_offsets_to_transaction(
        &self,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
        group: &GroupMetadata,
    ) -> Result<()> {
        const OPERATION: &str = "send_offsets_to_transaction";
        let transactional = self.transactional(OPERATION)?;
        let (identity, v2) = {
            let mut state = transactional.state.lock();
            let identity = state.check_open(OPERATION)?;
            if offsets.is_empty() {
                return Ok(());
            }
            state.attempt();
            (identity, state.is_v2())
        };
        let coordinators = &transactional.coordinators;
        if !v2 {
            self.drive(transactional, ApiKey::AddOffsetsToTxn, || {
                let (coordinators, group) = (Arc::clone(coordinators), group.group.clone());
                async move { coordinators.add_offsets(identity, &group).await }
            })
            .await?;
            self.shared.update(transactional, |state| state.added(&[]));
        }
        let commit = Arc::new((group.clone(), offsets.to_vec()));
        self.drive(transactional, ApiKey::TxnOffsetCommit, || {
            let (coordinators, commit) = (Arc::clone(coordinators), Arc::clone(&commit));
            async move { coordinators.commit_offsets(identity, &commit.0, &commit.1, v2).await }
        })
        .await?;
        self.shared.update(transactional, |state| state.added(&[]));
        Ok(())
    }

    /// Sends everything appended, waits for it, and commits. An error that [`Error::is_abortable`] asks for
    /// [`Self::abort_transaction`]; after a retriable one call this again; any other is final.
    pub async fn commit_transaction(&self) -> Result<()> {
        let transactional = self.transactional("commit_transaction")?;
        self.shared.update(transactional, Transaction::start_commit)?;
        self.end(transactional).await
    }

    /// Gives up the open transaction: what was not sent yet fails with [`Error::TransactionAborted`], what was sent is never seen by
    /// readers of committed records.
    pub async fn abort_transaction(&self) -> Result<()> {
        let transactional = self.transactional("abort_transaction")?;
        self.shared.update(transactional, Transaction::start_abort)?;
        self.end(transactional).await
    }

    /// Whether a transaction is open, or half ended.
    pub(super) fn has_open_transaction(&self) -> bool {
        let transactional = self.shared.transactional.as_deref();
        transactional.is_some_and(|transactional| transactional.state.lock().is_open())
    }

    async fn end(&self, transactional: &Transactional) -> Result<()> {
        let after = self.client.config().operation_timeout;
        let settled = tokio::time::timeout(after, self.settle_all()).await;
        settled.unwrap_or_else(|_elapsed| {
            let transactional_id = transactional.state.lock().id().to_owned();
            Err(Error::TransactionPending { transactional_id, after })
        })?;
        loop {
            let step = transactional.state.lock().next_step()?;
            match step {
                NextStep::Done => {
                    self.shared.update(transactional, Transaction::finish);
                    return Ok(());
                }
                NextStep::Bump => return self.initialize(transactional).await,
                NextStep::End { commit, surely } => self.ask_to_end(transactional, commit, surely).await?,
            }
        }
    }

    /// Sends everything and waits until all of it arrived or failed; what failed is known to the transaction.
    async fn settle_all(&self) -> Result<()> {
        let before = self.shared.accumulator.lock().flush();
        self.shared.wake.notify_one();
        self.wait_until(|accumulator| accumulator.is_settled_before(before)).await?;
        self.shared.accumulator.lock().take_first_error();
        Ok(())
    }

    async fn ask_to_end(&self, transactional: &Transactional, commit: bool, surely: bool) -> Result<()> {
        let coordinators = &transactional.coordinators;
        let (identity, v2) = {
            let state = transactional.state.lock();
            (state.identity().unwrap_or((-1, -1)), state.is_v2())
        };
        let (next, terms) = self
            .drive(transactional, ApiKey::EndTxn, || {
                let coordinators = Arc::clone(coordinators);
                async move {
                    match coordinators.end(identity, commit, v2).await {
                        // The request that would have started it never arrived: there is nothing to end.
                        Err(error) if !surely && error.code() == Some(ErrorCode::INVALID_TXN_STATE) => {
                            Ok((None, None))
                        }
                        ended => ended.map(|(next, terms)| (next, Some(terms))),
                    }
                }
            })
            .await?;
        self.shared.update(transactional, |state| {
            let terms = terms.unwrap_or(state.terms());
            state.ended(next, terms);
        });
        Ok(())
    }

    async fn initialize(&self, transactional: &Transactional) -> Result<()> {
        let present = transactional.state.lock().identity();
        let timeout = self.config.transaction_timeout;
        let coordinators = &transactional.coordinators;
        let (identity, terms) = self
            .drive(transactional, ApiKey::InitProducerId, || {
                let coordinators = Arc::clone(coordinators);
                async move { coordinators.init(timeout, present).await }
            })
            .await?;
        self.shared.update(transactional, |state| state.identified(identity, terms));
        Ok(())
    }

    /// Asks until an answer decides; one request at a time. Retriable errors come out when time is up.
    async fn drive<T, F>(
        &self,
        transactional: &Transactional,
        api: ApiKey,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let config = self.client.config();
        let deadline = Instant::now() + config.operation_timeout;
        loop {
            let error = match transactional.coordinators.in_turn(attempt()).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let pause = self.shared.judge(transactional, api, &error, config.retry_backoff)?;
            if Instant::now() + pause >= deadline {
                return Err(error);
            }
            tracing::debug!(%error, "asking the coordinator again");
            tokio::time::sleep(pause).await;
        }
    }
}

impl Shared {
    /// Draws the conclusions from a coordinator's refusal: how long to wait before it is asked again, or what is told to the caller.
    pub(super) fn judge(
        &self,
        transactional: &Transactional,
        api: ApiKey,
        error: &Error,
        pause: Duration,
    ) -> Result<Duration> {
        match judge(api, error) {
            Verdict::Retry { elsewhere } => {
                if elsewhere {
                    transactional.coordinators.forget();
                }
                let concurrent = error.code() == Some(ErrorCode::CONCURRENT_TRANSACTIONS);
                Ok(if concurrent { pause.min(CONCURRENT_PAUSE) } else { pause })
            }
            Verdict::Abort { numbers_lost } => {
                Err(self.update(transactional, |state| state.spoil(error.clone(), numbers_lost)))
            }
            Verdict::Fenced(code) => Err(self.update(transactional, |state| state.fenced(code))),
            Verdict::Fatal => Err(self.update(transactional, |state| state.fail(error.clone()))),
        }
    }
}

#[cfg(test)]
mod tests;
