//! The broker as its clients see it: frame by frame, with kcat, and over kill -9.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests say what is wrong by panicking, and what they skip"
)]

mod admin;
mod api;
mod bad_input;
mod client;
mod configs;
mod coordination;
mod groups;
mod hostile;
mod kcat;
mod kill;
mod security;
mod transactions;
