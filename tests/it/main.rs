//! What Millrace promises, on real servers. One binary, so that it links once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod acceptance;
mod authority;
mod avro;
mod bad_input;
mod checker;
mod cli;
mod client_transactions;
mod clients;
mod distributed;
mod docs;
mod drop_in;
mod exactly_once;
mod forwarding;
mod group_checker;
mod groups;
mod java;
mod kcat;
mod leadership;
mod mysql_taken_over;
mod pipeline;
mod python_clients;
mod rest_access;
mod samples;
mod servers;
mod signals;
mod tidy;
mod transactions;
mod workers_tls;
