//! A member's talk with its group's coordinator: join, sync, heartbeat, commit, leave (Kafka's classic group protocol).
//!
//! Invariant: the member id outlives every attempt, so that a join that was given up can be taken up again (or left) under the
//! same id. Subscriptions and assignments are in Kafka's ConsumerProtocol, so that others may be members of the same group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use broker_protocol::consumer_protocol;
use broker_protocol::messages::heartbeat::HeartbeatRequest;
use broker_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use broker_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use broker_protocol::messages::sync_group::SyncGroupRequest;
use broker_protocol::{ApiKey, EncodeError, ErrorCode};
use bytestring::ByteString;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::admin::refused;
use crate::client::Client;
use crate::config::GroupConfig;
use crate::error::{Error, Result};
use crate::net::connection::Connection;
use crate::net::pool::Pool;
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

/// How the member stands, as its heartbeats tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// In its generation.
    Stable,
    /// The group wants everyone to join again.
    Rebalancing,
    /// The group went on without it.
    Lost(ErrorCode),
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
    pool: Pool,
    pub(crate) config: GroupConfig,
    subscription: Subscription,
    member_id: Mutex<ByteString>,
    /// The coordinator as last found.
    coordinator: Mutex<Option<String>>,
}

/// Why one round of join and sync did not end in a membership.
enum Setback {
    /// At once again.
    Again,
    /// After a pause.
    Later(Error),
    Fatal(Error),
}

impl Membership {
    pub(crate) fn new(client: &Client, config: GroupConfig, subscription: Subscription) -> Self {
        let (member_id, coordinator) = (Mutex::default(), Mutex::default());
        Self { client: client.clone(), pool: client.new_pool(), config, subscription, member_id, coordinator }
    }

    pub(crate) fn member_id(&self) -> ByteString {
        self.member_id.lock().clone()
    }

    /// A connection to the coordinator, which is looked for if need be.
    async fn connection(&self) -> Result<Arc<Connection>> {
        let known = self.coordinator.lock().clone();
        let address = match known {
            Some(address) => address,
            None => {
                let address = self.client.coordinator(&self.config.group).await?;
                *self.coordinator.lock() = Some(address.clone());
                address
            }
        };
        let connected = self.pool.connection(&address).await;
        if connected.is_err() {
            self.forget_coordinator();
        }
        connected
    }

    fn forget_coordinator(&self) {
        *self.coordinator.lock() = None;
    }

    /// Looks for the coordinator anew after errors that say so.
    fn learn_from(&self, error: &Error) {
        let moved = [ErrorCode::NOT_COORDINATOR, ErrorCode::COORDINATOR_NOT_AVAILABLE];
        if error.code().is_none_or(|code| moved.contains(&code)) {
            self.forget_coordinator();
        }
    }

