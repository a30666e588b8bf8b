//! A member of a consumer group: its partitions come and go, its heartbeats do not depend on how fast its user is.
//!
//! ```text
//! eager:       joining --Assigned--> stable --(rebalance)--> Revoked (all) --> joining ...
//! cooperative: joining --Assigned--> stable --(rebalance)--> joining, reading on --> Revoked, Assigned (what changes hands) ...
//! ```
//! Invariant: between `Assigned` and `Revoked` the records handed out are of assigned partitions only, in order. All waiting is
//! on state of the consumer or its tasks, so a dropped `next` loses nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::fetcher::Fetcher;
use super::membership::{Holding, Joined, Membership, Subscription};
use crate::client::Client;
use crate::config::GroupConfig;
use crate::error::{Error, Result};
use crate::group::coordination::Pulse;
use crate::types::{
    AssignedPartition, FetchedRecords, GroupEvent, GroupMetadata, OffsetAndMetadata, TopicPartition,
};

/// As long as a topic that was asked for by name is missing, it is looked for this often.
const MISSING_TOPIC_INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct GroupConsumer {
    membership: Arc<Membership>,
    fetcher: Fetcher,
    records: VecDeque<FetchedRecords>,
    /// The generation joined last, which commits belong to.
    generation: i32,
    /// What the user was told to have, and not told to give up.
    owned: Vec<TopicPartition>,
    state: State,
    joining: JoinSet<Result<Joined>>,
    placing: JoinSet<Result<Vec<AssignedPartition>>>,
    heartbeats: JoinSet<()>,
    watching: JoinSet<Result<BTreeMap<ByteString, i32>>>,
    watch_at: Instant,
}

#[derive(Debug)]
enum State {
    Joining,
    /// A member; the committed offsets of new partitions are being asked for.
    Placing(Stable),
    Stable(Stable),
}

#[derive(Debug)]
struct Stable {
    topics: BTreeMap<ByteString, i32>,
    is_leader: bool,
    health: watch::Receiver<Pulse>,
    /// The subscription came to something else than when the member joined, or what was given up is to be given out.
    outdated: bool,
}

impl GroupConsumer {
    /// Becomes a member with the first [`Self::next`]. Must be used within a Tokio runtime.
    pub fn new(client: &Client, config: GroupConfig, subscription: Subscription) -> Self {
        let fetcher = Fetcher::new(client, config.consumer.clone());
        Self {
            membership: Arc::new(Membership::new(client, config, subscription)),
            fetcher,
            records: VecDeque::new(),
            generation: -1,
            owned: Vec::new(),
            state: State::Joining,
            joining: JoinSet::new(),
            placing: JoinSet::new(),
            heartbeats: JoinSet::new(),
            watching: JoinSet::new(),
            watch_at: Instant::now(),
        }
    }

    /// The group's name.
    pub fn group(&self) -> &str {
        &self.membership.config.group
    }

    /// Who this member is, for [`crate::Producer::send_offsets_to_transaction`].
    pub fn group_metadata(&self) -> GroupMetadata {
        GroupMetadata {
            group: self.group().to_owned(),
            generation: self.generation,
            member_id: self.membership.coordination.member_id().to_string(),
            instance_id: self.membership.config.instance_id.clone(),
        }
    }

