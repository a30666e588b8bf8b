//! A member of a consumer group: its partitions come and go, its heartbeats do not depend on how fast its user is.
//!
//! ```text
//! joining --Assigned--> stable --(rebalance, new partitions)--> Revoked --> joining ...
//! ```
//! Invariant: between `Assigned` and `Revoked` the records handed out are of assigned partitions only, in order. All waiting is
//! on state of the consumer or its tasks, so a dropped `next` loses nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::fetcher::Fetcher;
use super::membership::{Health, Joined, Membership, Subscription};
use crate::client::Client;
use crate::config::GroupConfig;
use crate::error::{Error, Result};
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
    state: State,
    joining: JoinSet<Result<Joined>>,
    heartbeats: JoinSet<()>,
    watching: JoinSet<Result<BTreeMap<ByteString, i32>>>,
    watch_at: Instant,
}

#[derive(Debug)]
enum State {
    Joining,
    Stable(Stable),
}

#[derive(Debug)]
struct Stable {
    partitions: Vec<TopicPartition>,
    topics: BTreeMap<ByteString, i32>,
    is_leader: bool,
    health: watch::Receiver<Health>,
    /// The subscription came to something else than when the member joined.
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
            state: State::Joining,
            joining: JoinSet::new(),
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
            member_id: self.membership.member_id().to_string(),
            instance_id: self.membership.config.instance_id.clone(),
        }
    }

    /// Waits for what comes next: partitions, records, the loss of partitions. Cancel-safe.
    pub async fn next(&mut self) -> Result<GroupEvent> {
        loop {
            match &mut self.state {
                State::Joining => return self.wait_joined().await,
                State::Stable(stable) if stable.must_rejoin() => {
                    let revoked = self.give_up_partitions();
                    if !revoked.is_empty() {
                        return Ok(GroupEvent::Revoked(revoked));
                    }
                }
                State::Stable(_) => {
                    if let Some(records) = self.records.pop_front() {
                        return Ok(GroupEvent::Records(records));
                    }
                    self.wait_stable().await?;
                }
            }
        }
    }

    async fn wait_joined(&mut self) -> Result<GroupEvent> {
        self.heartbeats.abort_all();
        if self.joining.is_empty() {
            let membership = Arc::clone(&self.membership);
            self.joining.spawn(async move { membership.join().await });
        }
        let closed = Error::Closed { what: "consumer's task (it failed)" };
        let joined = match self.joining.join_next().await {
            Some(Ok(joined)) => joined?,
            Some(Err(panic)) => {
                tracing::error!(%panic, "a task of the group consumer failed");
                return Err(closed);
            }
            None => return Err(closed),
        };
        Ok(GroupEvent::Assigned(self.start_generation(joined)))
    }

    fn start_generation(&mut self, joined: Joined) -> Vec<AssignedPartition> {
        let Joined { generation, assigned, topics, is_leader } = joined;
        self.generation = generation;
        let (sender, health) = watch::channel(Health::Stable);
        let membership = Arc::clone(&self.membership);
        self.heartbeats = JoinSet::new();
        self.heartbeats.spawn(async move { membership.keep_alive(generation, sender).await });
        let partitions: Vec<_> = assigned
            .iter()
            .map(|it| TopicPartition { topic: it.topic.clone(), partition: it.partition })
            .collect();
        let offsets = assigned.iter().map(|it| it.committed.as_ref().map(|committed| committed.offset));
        self.fetcher.assign(partitions.iter().cloned().zip(offsets));
        self.watch_at = Instant::now();
        self.state = State::Stable(Stable { partitions, topics, is_leader, health, outdated: false });
        assigned
    }

    /// Stops reading and goes on to join; heartbeats continue until then, so that the user has time to commit.
    fn give_up_partitions(&mut self) -> Vec<TopicPartition> {
        let State::Stable(stable) = std::mem::replace(&mut self.state, State::Joining) else {
            return Vec::new();
        };
        if let Health::Lost(code) = *stable.health.borrow() {
            tracing::warn!(group = self.group(), %code, "the group went on without this member");
            self.membership.forget_member(code);
        }
        self.records.clear();
        self.watching = JoinSet::new();
        self.fetcher.assign([]);
        stable.partitions
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
        self.joining.shutdown().await;
        self.heartbeats.shutdown().await;
        self.membership.leave().await
    }
}

impl Stable {
    fn must_rejoin(&self) -> bool {
        self.outdated || *self.health.borrow() != Health::Stable || self.health.has_changed().is_err()
    }

    /// New topics concern every member that wants them; new partitions of known ones concern the leader, who shares them out.
    fn compare(&mut self, topics: &BTreeMap<ByteString, i32>) {
        let same_topics = self.topics.keys().eq(topics.keys());
        self.outdated = !same_topics || (self.is_leader && self.topics != *topics);
    }
}
