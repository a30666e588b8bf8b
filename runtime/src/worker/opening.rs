//! What a source task needs before it starts: its offsets, its producer, and with exactly-once delivery the certainty that nobody else
//! writes for it.
//!
//! On the task's own thread, once. Source: `DistributedHerder.startTask` and `ExactlyOnceWorkerSourceTask` (KIP-618). Invariant: when
//! a transactional producer comes out of here, no earlier producer of any of the connector's tasks can commit anything, and what
//! the task then reads as its offset is the last that was committed.

use std::sync::Arc;
use std::time::Duration;

use api::{Error, Result, TransactionContext};
use broker_client::{Producer, ProducerConfig};

use super::backoff::{Jitter, restart_delay};
use super::boundary::Boundary;
use super::clients;
use super::commits::OffsetCommits;
use super::progress::Progress;
use super::settings::parse;
use super::task::TaskSetup;
use super::transactions::Transactions;
use crate::config::{InternalTopic, SourceConfig, TransactionBoundary};
use crate::herder::{TaskId, task_transactional_id};
use crate::store::{ConnectorOffsets, OffsetStore, broker_error};

/// How often something that may work later is tried before the task fails, to be started again by its supervision.
const ATTEMPTS_MAX: u32 = 6;

/// The first and the longest pause between these attempts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// The longest that brokers let a transaction be open, unless they are told otherwise (`transaction.max.timeout.ms`).
const TRANSACTION_TIMEOUT_MAX: Duration = Duration::from_secs(15 * 60);

/// What a source task writes with.
pub(crate) struct Opened {
    /// Its producer.
    pub(crate) producer: Arc<Producer>,
    /// Its offsets.
    pub(crate) offsets: Arc<ConnectorOffsets>,
    /// How they are committed.
    pub(crate) progress: Progress,
    /// What the connector ends its transactions with, if it does.
    pub(crate) transactions: Option<TransactionContext>,
    /// A topic that the task may not write to.
    pub(crate) forbidden_topic: Option<String>,
}

/// Opens offsets and producer of a task.
///
/// # Errors
/// `Retriable` when a broker cannot be asked; `Fatal` when it refuses.
pub(crate) async fn open(id: &TaskId, setup: &TaskSetup) -> Result<Opened> {
    let context = &setup.context;
    let name = &id.connector;
    let config = parse(name, SourceConfig::parse(&setup.connector))?;
    let offsets = Arc::new(offsets(context, &setup.connector, name).await?);
    let producer = clients::producer_settings(&context.config, &setup.connector, name)?;
    let client = clients::connections(&context.client, &context.config, &setup.connector, "producer.", name)?;
    if !context.config.exactly_once.is_enabled() {
        let options = &context.config.options;
        let (interval, timeout) = (options.offset_flush_interval, options.offset_flush_timeout);
        let commits = OffsetCommits::new(Arc::clone(&offsets), Arc::clone(&setup.metrics), interval, timeout);
        return Ok(Opened {
            producer: Arc::new(Producer::new(&client, producer)),
            offsets,
            progress: Progress::AtLeastOnce(commits),
            transactions: None,
            forbidden_topic: None,
        });
    }
    let boundary = boundary(&config, context.config.options.offset_flush_interval);
    let said = clients::says_transaction_timeout(&context.config, &setup.connector);
    let producer = ProducerConfig {
        transactional_id: Some(task_transactional_id(&context.config.storage.group_id, name, id.task)),
        transaction_timeout: transaction_timeout(&boundary, producer.transaction_timeout, said),
        ..producer
    };
    let producer = Producer::new(&client, producer);
    take_over(id, setup, &producer, offsets.topic()).await?;
    let transactions = match &boundary {
        Boundary::Connector(context) => Some(context.clone()),
        _ => None,
    };
    let producer = Arc::new(producer);
    let (store, metrics) = (Arc::clone(&offsets), Arc::clone(&setup.metrics));
    let ways = Transactions::new(Arc::clone(&producer), store, boundary, metrics);
    Ok(Opened {
        producer,
        forbidden_topic: Some(offsets.topic().to_owned()),
        offsets,
        progress: Progress::ExactlyOnce(Box::new(ways)),
        transactions,
    })
}

