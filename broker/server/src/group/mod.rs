//! Who reads what, and how far? Consumer groups, Connect's worker groups, and committed offsets.
//!
//! - `state`, `rebalance`, `assignment`, `member`: a group as a pure state machine
//! - `offsets`, `records`, `commits`: committed offsets in memory and on disk
//! - `remembered`, `loading`, `journal`: groups on disk
//! - `coordinator`, `waiting`, `timer`: the thin shell around them: requests in, answers out, time
//! - `view`, `removal`: what others see of groups, and how groups and offsets go

mod assignment;
mod commits;
mod coordinator;
mod journal;
mod loading;
mod member;
mod offsets;
mod rebalance;
mod records;
mod remembered;
mod removal;
mod state;
mod timer;
mod view;
mod waiting;

pub(crate) use self::{
    assignment::Sync,
    coordinator::Coordinator,
    journal::run_journal,
    offsets::{CommittedOffset, OffsetKey},
    rebalance::Join,
    state::{Claim, GroupState, JoinAnswer, SyncAnswer},
    timer::run_timer,
};
