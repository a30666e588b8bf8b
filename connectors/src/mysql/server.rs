//! The server: connecting to it, asking it what it is, and sorting what goes wrong by consequence.
//!
//! Everything that needs SQL goes through here: checks, snapshots, and the sessions that ask for the binlog. Sessions read
//! in UTC and UTF-8, and print DDL with backticks whatever the server's `sql_mode` says.

mod connect;
mod error;

use std::future::Future;

use api::configs::ConfigError;
use api::{Error, Result, Text};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

pub use connect::{Encryption, connect, connect_to_read};
pub use error::{error_code, sorted};

use super::gtid::GtidSet;
use super::position::Position;
use super::shape::TableId;

/// A session that can be asked: of the library, or one that hands out rows as they come.
pub trait Session: Send {
    /// The rows of each result of a statement, or of several with `;` between them; what has no rows has no result.
    ///
    /// # Errors
    /// Of the network and of the server.
    fn results(&mut self, statement: &str)
    -> impl Future<Output = mysql_async::Result<Vec<Vec<Row>>>> + Send;
}

impl Session for Conn {
    async fn results(&mut self, statement: &str) -> mysql_async::Result<Vec<Vec<Row>>> {
        let mut results = self.query_iter(statement).await?;
        let mut all = Vec::new();
        while !results.is_empty() {
            all.push(results.collect().await?);
        }
        drop(results);
        Ok(all)
    }
}

async fn query(session: &mut impl Session, statement: &str) -> mysql_async::Result<Vec<Row>> {
    Ok(session.results(statement).await?.into_iter().next().unwrap_or_default())
}

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// The version as it says it.
    pub version: String,
    /// Whether it is MariaDB.
    pub mariadb: bool,
    /// What tells this server from others: MySQL's `server_uuid`, MariaDB's `server_uid`.
    pub uuid: Option<Text>,
    /// Its own number.
    pub server_id: u32,
    /// Whether transactions have GTIDs.
    pub gtids: bool,
    /// The default character set.
    pub charset: String,
    /// Whether it ignores the case of table names.
    pub lower_case: bool,
}

/// Runs a statement that has no result.
///
/// # Errors
/// Sorted by consequence; names the statement.
pub async fn execute(conn: &mut impl Session, statement: &str) -> Result<()> {
    rows(conn, statement).await.map(drop)
}

/// The rows of a small result.
///
/// # Errors
/// Sorted by consequence; names the statement.
pub async fn rows(conn: &mut impl Session, statement: &str) -> Result<Vec<Row>> {
    query(conn, statement).await.map_err(|error| sorted(error).context(format!("running \"{statement}\"")))
}

/// A cell as text; NULL and bytes that are no UTF-8 are none.
#[must_use]
pub fn cell(row: &Row, index: usize) -> Option<String> {
    row.get_opt::<String, _>(index)?.ok()
}

/// The first row's first cell, or nothing: for what not every server has.
pub async fn maybe(conn: &mut impl Session, statement: &str) -> Option<String> {
    let rows = query(conn, statement).await.ok()?;
    cell(rows.first()?, 0)
}

/// A server variable.
///
/// # Errors
/// `Fatal` when the server has none of this name.
pub async fn variable(conn: &mut impl Session, name: &str) -> Result<String> {
    let found = rows(conn, &format!("SELECT @@GLOBAL.{name}")).await?;
    Ok(found.first().and_then(|row| cell(row, 0)).unwrap_or_default())
}

/// Asks the server what it is.
///
/// # Errors
/// As [`rows`].
pub async fn info(conn: &mut impl Session) -> Result<ServerInfo> {
    let found =
        rows(conn, "SELECT VERSION(), @@GLOBAL.server_id, @@character_set_server, @@lower_case_table_names")
            .await?;
    let row = found.first().ok_or_else(|| Error::fatal("the server does not tell its version"))?;
    let text = |index| cell(row, index).unwrap_or_default();
    let version = text(0);
    let mariadb = version.to_ascii_lowercase().contains("mariadb");
    let number = |index: usize| row.get_opt::<u64, _>(index).and_then(std::result::Result::ok).unwrap_or(0);
    let server_id = u32::try_from(number(1)).unwrap_or(0);
    let (charset, lower_case) = (text(2), number(3) != 0);
    let (uuid, gtids) = if mariadb {
        (maybe(conn, "SELECT @@GLOBAL.server_uid").await, true)
    } else {
        let mode = maybe(conn, "SELECT @@GLOBAL.gtid_mode").await.unwrap_or_default();
        (maybe(conn, "SELECT @@GLOBAL.server_uuid").await, mode.starts_with("ON"))
    };
    Ok(ServerInfo { version, mariadb, uuid: uuid.map(Text::from), server_id, gtids, charset, lower_case })
}

