//! Who reads what, and how far? Consumer groups, Connect's worker groups, and committed offsets.
//!
//! - `state`, `rebalance`, `assignment`, `member`: a group as a pure state machine
//! - `consumer`: the same for groups of the consumer protocol (KIP-848)
//! - `offsets`, `records`, `commits`: committed offsets in memory and on disk
//! - `remembered`, `loading`, `journal`: groups on disk
//! - `coordinator`, `waiting`, `timer`: the thin shell around them: requests in, answers out, time
//! - `view`, `lag`, `removal`: what others see of groups, and how groups and offsets go

mod assignment;
mod beats;
mod commits;
mod consumer;
mod coordinator;
mod journal;
mod lag;
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

pub use self::consumer::Assignor;
pub(crate) use self::{
    assignment::Sync,
    commits::ensure_offsets_log,
    consumer::{Assigned, Beat, BeatAnswer, Refused},
    coordinator::Coordinator,
    journal::run_journal,
    offsets::{CommittedOffset, OffsetKey},
    rebalance::Join,
    state::{Claim, JoinAnswer, SyncAnswer},
    timer::run_timer,
    view::{ConsumerMemberView, TopicView},
};
