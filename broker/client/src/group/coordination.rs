//! A member's talk with its group's coordinator, request by request: join, sync, heartbeat, leave.
//!
//! Below consumers and every other kind of member. Invariant: the member id outlives every attempt, so that a join that was
//! given up can be taken up again (or left) under the same id.

use std::time::Duration;

use broker_protocol::messages::heartbeat::HeartbeatRequest;
use broker_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use broker_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use broker_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use broker_protocol::{ApiKey, ErrorCode};
use bytes::Bytes;
use bytestring::ByteString;
use parking_lot::Mutex;

use crate::admin::refused;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::net::connection::Connection;
use crate::net::seats::Seated;

/// What a member says of itself whenever it joins.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) group: String,
    /// What kind of group it is; a group has members of one kind only.
    pub(crate) protocol_type: &'static str,
    /// A name that survives restarts (static membership), if wanted.
    pub(crate) instance_id: Option<String>,
    /// Without a heartbeat for this long a member is out.
    pub(crate) session_timeout: Duration,
    /// How long a member may take to come to a rebalance.
    pub(crate) rebalance_timeout: Duration,
}

/// Why a step did not succeed.
#[derive(Debug)]
pub(crate) enum Setback {
    /// At once again.
    Again,
    /// After a pause.
    Later(Error),
    Fatal(Error),
}

/// What the coordinator says to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulse {
    /// In its generation.
    Stable,
    /// The group wants everyone to join again.
    Rebalancing,
    /// The group went on without it.
    Lost(ErrorCode),
}

/// See the module. Shared by a member and its background tasks.
#[derive(Debug)]
pub(crate) struct Coordination {
    client: Client,
    terms: Terms,
    member_id: Mutex<ByteString>,
    /// The coordinator as last found.
    coordinator: Mutex<Option<String>>,
}

impl Coordination {
    pub(crate) fn new(client: &Client, terms: Terms) -> Self {
        Self { client: client.clone(), terms, member_id: Mutex::default(), coordinator: Mutex::default() }
    }

    pub(crate) fn member_id(&self) -> ByteString {
        self.member_id.lock().clone()
    }

    pub(crate) fn instance_id(&self) -> Option<ByteString> {
        self.terms.instance_id.as_deref().map(Into::into)
    }

    /// A connection to the coordinator, which is looked for if need be; for this member's next requests only, since a broker answers the
    /// requests of a connection one after the other, and a join may take long.
    pub(crate) async fn connection(&self) -> Result<Seated> {
        let known = self.coordinator.lock().clone();
        let address = match known {
            Some(address) => address,
            None => {
                let address = self.client.coordinator(&self.terms.group).await?;
                *self.coordinator.lock() = Some(address.clone());
                address
            }
        };
        let connected = self.client.member_seat(&address).await;
        if connected.is_err() {
            self.forget_coordinator();
        }
        connected
    }

    fn forget_coordinator(&self) {
        *self.coordinator.lock() = None;
    }

    /// Looks for the coordinator anew after errors that say so.
    pub(crate) fn learn_from(&self, error: &Error) {
        let moved = [ErrorCode::NOT_COORDINATOR, ErrorCode::COORDINATOR_NOT_AVAILABLE];
        if error.code().is_none_or(|code| moved.contains(&code)) {
            self.forget_coordinator();
        }
    }

    fn refusal(&self, connection: &Connection, api: ApiKey, code: ErrorCode) -> Error {
        refused(connection, api, format!("group {}", self.terms.group), code, None)
    }

    /// Joins; the answer comes when all members have come, or their time is up.
    pub(crate) async fn join(
        &self,
        connection: &Connection,
        protocols: Vec<JoinGroupRequestProtocol>,
    ) -> std::result::Result<JoinGroupResponse, Setback> {
        let request = JoinGroupRequest {
            group_id: self.terms.group.as_str().into(),
            session_timeout_ms: millis(self.terms.session_timeout),
            rebalance_timeout_ms: millis(self.terms.rebalance_timeout),
            member_id: self.member_id(),
            group_instance_id: self.instance_id(),
            protocol_type: self.terms.protocol_type.into(),
            protocols,
            reason: None,
        };
        let answer = connection.call(&request, i16::MAX, Some(self.patience())).await.map_err(Setback::of)?;
        self.check(connection, ApiKey::JoinGroup, answer.error_code, Some(&answer.member_id))?;
        *self.member_id.lock() = answer.member_id.clone();
        Ok(answer)
    }

    /// Tells who gets what (the leader), and hears what this member gets (everyone).
    pub(crate) async fn sync(
        &self,
        connection: &Connection,
        generation: i32,
        protocol: Option<ByteString>,
        assignments: Vec<SyncGroupRequestAssignment>,
    ) -> std::result::Result<Bytes, Setback> {
        let request = SyncGroupRequest {
            group_id: self.terms.group.as_str().into(),
            generation_id: generation,
            member_id: self.member_id(),
            group_instance_id: self.instance_id(),
            protocol_type: Some(self.terms.protocol_type.into()),
            protocol_name: protocol,
            assignments,
        };
        let synced = connection.call(&request, i16::MAX, Some(self.patience())).await.map_err(Setback::of)?;
        self.check(connection, ApiKey::SyncGroup, synced.error_code, None)?;
        Ok(synced.assignment)
    }

    fn patience(&self) -> Duration {
        self.terms.rebalance_timeout + self.client.config().request_timeout
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
                self.forget_member(code);
                return Err(Setback::Later(self.refusal(connection, api, code)));
            }
            _ => {}
        }
        let error = self.refusal(connection, api, code);
        let passing = code.is_retriable() || code == ErrorCode::REBALANCE_IN_PROGRESS;
        Err(if passing { Setback::Later(error) } else { Setback::Fatal(error) })
    }

    /// Tells the coordinator that the member lives. An answer that takes longer than `patience` is of no use.
    pub(crate) async fn heartbeat(&self, generation: i32, patience: Duration) -> Result<Pulse> {
        let connection = self.connection().await?;
        let request = HeartbeatRequest {
            group_id: self.terms.group.as_str().into(),
            generation_id: generation,
            member_id: self.member_id(),
            group_instance_id: self.instance_id(),
        };
        let patience = self.client.config().request_timeout.min(patience);
        let answer = connection.call(&request, i16::MAX, Some(patience)).await?;
        match answer.error_code {
            ErrorCode::NONE => Ok(Pulse::Stable),
            ErrorCode::REBALANCE_IN_PROGRESS => Ok(Pulse::Rebalancing),
            code if code.is_retriable() => Err(self.refusal(&connection, ApiKey::Heartbeat, code)),
            code => Ok(Pulse::Lost(code)),
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
        if member_id.is_empty() || self.terms.instance_id.is_some() {
            return Ok(());
        }
        let connection = self.connection().await?;
        let identity = MemberIdentity { member_id: member_id.clone(), ..Default::default() };
        let request = LeaveGroupRequest {
            group_id: self.terms.group.as_str().into(),
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
    pub(crate) fn of(error: Error) -> Self {
        if error.is_retriable() { Self::Later(error) } else { Self::Fatal(error) }
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
