//! A database that keeps changing while the group suffers, and the judgement on what arrived of it.
//!
//! A writer of its own commits small transactions all the time. Invariant: what is judged is the journal of the commits that were
//! answered, against the topics' records in their order: per row every version once, one after the other.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use broker_client::{Client, Isolation};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::verdict;
use crate::arrivals;
use crate::database::{Database, Kind};
use crate::shop::Shop;
use crate::{sequence, wait};

/// The topics of the shop's tables.
pub(super) const TOPICS: [&str; 3] = ["shop.shop.customers", "shop.shop.products", "shop.shop.orders"];

/// How long the writer pauses after a transaction.
const PAUSE: Duration = Duration::from_millis(20);

/// A shop with a writer.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) database: Database,
    writer: Writer,
}

#[derive(Debug)]
enum Writer {
    /// It has not begun: a snapshot shows what is there now, and nothing of how it came to be.
    Waiting(Box<Shop>),
    /// It stops when the sender is dropped.
    Writing(oneshot::Sender<()>, JoinHandle<Result<Shop>>),
    Stopped,
}

impl Changes {
    /// Starts a server on an address that all workers reach.
    pub(super) async fn prepare(host: &str, seed: u64) -> Result<Self> {
        let database = Database::start_at(Kind::available()?, host).await?;
        let shop = Shop::open(&database, seed).await?;
        Ok(Self { database, writer: Writer::Waiting(Box::new(shop)) })
    }

    /// Begins to write, once every row that is there has arrived.
    pub(super) async fn begin(&mut self, client: &Client) -> Result<()> {
        let Writer::Waiting(shop) = std::mem::replace(&mut self.writer, Writer::Stopped) else {
            bail!("the writer has begun before")
        };
        wait::until("the snapshot", wait::PATIENCE, || async {
            let there = arrived(client, &TOPICS[..2]).await?.len();
            ensure!(there == shop.journal().len(), "{there} of {}", shop.journal().len());
            Ok(())
        })
        .await?;
        let (stop, stopped) = oneshot::channel();
        self.writer = Writer::Writing(stop, tokio::spawn(write(*shop, stopped)));
        Ok(())
    }

    /// Stops the writer: what it has committed.
    pub(super) async fn stop(&mut self) -> Result<Shop> {
        let Writer::Writing(stop, writer) = std::mem::replace(&mut self.writer, Writer::Stopped) else {
            bail!("the writer does not write")
        };
        drop(stop);
        writer.await?.context("writing to the database")
    }
}

async fn write(mut shop: Shop, mut stopped: oneshot::Receiver<()>) -> Result<Shop> {
    while stopped.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
        shop.transact().await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(shop)
}

/// The change events in topics, for readers of committed records.
pub(super) async fn arrived(client: &Client, topics: &[&str]) -> Result<Vec<Value>> {
    let mut events = Vec::new();
    for topic in topics {
        let values = sequence::values(client, topic, Isolation::ReadCommitted).await?;
        // A deletion's tombstone says nothing new.
        let said = values.iter().filter(|value| !value.is_empty());
        let parsed = said.map(|value| serde_json::from_slice::<Value>(value));
        events.extend(parsed.collect::<Result<Vec<_>, _>>().with_context(|| format!("in topic {topic}"))?);
    }
    Ok(events)
}

/// What is wrong with them: they must be the journal's changes, each once, each row's in its order.
pub(super) fn judge(shop: &Shop, events: &[Value]) -> Result<Vec<String>> {
    let report = arrivals::check(shop.journal(), events)?;
    let mut wrong = verdict::few(report.misplaced.into_iter());
    let missing = report.missing.iter().map(|change| format!("missing in its topic: {change:?}"));
    wrong.extend(verdict::few(missing));
    if report.repeated > 0 {
        wrong.push(format!("{} changes are in their topics more than once", report.repeated));
    }
    Ok(wrong)
}
