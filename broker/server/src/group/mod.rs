//! Who reads what, and how far? Consumer groups, Connect's worker groups, and committed offsets.
//!
//! - `state`, `rebalance`, `member`: a group as a pure state machine
//! - `offsets`, `records`: committed offsets in memory and on disk
//! - `coordinator`: the thin shell around both: requests in, answers out, time

mod coordinator;
mod member;
mod offsets;
mod rebalance;
mod records;
mod state;

pub(crate) use self::{
    coordinator::{Coordinator, run_timer},
    offsets::{CommittedOffset, OffsetKey},
    rebalance::{Join, Sync},
    state::{Claim, GroupState, JoinAnswer, SyncAnswer},
};