    /// Waits for what comes next: partitions, records, the loss of partitions. Cancel-safe.
    pub async fn next(&mut self) -> Result<GroupEvent> {
        loop {
            let event = match &mut self.state {
                State::Joining => self.wait_joined().await?,
                State::Placing(stable) if stable.is_called() => self.start_over(),
                State::Placing(_) => self.wait_placed().await?,
                State::Stable(stable) if stable.must_rejoin() => self.start_over(),
                State::Stable(_) => {
                    if let Some(records) = self.records.pop_front() {
                        return Ok(GroupEvent::Records(records));
                    }
                    self.wait_stable().await?;
                    None
                }
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    /// Waits to be a member. What is kept meanwhile (cooperative) is read on.
    async fn wait_joined(&mut self) -> Result<Option<GroupEvent>> {
        self.heartbeats.abort_all();
        if let Some(records) = self.records.pop_front() {
            return Ok(Some(GroupEvent::Records(records)));
        }
        if self.joining.is_empty() {
            let membership = Arc::clone(&self.membership);
            let holding = Holding { partitions: self.owned.clone(), generation: self.generation };
            self.joining.spawn(async move { membership.join(&holding).await });
        }
        let joined = tokio::select! {
            Some(joined) = self.joining.join_next() => joined,
            records = self.fetcher.poll(), if !self.owned.is_empty() => {
                self.records.extend(records?);
                return Ok(None);
            }
        };
        Ok(self.start_generation(task_result(joined)?))
    }

    /// Takes in the assignment: what is no longer in it is given up first.
    fn start_generation(&mut self, joined: Joined) -> Option<GroupEvent> {
        let Joined { generation, assigned, topics, is_leader } = joined;
        self.generation = generation;
        let (sender, health) = watch::channel(Pulse::Stable);
        let membership = Arc::clone(&self.membership);
        self.heartbeats = JoinSet::new();
        self.heartbeats.spawn(async move { membership.keep_alive(generation, sender).await });
        let (kept, given): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.owned).into_iter().partition(|partition| assigned.contains(partition));
        let new: Vec<_> = assigned.into_iter().filter(|partition| !kept.contains(partition)).collect();
        self.owned = kept;
        let membership = Arc::clone(&self.membership);
        self.placing = JoinSet::new();
        self.placing.spawn(async move { membership.with_offsets(new).await });
        // The others wait for what is given up here: only the next round gives it out.
        let outdated = !given.is_empty();
        self.state = State::Placing(Stable { topics, is_leader, health, outdated });
        self.stop_reading(&given);
        (!given.is_empty()).then_some(GroupEvent::Revoked(given))
    }

    /// Waits until it is known where new partitions are to be read from. What is kept is read on.
    async fn wait_placed(&mut self) -> Result<Option<GroupEvent>> {
        if let Some(records) = self.records.pop_front() {
            return Ok(Some(GroupEvent::Records(records)));
        }
        let State::Placing(stable) = &mut self.state else { return Ok(None) };
        let placed = tokio::select! {
            Some(placed) = self.placing.join_next() => task_result(placed),
            // If the sender is gone, the heartbeats ended: the health says why.
            _changed = stable.health.changed() => return Ok(None),
            records = self.fetcher.poll(), if !self.owned.is_empty() => {
                self.records.extend(records?);
                return Ok(None);
            }
        };
        let assigned = match placed {
            Ok(assigned) => assigned,
            Err(error) => {
                // Whoever asks again joins again: the group still thinks that the partitions are read here.
                self.state = State::Joining;
                return Err(error);
            }
        };
        let first = self.owned.is_empty();
        let partition =
            |it: &AssignedPartition| TopicPartition { topic: it.topic.clone(), partition: it.partition };
        let offsets =
            assigned.iter().map(|it| (partition(it), it.committed.as_ref().map(|known| known.offset)));
        self.fetcher.add(offsets);
        self.owned.extend(assigned.iter().map(partition));
        self.watch_at = Instant::now();
        if let State::Placing(stable) = std::mem::replace(&mut self.state, State::Joining) {
            self.state = State::Stable(stable);
        }
        Ok((first || !assigned.is_empty()).then_some(GroupEvent::Assigned(assigned)))
    }

    /// Goes on to join. Partitions are given up first, unless they may be kept (cooperative). Heartbeats continue until then,
    /// so that the user has time to commit.
    fn start_over(&mut self) -> Option<GroupEvent> {
        let (State::Stable(stable) | State::Placing(stable)) =
            std::mem::replace(&mut self.state, State::Joining)
        else {
            return None;
        };
        let lost = match *stable.health.borrow() {
            Pulse::Lost(code) => Some(code),
            Pulse::Stable | Pulse::Rebalancing => None,
        };
        if let Some(code) = lost {
            tracing::warn!(group = self.group(), %code, "the group went on without this member");
            self.membership.coordination.forget_member(code);
        }
        self.watching = JoinSet::new();
        self.placing = JoinSet::new();
        if lost.is_none() && self.membership.config.is_cooperative() {
            return None;
        }
        let revoked = std::mem::take(&mut self.owned);
        self.stop_reading(&revoked);
        (!revoked.is_empty()).then_some(GroupEvent::Revoked(revoked))
    }

    fn stop_reading(&mut self, partitions: &[TopicPartition]) {
        self.records.retain(|it| {
            let partition = TopicPartition { topic: it.topic.clone(), partition: it.partition };
            !partitions.contains(&partition)
        });
        self.fetcher.remove(partitions);
    }

    /// Waits until there are records, or the group calls, or topics have changed.
    async fn wait_stable(&mut self) -> Result<()> {
        let State::Stable(stable) = &mut self.state else { return Ok(()) };
        tokio::select! {
            // If the sender is gone, the heartbeats ended: the health says why.
            _changed = stable.health.changed() => {}
            records = self.fetcher.poll() => self.records.extend(records?),
            Some(topics) = self.watching.join_next() => match topics {
                Ok(Ok(topics)) => stable.compare(&topics),
                Ok(Err(error)) => tracing::debug!(%error, "cannot look for new topics"),
                Err(panic) => tracing::error!(%panic, "a task of the group consumer failed"),
            },
            () = tokio::time::sleep_until(self.watch_at) => {
                let membership = Arc::clone(&self.membership);
                let interval = membership.config.topics_interval;
                let missing = stable.topics.is_empty() || membership.is_missing(&stable.topics);
                let pause = if missing { interval.min(MISSING_TOPIC_INTERVAL) } else { interval };
                self.watch_at = Instant::now() + pause;
                if self.watching.is_empty() {
                    self.watching.spawn(async move { membership.topics().await });
                }
            }
        }
        Ok(())
    }

    /// Commits offsets (of the next records to read) as a member of the current generation, or of the last one right
    /// after `Revoked`. [`Error::MembershipLost`] says that the group went on. Cancel-safe: it is done or not.
    pub async fn commit(&mut self, offsets: &[(TopicPartition, OffsetAndMetadata)]) -> Result<()> {
        self.membership.commit(self.generation, offsets).await
    }

    /// Goes on at another offset of an assigned partition.
    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) {
        self.records.retain(|it| it.topic != partition.topic || it.partition != partition.partition);
        self.fetcher.seek(partition, offset);
    }

    /// Fetches nothing of these until they are resumed (or assigned anew). Records that [`Self::next`] has in hand still come.
    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        self.fetcher.pause(partitions, true);
    }

