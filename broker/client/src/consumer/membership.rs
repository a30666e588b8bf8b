//! A consumer's membership: what it wants, what it holds, and what it is given, in Kafka's ConsumerProtocol, so that others may be
//! members of the same group.
//!
//! Between the consumer and [`Coordination`], which knows nothing of topics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_protocol::consumer_protocol;
use broker_protocol::messages::join_group::JoinGroupRequestProtocol;
use broker_protocol::{ApiKey, EncodeError, ErrorCode};
use bytestring::ByteString;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::client::Client;
use crate::config::GroupConfig;
use crate::error::{Error, Result};
use crate::group::coordination::{Coordination, Pulse, Setback, Terms};
use crate::net::connection::Connection;
use crate::types::{AssignedPartition, OffsetAndMetadata, TopicPartition};

mod offsets;
mod share;

/// The protocol type of consumer groups.
const PROTOCOL_TYPE: &str = "consumer";
/// The version of subscriptions and assignments that we write; every client reads it.
const CONSUMER_PROTOCOL_VERSION: i16 = 1;

/// What a member wants to read.
#[derive(Clone)]
pub enum Subscription {
    /// These topics, whether they exist yet or not.
    Topics(Vec<String>),
    /// Every topic whose name this accepts, now and later; internal topics are not asked for.
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topics(topics) => formatter.debug_tuple("Topics").field(topics).finish(),
            Self::Matching(_matcher) => formatter.write_str("Matching(..)"),
        }
    }
}

/// A member that has joined.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) assigned: Vec<TopicPartition>,
    /// Topics and partition counts that the subscription came to when it joined.
    pub(crate) topics: BTreeMap<ByteString, i32>,
    pub(crate) is_leader: bool,
}

/// What a member has when it joins again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holding {
    pub(crate) partitions: Vec<TopicPartition>,
    /// The generation it got them in, or -1.
    pub(crate) generation: i32,
}

/// See the module. Shared by the consumer and its background tasks.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) client: Client,
    pub(crate) config: GroupConfig,
    pub(crate) coordination: Coordination,
    subscription: Subscription,
    /// Where the last commit went, as long as its answer is due.
    committing: tokio::sync::Mutex<Option<offsets::Committing>>,
}

impl Membership {
    pub(crate) fn new(client: &Client, config: GroupConfig, subscription: Subscription) -> Self {
        let terms = Terms {
            group: config.group.clone(),
            protocol_type: PROTOCOL_TYPE,
            instance_id: config.instance_id.clone(),
            session_timeout: config.session_timeout,
            rebalance_timeout: config.rebalance_timeout,
        };
        let coordination = Coordination::new(client, terms);
        let committing = tokio::sync::Mutex::default();
        Self { client: client.clone(), config, coordination, subscription, committing }
    }

    /// The topics that the subscription comes to now, with their partition counts.
    pub(crate) async fn topics(&self) -> Result<BTreeMap<ByteString, i32>> {
        let metadata = |names: Option<Vec<String>>| async move {
            let names: Option<Vec<&str>> =
                names.as_ref().map(|names| names.iter().map(String::as_str).collect());
            self.client.refresh(names.as_deref(), false).await?;
            Ok::<_, Error>(self.client.metadata())
        };
        match &self.subscription {
            Subscription::Topics(names) => {
                let metadata = metadata(Some(names.clone())).await?;
                let known = |name: &String| Some((name.as_str().into(), metadata.partition_count(name)?));
                Ok(names.iter().filter_map(known).collect())
            }
            Subscription::Matching(matches) => {
                let metadata = metadata(None).await?;
                let wanted =
                    metadata.topics.iter().filter(|(name, topic)| !topic.is_internal && matches(name));
                let counted =
                    wanted.filter_map(|(name, _)| Some((name.clone(), metadata.partition_count(name)?)));
                Ok(counted.collect())
            }
        }
    }

