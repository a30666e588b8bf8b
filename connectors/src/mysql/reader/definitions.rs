//! The definitions that a snapshot finds, as schema changes: each captured table and its database as if made anew.
//!
//! Written between the opening of the snapshot's view and its first row, when `include.schema.changes` is set. The statements
//! are the server's own, read with the view and not kept, since Debezium's readers want their text.

use std::sync::Arc;

use api::{Result, SourceOffset, Text};
use mysql_async::Conn;

use super::Reader;
use crate::mysql::envelope::schema_change::{Change, SchemaChange};
use crate::mysql::envelope::{Moment, Origin};
use crate::mysql::position::{OffsetDetails, offset, signed};
use crate::mysql::server::{self, cell, quoted, quoted_table};
use crate::mysql::shape::TableShape;
use crate::mysql::snapshot::View;

impl Reader {
    /// Says the definitions of a view's tables. `rows_follow` says whether the snapshot goes on behind them.
    ///
    /// # Errors
    /// As the connection.
    pub(super) async fn say_definitions(&mut self, view: &View, rows_follow: bool) -> Result<()> {
        let View { shapes, position, definitions, .. } = view;
        if !self.events.config.schema_changes || shapes.is_empty() {
            return Ok(());
        }
        let mut conn = server::connect(&self.config).await?;
        let mut all = statements(&mut conn, shapes, definitions).await?;
        if let Err(error) = conn.disconnect().await {
            tracing::debug!(%error, "closing the session that read definitions");
        }
        let now = Moment::now();
        let details = |in_snapshot| OffsetDetails {
            timestamp_s: Some(now.milliseconds() / 1000),
            server_id: 0,
            in_snapshot,
        };
        let (running, done) = (offset(position, details(true)), offset(position, details(false)));
        let count = all.len();
        for (index, change) in all.iter_mut().enumerate() {
            let is_last = index + 1 == count && !rows_follow;
            change.origin.name = Text::from(self.config.topic_prefix.as_str());
            change.origin.timestamp_us = now.milliseconds() * 1000;
            change.origin.snapshot = Some(if is_last { "last" } else { "true" });
            (change.origin.file, change.origin.pos) = (position.file.clone(), signed(position.pos));
            let offset = SourceOffset::new(Arc::clone(if is_last { &done } else { &running }));
            self.outbox.records.push(self.envelopes.schema_change(change, offset)?);
            if self.outbox.is_full() {
                self.outbox.flush().await?;
            }
        }
        self.outbox.flush().await
    }
}

fn about(database: &str, table: Option<&Text>, ddl: String, change: Option<Change>) -> SchemaChange {
    let origin = Origin { database: Text::from(database), table: table.cloned(), ..Origin::default() };
    SchemaChange { origin, ddl, change }
}

/// The statements that would make the tables, in Debezium's order.
async fn statements(
    conn: &mut Conn,
    shapes: &[TableShape],
    definitions: &[String],
) -> Result<Vec<SchemaChange>> {
    let mut all = Vec::new();
    let row = server::rows(conn, "SELECT @@GLOBAL.character_set_server, @@GLOBAL.collation_server").await?;
    if let Some((charset, collation)) = row.first().and_then(|row| Some((cell(row, 0)?, cell(row, 1)?))) {
        let ddl = format!("SET character_set_server={charset}, collation_server={collation}");
        all.push(about("", None, ddl, None));
    }
    for shape in shapes {
        let ddl = format!("DROP TABLE IF EXISTS {}", quoted_table(&shape.id));
        all.push(about(&shape.id.database, Some(&shape.id.table), ddl, Some(Change::Drop(shape.id.clone()))));
    }
    let mut databases: Vec<&Text> = shapes.iter().map(|shape| &shape.id.database).collect();
    databases.dedup();
    for database in databases {
        all.push(about(database, None, format!("DROP DATABASE IF EXISTS {}", quoted(database)), None));
        let statement = format!(
            "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{}'",
            database.replace('\\', "\\\\").replace('\'', "''")
        );
        let row = server::rows(conn, &statement).await?;
        let charset = row.first().and_then(|row| Some((cell(row, 0)?, cell(row, 1)?)));
        let charset = charset.map_or_else(String::new, |(charset, collation)| {
            format!(" CHARSET {charset} COLLATE {collation}")
        });
        all.push(about(database, None, format!("CREATE DATABASE {}{charset}", quoted(database)), None));
        all.push(about(database, None, format!("USE {}", quoted(database)), None));
        let defined = shapes.iter().zip(definitions);
        for (shape, ddl) in defined.filter(|(shape, _)| shape.id.database == *database) {
            let change = Change::Create(Arc::new(shape.clone()));
            all.push(about(database, Some(&shape.id.table), ddl.clone(), Some(change)));
        }
    }
    Ok(all)
}
