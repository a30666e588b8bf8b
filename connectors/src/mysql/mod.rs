//! The MySQL and MariaDB source: a snapshot of the captured tables, then every row change from the binlog.
//!
//! Table shapes come from DDL ([`ddl`]) and from the server; [`types`] says which schema a column has, [`binlog`] turns
//! row images into values of it, [`text`] does the same for a snapshot's rows. Those parts are pure: no I/O in them.

pub mod binlog;
pub mod checks;
pub mod config;
pub mod connector;
pub mod ddl;
pub mod envelope;
pub mod filter;
pub mod gtid;
pub mod history;
pub mod incremental;
pub mod notification;
pub mod outbox;
pub mod packed_rows;
pub mod position;
pub mod queue;
pub mod reader;
pub mod resume;
pub mod row_event;
pub mod server;
pub mod shape;
pub mod signal;
pub mod snapshot;
pub mod task;
pub mod text;
pub mod types;
pub mod wire;

pub use connector::{MARIADB, MYSQL};
