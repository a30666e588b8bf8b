//! A member of a group of any protocol type: what it says when it joins, and what the leader gives it, are bytes to this file.
//!
//! Used step by step: [`GroupMembership::join`], then [`GroupMembership::sync`], then watch the [`Standing`] until it says to join again.
//! Heartbeats go on beside all of it. Invariant: see [`super::beats`].

use std::sync::Arc;
use std::time::Duration;

use broker_protocol::messages::join_group::JoinGroupRequestProtocol;
use broker_protocol::messages::sync_group::SyncGroupRequestAssignment;
use broker_protocol::{ApiKey, ErrorCode};
use bytes::Bytes;
use bytestring::ByteString;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::beats::{Beats, Standing};
use super::coordination::{Coordination, Setback, Terms};
use crate::client::Client;
use crate::error::Result;

/// How a group is joined.
#[derive(Debug, Clone)]
pub struct MembershipConfig {
    /// The group's name.
    pub group: String,
    /// What kind of group it is, as `connect`; a group has members of one kind only.
    pub protocol_type: &'static str,
    /// Without a heartbeat for this long a member is out.
    pub session_timeout: Duration,
    /// Pause between heartbeats.
    pub heartbeat_interval: Duration,
    /// How long a member may take to come to a rebalance.
    pub rebalance_timeout: Duration,
}

/// A way to share out that a member offers, and what it says of itself in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupProtocol {
    /// Its name.
    pub name: ByteString,
    /// What the leader is to know.
    pub metadata: Bytes,
}

/// A member's place in a round.
#[derive(Debug, Clone)]
pub struct JoinedGroup {
    /// The generation that begins.
    pub generation: i32,
    /// What the members agreed on.
    pub protocol: ByteString,
    /// Who this member is.
    pub member_id: ByteString,
    /// Who leads.
    pub leader: ByteString,
    /// On the leader: everyone, with what they said.
    pub members: Vec<(ByteString, Bytes)>,
}

impl JoinedGroup {
    /// Whether this member shares out.
    pub fn is_leader(&self) -> bool {
        self.leader == self.member_id
    }
}

/// See the module.
#[derive(Debug)]
pub struct GroupMembership {
    coordination: Arc<Coordination>,
    beats: Arc<Beats>,
    standing: watch::Receiver<Standing>,
    beating: JoinSet<()>,
}

impl GroupMembership {
    /// Says nothing to anyone before the first [`Self::join`]. Must be used within a Tokio runtime.
    pub fn new(client: &Client, config: MembershipConfig) -> Self {
        let beats = Arc::new(Beats::new(config.heartbeat_interval, config.session_timeout));
        let terms = Terms {
            group: config.group,
            protocol_type: config.protocol_type,
            instance_id: None,
            session_timeout: config.session_timeout,
            rebalance_timeout: config.rebalance_timeout,
        };
        let coordination = Arc::new(Coordination::new(client, terms));
        Self { coordination, standing: beats.watch(), beats, beating: JoinSet::new() }
    }

    /// Joins, and waits until everyone has. One attempt: after an error, say anew what is true then, after a pause. May be
    /// dropped; the next attempt goes on under the same member id.
    ///
    /// # Errors
    /// What the coordinator said. `UNKNOWN_MEMBER_ID` says that the group went on without this member.
    pub async fn join(&mut self, protocols: &[GroupProtocol]) -> Result<JoinedGroup> {
        let offered = || {
            let offer = |it: &GroupProtocol| JoinGroupRequestProtocol {
                name: it.name.clone(),
                metadata: it.metadata.clone(),
            };
            protocols.iter().map(offer).collect()
        };
        let answer = loop {
            let connection = self.coordination.connection().await?;
            match self.coordination.join(&connection, offered()).await {
                Ok(answer) => break answer,
                Err(Setback::Again) => {}
                Err(Setback::Later(error) | Setback::Fatal(error)) => {
                    self.coordination.learn_from(&error);
                    return Err(error);
                }
            }
        };
        self.enter(answer.generation_id).await;
        Ok(JoinedGroup {
            generation: answer.generation_id,
            protocol: answer.protocol_name.unwrap_or_default(),
            member_id: answer.member_id,
            leader: answer.leader,
            members: answer.members.into_iter().map(|it| (it.member_id, it.metadata)).collect(),
        })
    }

    /// Ends the round: tells who gets what (the leader; the others have nothing to tell), and hears what this member gets.
    ///
    /// # Errors
    /// What the coordinator said: the member is to join again. `UNKNOWN_MEMBER_ID` as in [`Self::join`].
    pub async fn sync(&mut self, joined: &JoinedGroup, shares: Vec<(ByteString, Bytes)>) -> Result<Bytes> {
        let asked_at = Instant::now();
        let assignments = shares
            .into_iter()
            .map(|(member_id, assignment)| SyncGroupRequestAssignment { member_id, assignment })
            .collect();
        let connection = self.coordination.connection().await?;
        let protocol = Some(joined.protocol.clone());
        match self.coordination.sync(&connection, joined.generation, protocol, assignments).await {
            Ok(assignment) => {
                self.beats.proven(asked_at);
                Ok(assignment)
            }
            Err(Setback::Again) => Err(crate::admin::refused(
                &connection,
                ApiKey::SyncGroup,
                "a member",
                ErrorCode::MEMBER_ID_REQUIRED,
                None,
            )),
            Err(Setback::Later(error) | Setback::Fatal(error)) => {
                self.coordination.learn_from(&error);
                Err(error)
            }
        }
    }

    /// Lets the heart beat for a generation.
    async fn enter(&mut self, generation: i32) {
        let is_new = self.beating.is_empty() || self.standing.borrow().is_out();
        if is_new {
            self.beating.shutdown().await;
        }
        self.beats.joined(generation, is_new, Instant::now());
        if is_new {
            self.beating.spawn(Arc::clone(&self.beats).beat(Arc::clone(&self.coordination)));
        }
    }

    /// How the member stands: hears of every change. What is seen before the first [`Self::join`] says nothing.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Gives up its place after it was out: heartbeats end, and unless the coordinator may still know it, so does the member id.
    pub async fn forget(&mut self, code: ErrorCode) {
        self.beating.shutdown().await;
        self.coordination.forget_member(code);
    }

    /// Says goodbye, so that the others need not wait for the session to end. It may join again, as a new member.
    ///
    /// # Errors
    /// What the coordinator said; the others then wait for the session to end.
    pub async fn leave(&mut self) -> Result<()> {
        self.beating.shutdown().await;
        let left = self.coordination.leave().await;
        self.coordination.forget_member(ErrorCode::UNKNOWN_MEMBER_ID);
        left
    }
}