    /// See [`Self::pause`].
    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        self.fetcher.pause(partitions, false);
    }

    /// How many records each partition is behind (the end of what may be read minus the position), where that is known.
    pub fn lag(&self) -> Vec<(TopicPartition, i64)> {
        self.fetcher.lag()
    }

    /// The offset behind the last record fetched for the user.
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.fetcher.position(partition)
    }

    /// Leaves the group, so that the others get its partitions at once. Without it (a drop) they wait for the session timeout.
    pub async fn leave(mut self) -> Result<()> {
        self.try_leave().await
    }

    /// The same, and after an error it may be called again; nothing else may.
    pub async fn try_leave(&mut self) -> Result<()> {
        self.joining.shutdown().await;
        self.placing.shutdown().await;
        self.heartbeats.shutdown().await;
        self.membership.coordination.leave().await
    }
}

impl Stable {
    fn must_rejoin(&self) -> bool {
        self.outdated || self.is_called()
    }

    /// Whether the group wants everyone to join again, or went on.
    fn is_called(&self) -> bool {
        *self.health.borrow() != Pulse::Stable || self.health.has_changed().is_err()
    }

    /// New topics concern every member that wants them; new partitions of known ones concern the leader, who shares them out.
    fn compare(&mut self, topics: &BTreeMap<ByteString, i32>) {
        let same_topics = self.topics.keys().eq(topics.keys());
        self.outdated |= !same_topics || (self.is_leader && self.topics != *topics);
    }
}

/// What a task brought; one that panicked is an error, and noted.
fn task_result<T>(ended: std::result::Result<Result<T>, JoinError>) -> Result<T> {
    ended.unwrap_or_else(|panic| {
        tracing::error!(%panic, "a task of the group consumer failed");
        Err(Error::Closed { what: "consumer's task (it failed)" })
    })
}