    /// Whether a topic that was asked for by name was not there.
    pub(crate) fn is_missing(&self, topics: &BTreeMap<ByteString, i32>) -> bool {
        match &self.subscription {
            Subscription::Topics(names) => names.iter().any(|name| !topics.contains_key(name.as_str())),
            Subscription::Matching(_) => false,
        }
    }

    /// Joins, again and again until it succeeds or cannot.
    pub(crate) async fn join(&self, holding: &Holding) -> Result<Joined> {
        loop {
            match self.join_once(holding).await {
                Ok(joined) => return Ok(joined),
                Err(Setback::Again) => {}
                Err(Setback::Fatal(error)) => return Err(error),
                Err(Setback::Later(error)) => {
                    tracing::debug!(group = self.config.group, %error, "joining the group again");
                    self.coordination.learn_from(&error);
                    tokio::time::sleep(self.client.config().retry_backoff).await;
                }
            }
        }
    }

    async fn join_once(&self, holding: &Holding) -> std::result::Result<Joined, Setback> {
        let topics = self.topics().await.map_err(Setback::of)?;
        let connection = self.coordination.connection().await.map_err(Setback::of)?;
        let protocols = self
            .protocols(&topics, holding)
            .map_err(|source| Setback::Fatal(Error::Request { api: ApiKey::JoinGroup, source }))?;
        let answer = self.coordination.join(&connection, protocols).await?;
        let is_leader = answer.leader == answer.member_id;
        let generation = answer.generation_id;
        let shares =
            if is_leader && !answer.skip_assignment { self.share_out(&answer).await? } else { Vec::new() };
        let assignment =
            self.coordination.sync(&connection, generation, answer.protocol_name, shares).await?;
        let assigned = self.read_assignment(&connection, assignment)?;
        Ok(Joined { generation, assigned, topics, is_leader })
    }

    fn protocols(
        &self,
        topics: &BTreeMap<ByteString, i32>,
        holding: &Holding,
    ) -> std::result::Result<Vec<JoinGroupRequestProtocol>, EncodeError> {
        // Topics that do not exist yet are named as well: whoever leads may see them first.
        let wanted: BTreeSet<ByteString> = match &self.subscription {
            Subscription::Topics(names) => names.iter().map(|name| name.as_str().into()).collect(),
            Subscription::Matching(_) => topics.keys().cloned().collect(),
        };
        let subscription = consumer_protocol::Subscription {
            topics: wanted.into_iter().collect(),
            owned_partitions: share::owned(&holding.partitions),
            ..Default::default()
        };
        let protocols = self.config.assignors.iter().map(|assignor| {
            let user_data = share::user_data(*assignor, holding.generation);
            let subscription = consumer_protocol::Subscription { user_data, ..subscription.clone() };
            let metadata = consumer_protocol::encode(&subscription, CONSUMER_PROTOCOL_VERSION)?;
            Ok(JoinGroupRequestProtocol { name: ByteString::from_static(assignor.name()), metadata })
        });
        protocols.collect()
    }

    /// Tells the coordinator, in intervals, that the member lives; and the consumer, what comes back. Ends when the member is lost.
    pub(crate) async fn keep_alive(&self, generation: i32, health: watch::Sender<Pulse>) {
        let mut answered = Instant::now();
        loop {
            tokio::time::sleep(self.config.heartbeat_interval).await;
            let beat = self.coordination.heartbeat(generation, self.config.session_timeout);
            let state = match beat.await {
                Ok(state) => {
                    answered = Instant::now();
                    state
                }
                Err(error) => {
                    tracing::debug!(group = self.config.group, %error, "a heartbeat failed");
                    self.coordination.learn_from(&error);
                    if answered.elapsed() < self.config.session_timeout {
                        continue;
                    }
                    Pulse::Lost(ErrorCode::COORDINATOR_NOT_AVAILABLE)
                }
            };
            health.send_if_modified(|known| std::mem::replace(known, state) != state);
            if matches!(state, Pulse::Lost(_)) {
                return;
            }
        }
    }
}
