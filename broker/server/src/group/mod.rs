//! Who reads what, and how far? Consumer groups, Connect's worker groups, and committed offsets.
//!
//! - `state`, `rebalance`, `assignment`, `member`: a group as a pure state machine
//! - `offsets`, `records`, `commits`: committed offsets in memory and on disk
//! - `coordinator`: the thin shell around both: requests in, answers out, time

mod assignment;
mod commits;
mod coordinator;
mod member;
mod offsets;
mod rebalance;
mod records;
mod state;

pub(crate) use self::{
    assignment::Sync,
    commits::ensure_offsets_log,
    coordinator::{Coordinator, run_timer},
    offsets::{CommittedOffset, OffsetKey},
    rebalance::Join,
    state::{Claim, GroupState, JoinAnswer, SyncAnswer},
};