/// The offsets of a connector, in its own topic if it names one. With exactly-once delivery they are in the transactions of its
/// records, and so on the cluster of these: there, a connector that writes to another cluster has a topic of its own, called as the
/// worker's is here.
///
/// # Errors
/// As [`OffsetStore::open`].
pub(crate) async fn offsets(
    context: &super::WorkerContext,
    connector: &api::Props,
    name: &str,
) -> Result<ConnectorOffsets> {
    let config = parse(name, SourceConfig::parse(connector))?;
    let worker = &context.offsets;
    let client = clients::connections(&context.client, &context.config, connector, "producer.", name)?;
    let is_elsewhere = client.config().bootstrap_servers != context.client.config().bootstrap_servers;
    let by_default =
        || (is_elsewhere && context.config.exactly_once.is_enabled()).then(|| worker.topic().to_owned());
    let named = config.offsets_storage_topic.or_else(by_default);
    let own = match named.filter(|topic| is_elsewhere || topic != worker.topic()) {
        None => None,
        Some(topic) => {
            let topic = InternalTopic { name: topic, ..context.config.offset_topic() };
            Some(OffsetStore::open(&client, &topic, "offsets.storage.topic").await?)
        }
    };
    Ok(ConnectorOffsets::new(name, own, worker))
}

fn boundary(config: &SourceConfig, interval: Duration) -> Boundary {
    match config.transaction_boundary {
        TransactionBoundary::Poll => Boundary::Poll,
        TransactionBoundary::Interval => {
            Boundary::Interval(config.transaction_boundary_interval.unwrap_or(interval))
        }
        TransactionBoundary::Connector => Boundary::Connector(TransactionContext::default()),
    }
}

/// A transaction that is to last for an interval must be allowed to.
fn transaction_timeout(boundary: &Boundary, timeout: Duration, said: bool) -> Duration {
    match boundary {
        Boundary::Interval(interval) if !said => timeout.max((*interval * 2).min(TRANSACTION_TIMEOUT_MAX)),
        _ => timeout,
    }
}

/// Shuts out everybody who wrote for this connector before, and makes sure that this task is not one of them itself.
async fn take_over(id: &TaskId, setup: &TaskSetup, producer: &Producer, offsets: &str) -> Result<()> {
    let context = &setup.context;
    patiently("fencing earlier tasks", || context.fencing.fence(&id.connector)).await?;
    patiently("taking over the transactional id", || async {
        let outcome = producer.init_transactions().await;
        outcome.map_err(|error| {
            let doing =
                format!("cannot initialize the transactional producer of task {id} (exactly-once delivery)");
            broker_error(doing, error)
        })
    })
    .await?;
    // Tasks may have been configured anew while this one was starting. Then their start will fence this one, or has done so already,
    // and it has just shut out its successor, which finds that out and starts again.
    patiently("reading the configurations", || context.configs.read_to_end()).await?;
    let newest = context.configs.state().connector(&id.connector).map(|state| state.tasks_revision());
    if newest != Some(setup.revision) {
        return Err(Error::retriable(format!(
            "task {id} cannot start: the connector has already generated a new set of task configurations"
        )));
    }
    let prepared = producer.prepare(offsets).await;
    prepared.map_err(|error| broker_error(format!("cannot write to the offsets topic {offsets}"), error))
}

/// Tries something again while it may work later.
async fn patiently<F: Future<Output = Result<()>>>(
    doing: &str,
    mut attempt: impl FnMut() -> F,
) -> Result<()> {
    let mut jitter = Jitter::unique();
    for failures in 1..ATTEMPTS_MAX {
        match attempt().await {
            Err(error) if error.is_retriable() => {
                tracing::warn!(%error, "{doing} failed; trying again");
                tokio::time::sleep(restart_delay(failures, BACKOFF.0, BACKOFF.1, &mut jitter)).await;
            }
            decided => return decided,
        }
    }
    attempt().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_interval_gets_a_long_transaction_unless_told_otherwise() {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        assert_eq!(transaction_timeout(&Boundary::Poll, minute, false), minute);
        assert_eq!(transaction_timeout(&Boundary::Interval(minute / 6), minute, false), minute);
        assert_eq!(transaction_timeout(&Boundary::Interval(minute), minute, false), 2 * minute);
        assert_eq!(transaction_timeout(&Boundary::Interval(hour), minute, false), TRANSACTION_TIMEOUT_MAX);
        assert_eq!(transaction_timeout(&Boundary::Interval(hour), minute, true), minute);
    }
}
