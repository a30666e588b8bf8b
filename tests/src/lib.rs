//! The harness: real servers, the built binary and the checks that the tests, the demonstration and the benchmark share.
//!
//! It stands outside the data path: it starts what is to be tested as a user would, and looks at both ends.
//! Invariant: everything it starts is private (own folder, free port) and ends with the process that started it.

#![allow(clippy::print_stderr, reason = "the harness speaks to the person who runs it")]

pub mod arrivals;
pub mod broker;
pub mod checker;
pub mod cluster;
pub mod database;
pub mod far_end;
pub mod group_checker;
pub mod kcat;
pub mod load;
pub mod millrace;
pub mod network;
pub mod pipeline;
pub mod places;
pub mod process;
pub mod receiver;
pub mod registry;
pub mod sequence;
pub mod shop;
pub mod wait;
