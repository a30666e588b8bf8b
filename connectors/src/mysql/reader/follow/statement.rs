//! Statements: the ends of transactions, DDL, and what should not be in a binlog of rows.

use api::{Error, Result, SourceOffset};

use super::Follower;
use crate::mysql::binlog::event::Query;
use crate::mysql::ddl::{Statement, TableChange};
use crate::mysql::envelope::{Changes, Frames, Moment, RowSink, SourceBlock};
use crate::mysql::history::Since;
use crate::mysql::position::signed;
use crate::mysql::reader::Reader;
use crate::mysql::shape::TableId;

/// What a statement is to the binlog.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Begin,
    End,
    XaStart,
    XaCommit,
    XaRollback,
    Nothing,
    /// A change of rows, written as its statement.
    Change(Option<TableId>),
    Other,
}

impl Follower {
    /// A statement.
    pub(super) async fn statement(&mut self, reader: &mut Reader, query: &Query) -> Result<()> {
        match meaning(query) {
            Meaning::Begin => {
                self.begin(reader, query)?;
            }
            Meaning::End => self.commit(reader)?,
            Meaning::XaStart => self.xa_start(query),
            Meaning::XaCommit => self.xa_commit(reader, query).await?,
            Meaning::XaRollback => self.xa_rollback(reader, query)?,
            Meaning::Nothing => {}
            Meaning::Change(target) => self.refuse_change(reader, query, target.as_ref())?,
            Meaning::Other => self.other(reader, query).await?,
        }
        Ok(())
    }

    /// DDL, or something that changes no table.
    async fn other(&mut self, reader: &mut Reader, query: &Query) -> Result<()> {
        let gtid = self.tracker.gtid().cloned();
        let since = Since::statement(self.tracker.file().clone(), self.tracker.end(), gtid);
        let statement = Statement { sql: &query.sql, database: &query.database, sql_mode: query.sql_mode };
        let changes = self.shapes.apply(&statement, &since).await?;
        if !changes.is_empty() {
            tracing::info!(sql = %query.sql, ?changes, "tables changed");
            self.tables.clear();
        }
        let is_done = self.tracker.rows_to_skip() > 0;
        let said = if is_done { Vec::new() } else { self.schema_changes(reader, query, &changes) };
        for change in changes {
            if let (TableChange::Truncated(id), Some(window)) = (&change, &mut self.incremental.window)
                && window.shape.id == *id
            {
                window.meet_all();
            }
            if let (TableChange::Truncated(id), false) = (change, is_done) {
                self.truncated(reader, &id)?;
            }
        }
        // CREATE TABLE ... AS SELECT since MySQL 8.0.21: the rows follow in the same transaction.
        if query.sql.trim_end().to_uppercase().ends_with("START TRANSACTION") {
            self.begin(reader, query)?;
        }
        let stays_open = self.tracker.in_transaction() && !self.tracker.is_standalone();
        let place = (self.tracker.timestamp_us() / 1000, self.tracker.server_id());
        let shared = if stays_open { Some(self.shared_offset()) } else { None };
        if !stays_open {
            self.commit(reader)?;
        }
        let behind = match shared {
            None => SourceOffset::new(self.offset_behind(place.0, place.1)),
            Some(shared) => {
                let counters = [("row", 0), ("event", signed(self.tracker.events()) + 1)];
                let shared = match &self.transaction {
                    Some(transaction) => std::sync::Arc::new(transaction.in_offset(&shared)),
                    None => shared,
                };
                SourceOffset::with_counters(shared, counters)
            }
        };
        for change in &said {
            reader.outbox.records.push(reader.envelopes.schema_change(change, behind.clone())?);
        }
        Ok(())
    }

    fn begin(&mut self, reader: &mut Reader, query: &Query) -> Result<()> {
        let is_new = !self.tracker.in_transaction();
        self.tracker.begin(thread(query, self.server.mariadb));
        if is_new { self.mark_begin(reader) } else { Ok(()) }
    }

    fn truncated(&mut self, reader: &mut Reader, id: &TableId) -> Result<()> {
        let Some(shape) = self.shapes.table(id).filter(|_| reader.filter.captures(id)).cloned() else {
            return Ok(());
        };
        if reader.config.skips("t") {
            return Ok(());
        }
        let records = reader.envelopes.table(&shape, &reader.filter);
        let offset = SourceOffset::new(self.shared_offset());
        let origin = self.origin(reader, id);
        let source = SourceBlock::new(reader.envelopes.source_schema(), reader.flavour, &origin);
        let out = &mut reader.outbox.records;
        let mut frames = Frames::new(Moment::now());
        let rows = RowSink { table: &records, source: &source, frames: &mut frames, out };
        let shared = self.shared_offset();
        Changes { rows, shared: &shared, events: 0, transaction: self.transaction.as_mut() }.truncate(offset)
    }

