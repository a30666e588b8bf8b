//! DDL: what statements in the binlog do to the shapes of tables.
//!
//! Off the hot path: [`Catalog::apply`] reads each statement of a query event. It acts on what changes tables and passes over
//! everything else. Invariant: no statement is an error. What concerns a table and is not understood yields
//! [`TableChange::Reread`]: that table's shape is forgotten and must be read from the server's information_schema.

mod catalog;

pub use catalog::{Catalog, TableChange};

/// One statement of a query event, with what its session says about it.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// The text.
    pub sql: &'a str,
    /// The session's current database, empty without one.
    pub database: &'a str,
    /// Whether the session's `sql_mode` has ANSI_QUOTES (bit 2 of `Q_SQL_MODE_CODE`): double quotes then hold names.
    pub ansi_quotes: bool,
}
