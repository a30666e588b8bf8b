//! Fetches from all leaders at once: one request under way per leader, sent and decoded in a task of its own, so that the next answer is
//! on its way and inflated while the user works on the last one.
//!
//! Invariants: per partition at most one answer is ahead of the user, so memory is bounded by two answers per leader; everything
//! is state of the fetcher or of its tasks, so a dropped `poll` loses nothing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use broker_protocol::ErrorCode;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::decode::Decoded;
use super::position::Position;
use super::request::{Asked, Part, fetch, look_up};
use crate::client::Client;
use crate::config::{ConsumerConfig, OffsetReset};
use crate::error::{Error, Result};
use crate::net::pool::Pool;
use crate::types::{FetchedRecords, OffsetSpec, TopicPartition};

/// Without anything to try again the fetcher looks around this often.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum Event {
    Fetched { broker: i32, asked: Vec<Asked>, result: Result<Vec<Part>> },
    Found { asked: Asked, result: Result<i64> },
    Refreshed(Result<()>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Fetcher {
    client: Client,
    pool: Arc<Pool>,
    config: Arc<ConsumerConfig>,
    positions: HashMap<TopicPartition, Position>,
    ready: VecDeque<(u64, FetchedRecords)>,
    fetching: HashSet<i32>,
    refreshing: bool,
    refresh_after: Option<Instant>,
    epoch: u64,
    turn: usize,
    tasks: JoinSet<Event>,
    /// Partitions that have no offset and must not be given one.
    unplaced: Vec<TopicPartition>,
}

impl Fetcher {
    pub(crate) fn new(client: &Client, config: ConsumerConfig) -> Self {
        Self {
            pool: Arc::new(client.new_pool()),
            client: client.clone(),
            config: Arc::new(config),
            positions: HashMap::new(),
            ready: VecDeque::new(),
            fetching: HashSet::new(),
            refreshing: false,
            refresh_after: None,
            epoch: 0,
            turn: 0,
            tasks: JoinSet::new(),
            unplaced: Vec::new(),
        }
    }

    /// Reads these partitions from now on, and no others. Without an offset the configured reset decides.
    pub(crate) fn assign(&mut self, partitions: impl IntoIterator<Item = (TopicPartition, Option<i64>)>) {
        self.ready.clear();
        self.positions.clear();
        self.unplaced.clear();
        self.add(partitions);
    }

    /// Reads these partitions as well.
    pub(crate) fn add(&mut self, partitions: impl IntoIterator<Item = (TopicPartition, Option<i64>)>) {
        self.epoch += 1;
        let epoch = self.epoch;
        let default = match self.config.offset_reset {
            OffsetReset::Latest => -1,
            OffsetReset::Earliest | OffsetReset::Fail => -2,
        };
        for (partition, offset) in partitions {
            if offset.is_none() && self.config.offset_reset == OffsetReset::Fail {
                self.unplaced.push(partition);
                continue;
            }
            self.positions.insert(partition, Position::at(offset.unwrap_or(default), epoch));
        }
    }

    /// Reads these partitions no longer; what was fetched of them is dropped.
    pub(crate) fn remove(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.positions.remove(partition);
        }
        self.unplaced.retain(|partition| !partitions.contains(partition));
    }

    pub(crate) fn seek(&mut self, partition: &TopicPartition, offset: i64) {
        self.epoch += 1;
        match self.positions.get_mut(partition) {
            Some(position) => position.seek(offset, self.epoch),
            None if self.unplaced.contains(partition) => {
                self.unplaced.retain(|other| other != partition);
                self.positions.insert(partition.clone(), Position::at(offset, self.epoch));
            }
            None => {}
        }
    }

    pub(crate) fn pause(&mut self, partitions: &[TopicPartition], paused: bool) {
        for partition in partitions {
            if let Some(position) = self.positions.get_mut(partition) {
                position.paused = paused;
            }
        }
    }

    /// The offset behind the last record handed out.
    pub(crate) fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.positions.get(partition)?.delivered
    }

    pub(crate) fn high_watermark(&self, partition: &TopicPartition) -> Option<i64> {
        self.positions.get(partition)?.high_watermark
    }

    /// Records between position and the end of what may be read, where both are known.
    pub(crate) fn lag(&self) -> Vec<(TopicPartition, i64)> {
        let lag = |(partition, position): (&TopicPartition, &Position)| {
            let lag = position.end? - position.delivered?;
            Some((partition.clone(), lag.max(0)))
        };
        self.positions.iter().filter_map(lag).collect()
    }

    /// Records of any partitions; nothing if an answer came without any. Cancel-safe.
    pub(crate) async fn poll(&mut self) -> Result<Vec<FetchedRecords>> {
        if let Some(TopicPartition { topic, partition }) = self.unplaced.first() {
            let (topic, partition) = (topic.to_string(), *partition);
            return Err(Error::OffsetOutOfRange { topic, partition, offset: -1 });
        }
        loop {
            let records = self.take_ready();
            self.start();
            if !records.is_empty() {
                return Ok(records);
            }
            let pause = self.idle_wait();
            let event = tokio::select! {
                Some(event) = self.tasks.join_next() => event,
                () = tokio::time::sleep(pause) => continue,
            };
            match event {
                Ok(event) => {
                    let quiet = self.handle(event)?;
                    if quiet && self.ready.is_empty() {
                        self.start();
                        return Ok(Vec::new());
                    }
                }
                Err(panic) => tracing::error!(%panic, "a task of the consumer failed"),
            }
        }
    }

    /// How long nothing but an event can change anything: until muted partitions (or the next look for leaders) may be tried again.
    fn idle_wait(&self) -> Duration {
        let now = Instant::now();
        let muted = |position: &Position| position.muted_until.is_some_and(|until| until > now);
        let waiting =
            self.refresh_after.is_some_and(|after| after > now) || self.positions.values().any(muted);
        if waiting { self.client.config().retry_backoff } else { IDLE_PAUSE }
    }

    fn take_ready(&mut self) -> Vec<FetchedRecords> {
        let mut taken = Vec::new();
        for (epoch, records) in std::mem::take(&mut self.ready) {
            let partition = TopicPartition { topic: records.topic.clone(), partition: records.partition };
            let Some(position) = self.positions.get_mut(&partition) else { continue };
            if position.epoch != epoch {
                continue;
            }
            if position.paused {
                self.ready.push_back((epoch, records));
                continue;
            }
            position.busy = false;
            position.delivered = Some(records.next_offset);
            taken.push(records);
        }
        taken
    }

    /// Starts whatever look-up and fetch can be started.
    fn start(&mut self) {
        let now = Instant::now();
        let metadata = self.client.metadata();
        let mut asked: HashMap<i32, (String, Vec<Asked>)> = HashMap::new();
        let mut leaderless = false;
        for (partition, position) in &mut self.positions {
            let epoch = position.epoch;
            if let Some(at) = position.wants_lookup(now) {
                position.busy = true;
                let asked = Asked { partition: partition.clone(), offset: -1, epoch };
                let (client, isolation) = (self.client.clone(), self.config.isolation);
                self.tasks.spawn(async move {
                    let result = look_up(&client, &asked, at, isolation).await;
                    Event::Found { asked, result }
                });
                continue;
            }
            let Some(offset) = position.wants_fetch(now) else { continue };
            let Ok((broker, address)) = metadata.leader(&partition.topic, partition.partition) else {
                leaderless = true;
                continue;
            };
            if self.fetching.contains(&broker) {
                continue;
            }
            position.busy = true;
            let asked = &mut asked.entry(broker).or_insert_with(|| (address, Vec::new())).1;
            asked.push(Asked { partition: partition.clone(), offset, epoch });
        }
        self.turn = self.turn.wrapping_add(1);
        for (broker, (address, mut asked)) in asked {
            // An answer that is full holds the first partitions only: who is first takes turns.
            let turn = self.turn % asked.len().max(1);
            asked.rotate_left(turn);
            self.fetching.insert(broker);
            let (pool, config, client) =
                (Arc::clone(&self.pool), Arc::clone(&self.config), self.client.clone());
            self.tasks.spawn(async move {
                let result = fetch(&client, &pool, &address, &asked, &config).await;
                Event::Fetched { broker, asked, result }
            });
        }
        if leaderless {
            self.refresh(now);
        }
    }

    fn refresh(&mut self, now: Instant) {
        if self.refreshing || self.refresh_after.is_some_and(|after| after > now) {
            return;
        }
        self.refreshing = true;
        let client = self.client.clone();
        let topics: HashSet<_> = self.positions.keys().map(|partition| partition.topic.clone()).collect();
        self.tasks.spawn(async move {
            let names: Vec<&str> = topics.iter().map(|name| &**name).collect();
            Event::Refreshed(client.refresh(Some(&names), false).await.map(|_response| ()))
        });
    }

    /// True if an answer came that brought no records.
    fn handle(&mut self, event: Event) -> Result<bool> {
        let now = Instant::now();
        match event {
            Event::Refreshed(result) => {
                self.refreshing = false;
                self.refresh_after = Some(now + self.client.config().retry_backoff);
                match result {
                    Err(error) if !error.is_retriable() => Err(error),
                    _ => Ok(false),
                }
            }
            Event::Found { asked, result } => {
                let Some(position) = self.current(&asked) else { return Ok(false) };
                position.busy = false;
                match result {
                    Ok(offset) => {
                        position.found(offset);
                        Ok(true)
                    }
                    Err(error) => self.trouble(&asked, error, now).map(|()| false),
                }
            }
            Event::Fetched { broker, asked, result } => {
                self.fetching.remove(&broker);
                for asked in &asked {
                    if let Some(position) = self.current(asked) {
                        position.busy = false;
                    }
                }
                match result {
                    Ok(parts) => self.accept(parts, now).map(|()| true),
                    Err(error) => {
                        tracing::debug!(%error, "a fetch failed");
                        asked
                            .iter()
                            .try_for_each(|asked| self.trouble(asked, error.clone(), now))
                            .map(|()| false)
                    }
                }
            }
        }
    }

    /// The position, unless it moved since it was asked for.
    fn current(&mut self, asked: &Asked) -> Option<&mut Position> {
        self.positions.get_mut(&asked.partition).filter(|position| position.epoch == asked.epoch)
    }

    /// Takes in every part; the first error that is not to be retried comes out at the end.
    fn accept(&mut self, parts: Vec<Part>, now: Instant) -> Result<()> {
        let mut result = Ok(());
        for Part { asked, high_watermark, end, outcome } in parts {
            let Some(position) = self.current(&asked) else { continue };
            match outcome {
                Err(error) => result = result.and(self.trouble(&asked, error, now)),
                Ok(Decoded { records, next_offset }) => {
                    (position.high_watermark, position.end) = (Some(high_watermark), Some(end));
                    position.advance(next_offset);
                    if records.is_empty() {
                        position.delivered = Some(next_offset);
                        continue;
                    }
                    position.busy = true;
                    let TopicPartition { topic, partition } = asked.partition;
                    let fetched = FetchedRecords { topic, partition, high_watermark, records, next_offset };
                    self.ready.push_back((asked.epoch, fetched));
                }
            }
        }
        result
    }

    /// Retries later, starts over elsewhere, or gives the error to the user.
    fn trouble(&mut self, asked: &Asked, error: Error, now: Instant) -> Result<()> {
        let pause = self.client.config().retry_backoff;
        let reset = match self.config.offset_reset {
            OffsetReset::Earliest => Some(OffsetSpec::Earliest),
            OffsetReset::Latest => Some(OffsetSpec::Latest),
            OffsetReset::Fail => None,
        };
        let Some(position) = self.current(asked) else { return Ok(()) };
        position.muted_until = Some(now + pause);
        if error.code() == Some(ErrorCode::OFFSET_OUT_OF_RANGE) {
            let TopicPartition { topic, partition } = &asked.partition;
            let Some(at) = reset else {
                let (topic, partition) = (topic.to_string(), *partition);
                return Err(Error::OffsetOutOfRange { topic, partition, offset: asked.offset });
            };
            tracing::warn!(%topic, partition, offset = asked.offset, ?at, "the offset is out of range; starting over");
            position.start_over(at);
            return Ok(());
        }
        if !error.is_retriable() {
            return Err(error);
        }
        self.refresh(now);
        Ok(())
    }
}