    /// A change of a captured table that came as a statement has no rows to make records of.
    fn refuse_change(&self, reader: &Reader, query: &Query, target: Option<&TableId>) -> Result<()> {
        let captured = target.map_or_else(
            || reader.filter.captures_database(&query.database),
            |target| reader.filter.captures(target),
        );
        if !captured {
            return Ok(());
        }
        Err(Error::fatal(format!(
            "a change of captured rows stands in the binlog as a statement at {}:{}, so its rows cannot be known; set \
             binlog_format=ROW for every session: {}",
            self.tracker.file(),
            self.tracker.start(),
            query.sql
        )))
    }
}

/// MariaDB's events name no session that Debezium would show.
fn thread(query: &Query, mariadb: bool) -> Option<u32> {
    (!mariadb).then_some(query.thread)
}

/// Reads the first words of a statement.
fn meaning(query: &Query) -> Meaning {
    let mut words = words(&query.sql);
    let first = words.next().unwrap_or_default().to_uppercase();
    let mut second = || words.next().unwrap_or_default().to_uppercase();
    match first.as_str() {
        "BEGIN" => Meaning::Begin,
        "START" if second() == "TRANSACTION" => Meaning::Begin,
        "COMMIT" => Meaning::End,
        "ROLLBACK" if second() == "TO" => Meaning::Nothing,
        "ROLLBACK" => Meaning::End,
        "SAVEPOINT" | "RELEASE" => Meaning::Nothing,
        "XA" => match second().as_str() {
            "START" | "BEGIN" => Meaning::XaStart,
            "COMMIT" => Meaning::XaCommit,
            "ROLLBACK" => Meaning::XaRollback,
            _ => Meaning::Nothing,
        },
        "INSERT" | "REPLACE" => Meaning::Change(target(words, &["INTO"], &query.database)),
        "UPDATE" => Meaning::Change(target(words, &[], &query.database)),
        "DELETE" => Meaning::Change(target(words, &["FROM"], &query.database)),
        "LOAD" => Meaning::Change(target(words, &["TABLE"], &query.database)),
        _ => Meaning::Other,
    }
}

/// The words of a statement, without comments at its start.
pub(super) fn words(sql: &str) -> impl Iterator<Item = &str> {
    let mut sql = sql.trim_start();
    while let Some((_, rest)) =
        sql.strip_prefix("/*").filter(|rest| !rest.starts_with('!')).and_then(|rest| rest.split_once("*/"))
    {
        sql = rest.trim_start();
    }
    sql.split(|c: char| c.is_whitespace() || matches!(c, '(' | ',' | ';')).filter(|word| !word.is_empty())
}

/// The table that a change is for: the word behind one of `markers` (or the first that is no modifier).
fn target<'a>(words: impl Iterator<Item = &'a str>, markers: &[&str], database: &str) -> Option<TableId> {
    const MODIFIERS: [&str; 8] =
        ["LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "IGNORE", "QUICK", "CONCURRENT", "LOCAL", "INTO"];
    let is_one_of = |word: &str, list: &[&str]| list.iter().any(|other| other.eq_ignore_ascii_case(word));
    let mut words = words.skip_while(|word| !markers.is_empty() && !is_one_of(word, markers)).peekable();
    words.next_if(|word| is_one_of(word, markers));
    let name = words.find(|word| !is_one_of(word, &MODIFIERS))?;
    let parts: Vec<_> = name.split('.').map(|part| part.trim_matches(['`', '"'])).collect();
    match parts.as_slice() {
        [table] => Some(TableId::new(database, *table)),
        [database, table] => Some(TableId::new(*database, *table)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> Meaning {
        meaning(&Query { thread: 1, database: "shop".into(), sql_mode: 0, sql: sql.into() })
    }

    #[test]
    fn transactions_are_told_from_changes_and_the_rest() {
        assert_eq!(of("BEGIN"), Meaning::Begin);
        assert_eq!(of("XA START X'31',X'',1"), Meaning::XaStart);
        assert_eq!(of("XA COMMIT X'31',X'',1"), Meaning::XaCommit);
        assert_eq!(of("rollback"), Meaning::End);
        assert_eq!(of("ROLLBACK TO `s`"), Meaning::Nothing);
        assert_eq!(of("SAVEPOINT s"), Meaning::Nothing);
        assert_eq!(of("/* app */ ALTER TABLE t ADD x INT"), Meaning::Other);
        assert_eq!(of("CREATE TABLE t (x INT)"), Meaning::Other);
    }

    #[test]
    fn a_change_names_its_table() {
        let change = |database: &'static str, table: &'static str| {
            Meaning::Change(Some(TableId::new(database, table)))
        };
        assert_eq!(of("INSERT INTO orders(id) VALUES (1)"), change("shop", "orders"));
        assert_eq!(
            of("insert ignore into `mysql`.`rds_heartbeat2`(id) values (1)"),
            change("mysql", "rds_heartbeat2")
        );
        assert_eq!(of("UPDATE LOW_PRIORITY orders SET x=1"), change("shop", "orders"));
        assert_eq!(of("DELETE FROM other.orders WHERE id=1"), change("other", "orders"));
        assert_eq!(of("LOAD DATA LOCAL INFILE 'x' INTO TABLE orders"), change("shop", "orders"));
    }
}
