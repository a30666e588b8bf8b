//! What goes into a group of the consumer protocol, and what comes out.

use std::collections::BTreeSet;

use broker_protocol::ErrorCode;

use super::member::Assigned;

/// The epoch of a member that joins, or joins again with empty hands.
pub(crate) const JOIN_EPOCH: i32 = 0;
/// The epoch of a static member that leaves and means to come back; -1 is for good.
pub(crate) const LEAVE_STATIC_EPOCH: i32 = -2;

/// A ConsumerGroupHeartbeat request. `None` says that nothing has changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beat {
    pub(crate) member_id: String,
    pub(crate) member_epoch: i32,
    pub(crate) instance_id: Option<String>,
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout_ms: Option<u64>,
    pub(crate) topics: Option<BTreeSet<String>>,
    /// Empty for none.
    pub(crate) regex: Option<String>,
    pub(crate) assignor: Option<String>,
    /// What the member holds.
    pub(crate) owned: Option<Assigned>,
}

impl Beat {
    /// Whether it says everything, as a member does that does not know what the coordinator knows.
    pub(super) fn is_full(&self) -> bool {
        let says_all = self.rebalance_timeout_ms.is_some()
            && (self.topics.is_some() || self.regex.is_some())
            && self.owned.is_some();
        self.member_epoch == JOIN_EPOCH || says_all
    }
}

/// What a member is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BeatAnswer {
    pub(crate) member_id: String,
    pub(crate) member_epoch: i32,
    pub(crate) heartbeat_interval_ms: u64,
    /// What it may hold now; `None` if that has not changed.
    pub(crate) assignment: Option<Assigned>,
}

/// Why a member is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
