//! The definitions of the captured tables, as the server prints them: what a view's shapes are made of.
//!
//! With very many tables a server takes seconds to print them, most of which it waits for itself: several sessions ask side by side.
//! Invariant: the definitions come in the order of the tables' names, whoever read them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::Result;
use futures::future::try_join_all;

use crate::mysql::config::MySqlConfig;
use crate::mysql::filter::Filter;
use crate::mysql::server::{self, BUNDLE, Session};
use crate::mysql::shape::TableId;
use crate::mysql::wire::Connection;

/// The captured tables and their definitions.
pub(super) type Definitions = Vec<(TableId, String)>;

/// With more tables than this, several sessions ask.
const TABLES_ALONE_MAX: usize = 512;
/// So many.
const SESSIONS: usize = 4;

/// The captured tables of the server, in the order of their names.
///
/// # Errors
/// As [`server::tables`].
pub async fn captured(conn: &mut impl Session, filter: &Filter) -> Result<Vec<TableId>> {
    Ok(server::tables(conn).await?.into_iter().filter(|id| filter.captures(id)).collect())
}

/// Sessions that read definitions beside those of the view, for as long as the view is being opened.
#[derive(Debug)]
pub(super) struct Readers {
    sessions: Vec<Connection>,
    lock_timeout: Duration,
}

/// How long a session waits at most for who alters a table.
pub(super) async fn limit_waiting(session: &mut impl Session, timeout: Duration) -> Result<()> {
    let seconds = timeout.as_secs().max(1);
    server::execute(session, &format!("SET SESSION lock_wait_timeout = {seconds}")).await
}

impl Readers {
    /// None yet; each will wait for so long at most for who alters a table.
    pub(super) const fn new(lock_timeout: Duration) -> Self {
        Self { sessions: Vec::new(), lock_timeout }
    }

    /// Reads the definitions of the captured tables.
    ///
    /// # Errors
    /// As [`server::rows`].
    pub(super) async fn read(
        &mut self,
        config: &MySqlConfig,
        filter: &Filter,
        sessions: &mut [Connection],
    ) -> Result<Definitions> {
        let Some(first) = sessions.first_mut() else { return Ok(Vec::new()) };
        let tables = captured(first, filter).await?;
        let wanted =
            if tables.len() > TABLES_ALONE_MAX { SESSIONS.saturating_sub(sessions.len()) } else { 0 };
        while self.sessions.len() < wanted {
            let mut session = server::connect_to_read(config).await?;
            limit_waiting(&mut session, self.lock_timeout).await?;
            self.sessions.push(session);
        }
        side_by_side(sessions.iter_mut().chain(&mut self.sessions), &tables).await
    }

    /// Ends the sessions.
    pub(super) async fn close(self) {
        for session in self.sessions {
            if let Err(error) = session.close().await {
                tracing::debug!(%error, "closing a session that read definitions");
            }
        }
    }
}

async fn side_by_side<'a, S: Session + 'a>(
    sessions: impl Iterator<Item = &'a mut S>,
    tables: &[TableId],
) -> Result<Definitions> {
    let next = AtomicUsize::new(0);
    let next = &next;
    let reading = sessions.map(|session| async move {
        let mut read = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(bundle) = tables.chunks(BUNDLE).nth(number) else { return Ok::<_, api::Error>(read) };
            read.push((number, server::create_table_texts(session, bundle).await?));
        }
    });
    let mut read: Vec<_> = try_join_all(reading).await?.into_iter().flatten().collect();
    read.sort_unstable_by_key(|(number, _)| *number);
    Ok(read.into_iter().flat_map(|(_, definitions)| definitions).collect())
}

/// Whether two readings found the same tables.
pub(super) fn same(one: &[(TableId, String)], other: &[(TableId, String)]) -> bool {
    let alike = |((id, sql), (other_id, other_sql)): (&(TableId, String), &(TableId, String))| {
        id == other_id && telling(sql).eq(telling(other_sql))
    };
    one.len() == other.len() && one.iter().zip(other).all(alike)
}

/// The bytes of a definition that say what the table is.
fn telling(sql: &str) -> impl Iterator<Item = u8> {
    let (before, behind) = without_counter(sql);
    before.bytes().chain(behind.bytes())
}

/// A definition without the counter of its AUTO_INCREMENT column, which moves with every row: before it and behind it.
fn without_counter(sql: &str) -> (&str, &str) {
    const COUNTER: &str = " AUTO_INCREMENT=";
    // Behind the columns only: the word may also stand in a comment.
    let Some(start) = sql.rfind("\n)") else { return (sql, "") };
    let (_, options) = sql.split_at(start);
    let Some((head, rest)) = options.split_once(COUNTER) else { return (sql, "") };
    let (before, _) = sql.split_at(start + head.len());
    (before, rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mysql_async::{Column, Row, Value, consts::ColumnType};

    use super::*;

    /// A server's session that prints definitions, and counts how often it is asked.
    struct Printer {
        asked: usize,
    }

    impl Session for Printer {
        async fn results(&mut self, statement: &str) -> mysql_async::Result<Vec<Vec<Row>>> {
            self.asked += 1;
            tokio::task::yield_now().await;
            let text = || Column::new(ColumnType::MYSQL_TYPE_VAR_STRING);
            let columns: Arc<[Column]> = Arc::new([text(), text()]);
            let row = |show: &str| {
                let table = show.trim_start_matches("SHOW CREATE TABLE ");
                let cells = [table, &format!("definition of {table}")].map(Value::from);
                vec![mysql_common::row::new_row(cells.into(), Arc::clone(&columns))]
            };
            Ok(statement.split(';').map(row).collect())
        }
    }

    #[tokio::test]
    async fn several_sessions_print_the_definitions_in_order_and_each_once() {
        let tables: Vec<_> =
            (0..BUNDLE * 10 + 1).map(|number| TableId::new("s", format!("t{number:05}"))).collect();
        let mut sessions = [0; 3].map(|asked| Printer { asked });
        let found = side_by_side(sessions.iter_mut(), &tables).await.unwrap();
        assert_eq!(found.len(), tables.len());
        for ((id, text), wanted) in found.iter().zip(&tables) {
            assert_eq!((id, text), (wanted, &format!("definition of {}", server::quoted_table(wanted))));
        }
        let asked = sessions.map(|session| session.asked);
        assert_eq!(asked.iter().sum::<usize>(), 11, "a bundle costs one round trip");
        assert!(asked.iter().all(|asked| *asked > 0), "{asked:?}");
    }

    #[test]
    fn only_the_counter_is_left_out_of_a_definition() {
        let sql = "CREATE TABLE `t` (\n  `a` int COMMENT 'x AUTO_INCREMENT=5'\n) ENGINE=InnoDB AUTO_INCREMENT=17 CHARSET=utf8mb4";
        let (before, behind) = (
            "CREATE TABLE `t` (\n  `a` int COMMENT 'x AUTO_INCREMENT=5'\n) ENGINE=InnoDB",
            " CHARSET=utf8mb4",
        );
        assert_eq!(without_counter(sql), (before, behind));
        assert_eq!(without_counter(before), (before, ""));
        let alike = |other: &str| {
            let id = TableId::new("s", "t");
            same(&[(id.clone(), sql.to_owned())], &[(id, other.to_owned())])
        };
        assert!(alike(&sql.replace("=17", "=18")));
        assert!(alike(&sql.replace(" AUTO_INCREMENT=17", "")), "it appears with the first row");
        assert!(!alike(&sql.replace("=5", "=6")));
    }
}