    fn refusal(&self, connection: &Connection, api: ApiKey, code: ErrorCode) -> Error {
        refused(connection, api, format!("group {}", self.config.group), code, None)
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
                    self.learn_from(&error);
                    tokio::time::sleep(self.client.config().retry_backoff).await;
                }
            }
        }
    }

    async fn join_once(&self, holding: &Holding) -> std::result::Result<Joined, Setback> {
        let topics = self.topics().await.map_err(Setback::of)?;
        let connection = self.connection().await.map_err(Setback::of)?;
        // The answer comes when all members have come, or their time is up.
        let patience = self.config.rebalance_timeout + self.client.config().request_timeout;
        let request = self
            .join_request(&topics, holding)
            .map_err(|source| Setback::Fatal(Error::Request { api: ApiKey::JoinGroup, source }))?;
        let answer = connection.call(&request, i16::MAX, Some(patience)).await.map_err(Setback::of)?;
        self.check(&connection, ApiKey::JoinGroup, answer.error_code, Some(&answer.member_id))?;
        *self.member_id.lock() = answer.member_id.clone();
        let is_leader = answer.leader == answer.member_id;
        let generation = answer.generation_id;
        let shares =
            if is_leader && !answer.skip_assignment { self.share_out(&answer).await? } else { Vec::new() };
        let request = SyncGroupRequest {
            group_id: self.config.group.as_str().into(),
            generation_id: generation,
            member_id: answer.member_id,
            group_instance_id: self.instance_id(),
            protocol_type: Some(PROTOCOL_TYPE.into()),
            protocol_name: answer.protocol_name,
            assignments: shares,
        };
        let synced = connection.call(&request, i16::MAX, Some(patience)).await.map_err(Setback::of)?;
        self.check(&connection, ApiKey::SyncGroup, synced.error_code, None)?;
        let assigned = self.read_assignment(&connection, synced.assignment)?;
        Ok(Joined { generation, assigned, topics, is_leader })
    }

    fn join_request(
        &self,
        topics: &BTreeMap<ByteString, i32>,
        holding: &Holding,
    ) -> std::result::Result<JoinGroupRequest, EncodeError> {
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
        let protocols = protocols.collect::<std::result::Result<Vec<_>, EncodeError>>()?;
        Ok(JoinGroupRequest {
            group_id: self.config.group.as_str().into(),
            session_timeout_ms: millis(self.config.session_timeout),
            rebalance_timeout_ms: millis(self.config.rebalance_timeout),
            member_id: self.member_id(),
            group_instance_id: self.instance_id(),
            protocol_type: PROTOCOL_TYPE.into(),
            protocols,
            reason: None,
        })
    }

    fn instance_id(&self) -> Option<ByteString> {
        self.config.instance_id.as_deref().map(Into::into)
    }

    /// What a code of JoinGroup or SyncGroup means for the next attempt.
    fn check(
        &self,
        connection: &Connection,
        api: ApiKey,
        code: ErrorCode,
        given_id: Option<&ByteString>,
    ) -> std::result::Result<(), Setback> {
        match code {
            ErrorCode::NONE => return Ok(()),
            ErrorCode::MEMBER_ID_REQUIRED => {
                *self.member_id.lock() = given_id.cloned().unwrap_or_default();
                return Err(Setback::Again);
            }
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
                if code == ErrorCode::UNKNOWN_MEMBER_ID {
                    *self.member_id.lock() = ByteString::new();
                }
                return Err(Setback::Later(self.refusal(connection, api, code)));
            }
            _ => {}
        }
        let error = self.refusal(connection, api, code);
        let passing = code.is_retriable() || code == ErrorCode::REBALANCE_IN_PROGRESS;
        Err(if passing { Setback::Later(error) } else { Setback::Fatal(error) })
    }

    /// Tells the coordinator, in intervals, that the member lives; and the consumer, what comes back. Ends when the member is lost.
    pub(crate) async fn keep_alive(&self, generation: i32, health: watch::Sender<Health>) {
        let mut answered = Instant::now();
        loop {
            tokio::time::sleep(self.config.heartbeat_interval).await;
            let state = match self.heartbeat(generation).await {
                Ok(state) => {
                    answered = Instant::now();
                    state
                }
                Err(error) => {
                    tracing::debug!(group = self.config.group, %error, "a heartbeat failed");
                    self.learn_from(&error);
                    if answered.elapsed() < self.config.session_timeout {
                        continue;
                    }
                    Health::Lost(ErrorCode::COORDINATOR_NOT_AVAILABLE)
                }
            };
            health.send_if_modified(|known| std::mem::replace(known, state) != state);
            if matches!(state, Health::Lost(_)) {
                return;
            }
        }
    }

    async fn heartbeat(&self, generation: i32) -> Result<Health> {
        let connection = self.connection().await?;
        let request = HeartbeatRequest {
            group_id: self.config.group.as_str().into(),
            generation_id: generation,
            member_id: self.member_id(),
            group_instance_id: self.instance_id(),
        };
        // An answer later than the session lasts is of no use.
        let patience = self.client.config().request_timeout.min(self.config.session_timeout);
        let answer = connection.call(&request, i16::MAX, Some(patience)).await?;
        match answer.error_code {
            ErrorCode::NONE => Ok(Health::Stable),
            ErrorCode::REBALANCE_IN_PROGRESS => Ok(Health::Rebalancing),
            code if code.is_retriable() => Err(self.refusal(&connection, ApiKey::Heartbeat, code)),
            code => Ok(Health::Lost(code)),
        }
    }

    /// The group went on without this member: it comes back as a new one.
    pub(crate) fn forget_member(&self, code: ErrorCode) {
        if code == ErrorCode::UNKNOWN_MEMBER_ID {
            *self.member_id.lock() = ByteString::new();
        }
    }

    /// Says goodbye, so that the others need not wait for the session to end. A static member does not: it will be back.
    pub(crate) async fn leave(&self) -> Result<()> {
        let member_id = self.member_id();
        if member_id.is_empty() || self.config.instance_id.is_some() {
            return Ok(());
        }
        let connection = self.connection().await?;
        let identity = MemberIdentity { member_id: member_id.clone(), ..Default::default() };
        let request = LeaveGroupRequest {
            group_id: self.config.group.as_str().into(),
            member_id,
            members: vec![identity],
        };
        let answer = connection.call(&request, i16::MAX, None).await?;
        match answer.error_code {
            ErrorCode::NONE | ErrorCode::UNKNOWN_MEMBER_ID => Ok(()),
            code => Err(self.refusal(&connection, ApiKey::LeaveGroup, code)),
        }
    }
}

impl Setback {
    fn of(error: Error) -> Self {
        if error.is_retriable() { Self::Later(error) } else { Self::Fatal(error) }
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
