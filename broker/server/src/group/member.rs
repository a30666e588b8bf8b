//! One member of a group, as the coordinator sees it.

use bytes::Bytes;

/// A moment in milliseconds of a clock that never goes back.
pub(crate) type Millis = u64;
/// Names a request that waits for an answer.
pub(crate) type Token = u64;

/// A member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    /// `group.instance.id` of a static member.
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout_ms: u64,
    pub(crate) rebalance_timeout_ms: u64,
    /// What it can do, best first: protocol name and what it tells the leader.
    pub(crate) protocols: Vec<(String, Bytes)>,
    pub(crate) assignment: Bytes,
    pub(crate) waits_for_join: Option<Token>,
    pub(crate) waits_for_sync: Option<Token>,
    /// When it is taken for dead, unless it waits for us.
    pub(crate) expires_at: Millis,
    /// A newcomer's first rebalance takes longer than its session; still, it does not wait for ever.
    pub(crate) given_up_at: Option<Millis>,
}

impl Member {
    /// Whether the coordinator owes it an answer; until then its silence says nothing.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waits_for_join.is_some() || self.waits_for_sync.is_some()
    }

    /// When it goes if nothing is heard of it.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        if self.is_waiting() { self.given_up_at } else { Some(self.expires_at) }
    }

    /// What it tells the leader under this protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    /// Whether it can do this protocol.
    pub(crate) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// It was heard of.
    pub(crate) fn refresh(&mut self, now: Millis) {
        self.expires_at = now.saturating_add(self.session_timeout_ms);
    }
}
