//! DDL: what statements in the binlog do to the shapes of tables.
//!
//! Off the hot path: [`Catalog::apply`] reads each statement of a query event. It acts on what changes tables and passes over
//! everything else. Invariant: no statement is an error. What concerns a table and is not understood yields
//! [`TableChange::Reread`]: that table's shape is forgotten and must be read from the server's information_schema.

mod alter;
mod altering;
mod catalog;
mod column;
mod parser;
mod statement;
mod table;
mod token;

pub use catalog::{Catalog, TableChange};

/// One statement of a query event, with what its session says about it.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// The text.
    pub sql: &'a str,
    /// The session's current database, empty without one.
    pub database: &'a str,
    /// The session's `sql_mode` as the query event's status variables hold it (`Q_SQL_MODE_CODE`), 0 when unknown.
    pub sql_mode: u64,
}

impl Statement<'_> {
    /// Bits of `sql_mode` that change how a statement reads.
    const REAL_AS_FLOAT: u64 = 1;
    const ANSI_QUOTES: u64 = 4;
    const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;
}

#[cfg(test)]
mod tests;