/// Where the binlog ends now.
///
/// # Errors
/// `Fatal` that names the GRANT when the user may not ask, or the option when there is no binlog.
pub async fn binlog_end(conn: &mut impl Session, server: &ServerInfo) -> Result<Position> {
    // MySQL 8.4 took the old name away; older ones and MariaDB do not know the new.
    let statements = ["SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"];
    let mut failed = None;
    for statement in statements {
        match query(conn, statement).await {
            Ok(rows) => return end_position(conn, server, rows.first()).await,
            Err(error) if error_code(&error) == Some(1064) => failed = Some(error),
            Err(error) => return Err(sorted(error).context(format!("running \"{statement}\""))),
        }
    }
    Err(failed.map_or_else(|| Error::fatal("the server does not tell where its binlog ends"), sorted))
}

async fn end_position(conn: &mut impl Session, server: &ServerInfo, row: Option<&Row>) -> Result<Position> {
    let row = row.ok_or_else(|| Error::fatal("the server writes no binlog: start it with --log-bin"))?;
    let file = cell(row, 0).unwrap_or_default();
    let pos = row.get_opt::<u64, _>(1).and_then(std::result::Result::ok).unwrap_or(4);
    let gtids = match (server.mariadb, server.gtids) {
        (true, _) => maybe(conn, &format!("SELECT BINLOG_GTID_POS('{file}', {pos})")).await,
        (false, true) => cell(row, 4).map(|gtids| gtids.replace(['\n', ' '], "")),
        (false, false) => None,
    };
    let gtids = gtids.filter(|gtids| !gtids.is_empty() || !server.mariadb);
    let gtids = gtids.map(|gtids| GtidSet::parse(&gtids, server.mariadb)).transpose()?;
    let server_uuid = server.uuid.clone();
    Ok(Position { file: Text::from(file), pos, gtids, server_uuid, skip: super::position::Skip::default() })
}

/// The tables of the server that are not its own, with those that are views or sequences left out, in the order of their bytes: `MariaDB`
/// sorts names without regard to case, Debezium reads them from its folders.
///
/// # Errors
/// As [`rows`].
pub async fn tables(conn: &mut impl Session) -> Result<Vec<TableId>> {
    let statement = "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES \
        WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')";
    let id = |row: &Row| Some(TableId::new(cell(row, 0)?, cell(row, 1)?));
    let mut tables: Vec<_> = rows(conn, statement).await?.iter().filter_map(id).collect();
    tables.sort_unstable();
    Ok(tables)
}

/// A name as SQL takes it.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table's name as SQL takes it.
#[must_use]
pub fn quoted_table(id: &TableId) -> String {
    format!("{}.{}", quoted(&id.database), quoted(&id.table))
}

/// The text of `SHOW CREATE TABLE`; `None` when there is no such table.
///
/// # Errors
/// As [`rows`].
pub async fn create_table_text(conn: &mut impl Session, id: &TableId) -> Result<Option<String>> {
    let statement = format!("SHOW CREATE TABLE {}", quoted_table(id));
    match query(conn, &statement).await {
        Ok(rows) => Ok(rows.first().and_then(|row| cell(row, 1))),
        Err(error) if matches!(error_code(&error), Some(1146 | 1049)) => Ok(None),
        Err(error) => Err(sorted(error).context(format!("running \"{statement}\""))),
    }
}

/// So many tables [`create_table_texts`] asks about at once: with very many tables a round trip for each would take longer than the
/// server does.
pub const BUNDLE: usize = 64;

/// The texts of `SHOW CREATE TABLE` of at most [`BUNDLE`] tables, in their order; tables that are gone are left out.
///
/// # Errors
/// As [`rows`].
pub async fn create_table_texts(
    conn: &mut impl Session,
    bundle: &[TableId],
) -> Result<Vec<(TableId, String)>> {
    match bundle_of_texts(conn, bundle).await {
        Ok(texts) if texts.len() == bundle.len() => Ok(bundle.iter().cloned().zip(texts).collect()),
        Err(error) if error_code(&error).is_none() => {
            Err(sorted(error).context("reading the definitions of tables"))
        }
        // One of them is gone, or what stands between us and the server takes one statement at a time.
        _ => {
            let mut found = Vec::with_capacity(bundle.len());
            for id in bundle {
                found.extend(create_table_text(conn, id).await?.map(|text| (id.clone(), text)));
            }
            Ok(found)
        }
    }
}

async fn bundle_of_texts(conn: &mut impl Session, ids: &[TableId]) -> mysql_async::Result<Vec<String>> {
    let statements: Vec<_> = ids.iter().map(|id| format!("SHOW CREATE TABLE {}", quoted_table(id))).collect();
    let results = conn.results(&statements.join(";")).await?;
    Ok(results.iter().filter_map(|rows| cell(rows.first()?, 1)).collect())
}

/// The default character sets of databases.
///
/// # Errors
/// As [`rows`].
pub async fn database_charsets(conn: &mut impl Session) -> Result<Vec<(String, String)>> {
    let statement = "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA";
    Ok(rows(conn, statement).await?.iter().filter_map(|row| Some((cell(row, 0)?, cell(row, 1)?))).collect())
}

/// An error as one about a setting, for a check's answer.
#[must_use]
pub fn about(setting: &str, error: &Error) -> ConfigError {
    ConfigError::other(setting, format!("{setting}: {error}"))
}
