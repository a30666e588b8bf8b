//! The checker of a group of workers: exactly once, and back within seconds, while networks are cut and processes die.
//!
//! A broker and three workers, each in a network of its own where the system has that ([`crate::network`]). They move numbered records
//! from two sources to topics, and from there to a file, and the changes of a database to topics. Meanwhile pairs are cut (both ways or one), workers are halted or
//! killed, and the broker is killed. After each round everything heals, and the time is taken until every task runs and the
//! records move again. In the end all numbers must be in the topics and in the file, each once, and all changes in theirs, each row's
//! one after the other. Invariant: a seed repeats its plan.
//!
//! - `plan`: what happens when; `campaign`: does it; `workload`, `changes`: what is moved, and how far it is; `verdict`: the judgement, pure

mod campaign;
mod changes;
mod plan;
mod verdict;
mod workload;

pub use self::campaign::{Campaign, Report};
