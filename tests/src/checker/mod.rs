//! The checker: what clients were promised, held against what the broker has, while everything that can break does.
//!
//! Independent clients (confluent-kafka) produce idempotently and in transactions, and read what is committed; each keeps a
//! history of what the broker told it. Meanwhile the broker is killed, stopped, run out of disk, and its unacknowledged tail is torn
//! or flipped. Afterwards everything is read back and judged. Invariant: a seed repeats the same plan of faults.
//!
//! - `plan`: which fault comes when; `fault`: how it is done; `tail`: which bytes nobody was promised
//! - `workload`: the clients; `history`: what they were told; `verdict`: the judgement, pure
//! - `campaign`: rounds on one broker from start to verdict

mod campaign;
mod fault;
mod history;
mod plan;
mod tail;
mod verdict;
mod workload;

pub use self::campaign::{Campaign, Report};
pub(crate) use self::plan::Numbers;
