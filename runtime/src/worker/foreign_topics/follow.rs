//! Following a topic of others as it grows, such as one of signals: a task reads it ahead, whoever listens takes what came.
//!
//! Beside the data path. Invariant: records come once each and in order, from the place that was asked for; what the listener does not
//! take waits, at most [`AHEAD_MAX`] records of it.

use std::time::Duration;

use api::{Error, Result, TopicFollower, TopicRecord};
use broker_client::{
    Client, ConsumerConfig, FetchedRecords, Isolation, OffsetSpec, PartitionConsumer, TopicPartition,
};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::store::broker_error;

/// How many records are read ahead of the listener.
const AHEAD_MAX: usize = 100;

/// How long until the next try after an error, or until a topic that is not there is looked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// What is followed.
pub(super) struct Followed {
    pub(super) client: Client,
    pub(super) topic: String,
    /// The first offset, if it was said.
    pub(super) from: Option<i64>,
    /// The group whose place counts otherwise.
    pub(super) group: Option<String>,
}

/// The listener's end. The reading ends with it.
pub(super) struct Following {
    arrived: Receiver<Result<TopicRecord>>,
    /// An error that came behind records, for the next call.
    held: Option<Error>,
    reading: JoinHandle<()>,
}

impl Following {
    /// Must be used within a Tokio runtime.
    pub(super) fn start(followed: Followed) -> Self {
        let (sender, arrived) = channel(AHEAD_MAX);
        Self { arrived, held: None, reading: tokio::spawn(followed.run(sender)) }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl TopicFollower for Following {
    fn take(&mut self) -> Result<Vec<TopicRecord>> {
        if let Some(error) = self.held.take() {
            return Err(error);
        }
        let mut records = Vec::new();
        while records.len() < AHEAD_MAX {
            match self.arrived.try_recv() {
                Ok(Ok(record)) => records.push(record),
                Ok(Err(error)) if records.is_empty() => return Err(error),
                Ok(Err(error)) => {
                    self.held = Some(error);
                    break;
                }
                Err(TryRecvError::Disconnected) if records.is_empty() => {
                    let message = "the task that follows a topic ended unexpectedly; please report it";
                    return Err(Error::fatal(message));
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        Ok(records)
    }
}

impl Followed {
    /// Reads until nobody listens any more. Each error is told once, until something was read again.
    async fn run(self, sender: Sender<Result<TopicRecord>>) {
        let mut told = None;
        let start = loop {
            match self.start().await {
                Ok(Some(start)) => break start,
                Ok(None) => {}
                Err(error) => tell(&sender, &mut told, error).await,
            }
            tokio::time::sleep(PAUSE).await;
        };
        let reading = ConsumerConfig { isolation: Isolation::ReadCommitted, ..ConsumerConfig::default() };
        let place = TopicPartition::new(self.topic.as_str(), 0);
        let mut consumer = PartitionConsumer::assign(&self.client, vec![(place, start)], reading);
        loop {
            match consumer.poll().await {
                Ok(fetched) => {
                    told = None;
                    if hand_out(&sender, fetched).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tell(&sender, &mut told, self.failed(error)).await;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Where to start; `None` while there is no such topic.
    async fn start(&self) -> Result<Option<i64>> {
        match self.client.partitions_for(&self.topic, false).await {
            Err(broker_client::Error::UnknownTopic { .. }) => return Ok(None),
            other => other.map_err(|error| self.failed(error))?,
        };
        let earliest = self.client.list_offsets(&self.topic, 0, OffsetSpec::Earliest).await;
        let earliest = earliest.map_err(|error| self.failed(error))?;
        let said = match self.from {
            Some(from) => Some(from),
            None => self.place_of_group().await?,
        };
        Ok(Some(said.map_or(earliest, |offset| offset.max(earliest))))
    }

    async fn place_of_group(&self) -> Result<Option<i64>> {
        let Some(group) = &self.group else { return Ok(None) };
        let offsets = self.client.group_offsets(group).await.map_err(|error| self.failed(error))?;
        let ours = |(place, _): &&(TopicPartition, _)| *place.topic == *self.topic && place.partition == 0;
        Ok(offsets.iter().find(ours).map(|(_, committed)| committed.offset))
    }

    fn failed(&self, error: broker_client::Error) -> Error {
        broker_error(format!("cannot follow topic {}", self.topic), error)
    }
}

/// Fails when nobody listens any more.
async fn hand_out(
    sender: &Sender<Result<TopicRecord>>,
    fetched: Vec<FetchedRecords>,
) -> std::result::Result<(), ()> {
    for record in fetched.into_iter().flat_map(|fetched| fetched.records) {
        let record = TopicRecord { offset: record.offset, key: record.key, value: record.value };
        if sender.send(Ok(record)).await.is_err() {
            return Err(());
        }
    }
    Ok(())
}

async fn tell(sender: &Sender<Result<TopicRecord>>, told: &mut Option<String>, error: Error) {
    let reason = error.to_string();
    if told.as_ref() == Some(&reason) {
        return;
    }
    *told = Some(reason);
    // Nobody listens: the next record finds out.
    drop(sender.send(Err(error)).await);
}
