//! The tables of the current dump, by the numbers under which the server sends their rows.

use std::collections::HashMap;
use std::sync::Arc;

use api::{Bytes, Error, Result};

use super::Follower;
use crate::mysql::binlog::RowError;
use crate::mysql::binlog::row::RowDecoder;
use crate::mysql::binlog::table_map::TableMap;
use crate::mysql::history::Since;
use crate::mysql::reader::Reader;
use crate::mysql::row_event::CapturedTable;
use crate::mysql::server::{self, binlog_end};
use crate::mysql::shape::{TableId, TableShape};

/// How many tables are remembered at most; then all are forgotten, and their next table maps bring them back.
const TABLES_MAX: usize = 10_000;

struct Known {
    body: Bytes,
    /// `None` when it is not captured.
    table: Option<Arc<CapturedTable>>,
}

/// The tables by number.
#[derive(Default)]
pub(super) struct Tables {
    by_number: HashMap<u64, Known>,
    captured: HashMap<TableId, bool>,
}

impl Tables {
    /// Numbers mean nothing any more, or shapes have changed.
    pub(super) fn clear(&mut self) {
        self.by_number.clear();
    }

    /// The table of a number: `None` when there was no table map for it, `Some(None)` when it is not captured.
    pub(super) fn get(&self, number: u64) -> Option<Option<&Arc<CapturedTable>>> {
        self.by_number.get(&number).map(|known| known.table.as_ref())
    }

    fn is_known(&self, number: u64, body: &Bytes) -> bool {
        self.by_number.get(&number).is_some_and(|known| known.body == *body)
    }

    fn insert(&mut self, number: u64, known: Known) {
        if self.by_number.len() >= TABLES_MAX {
            self.by_number.clear();
        }
        self.by_number.insert(number, known);
    }
}

impl Follower {
    /// A table map: prepares the table unless that was done for the same map.
    pub(super) async fn table_map(&mut self, reader: &Reader, body: &Bytes) -> Result<()> {
        let number = TableMap::peek_table_id(body).unwrap_or(0);
        if self.tables.is_known(number, body) {
            return Ok(());
        }
        let map = if self.server.mariadb { TableMap::parse_mariadb(body)? } else { TableMap::parse(body)? };
        if self.tables.captured.len() > TABLES_MAX {
            self.tables.captured.clear();
        }
        let captured = &mut self.tables.captured;
        let captured =
            *captured.entry(map.table.clone()).or_insert_with(|| reader.filter.captures(&map.table));
        let captured = captured && !self.is_sequence(reader, &map).await?;
        let table = if captured { self.prepare_or_pass_over(reader, &map).await? } else { None };
        self.tables.insert(number, Known { body: body.clone(), table });
        Ok(())
    }

    /// Whether it is a sequence, whose values stand in the binlog as rows. One that was dropped since is known by its columns alone.
    async fn is_sequence(&self, reader: &Reader, map: &TableMap) -> Result<bool> {
        if !self.server.mariadb || !map.is_like_sequence() || self.shapes.table(&map.table).is_some() {
            return Ok(false);
        }
        let mut conn = server::connect(&reader.config).await?;
        let definition = server::create_table_text(&mut conn, &map.table).await?;
        if let Err(error) = conn.disconnect().await {
            tracing::debug!(%error, "closing the session that asked for a sequence");
        }
        Ok(definition.is_none_or(|sql| sql.contains(" SEQUENCE=1")))
    }

    /// The table; `None` when its definition is not known and `inconsistent.schema.handling.mode` lets its rows be left out.
    async fn prepare_or_pass_over(
        &mut self,
        reader: &Reader,
        map: &TableMap,
    ) -> Result<Option<Arc<CapturedTable>>> {
        match self.prepare(reader, map).await {
            Ok(table) => Ok(Some(Arc::new(table))),
            Err(error) if error.is_retriable() => Err(error),
            Err(error) => {
                let error = error.context(format!("the rows of {} cannot be read", map.table));
                reader.events.config.inconsistent_schemas.decide(error).map(|()| None)
            }
        }
    }

    async fn prepare(&mut self, reader: &Reader, map: &TableMap) -> Result<CapturedTable> {
        let known = self.shapes.table(&map.table).cloned();
        if let Some(shape) = known {
            match self.with_shape(reader, map, &shape) {
                Err(RowError::Mismatch { .. }) => {
                    tracing::warn!(table = %map.table, "rows do not fit the known shape; reading it from the server");
                }
                prepared => return Ok(prepared?),
            }
        }
        let shape = self.read_shape(reader, &map.table).await?;
        self.with_shape(reader, map, &shape).map_err(|error| {
            let place = format!("{}:{}", self.tracker.file(), self.tracker.start());
            Error::fatal(format!(
                "the rows of {} at {place} fit neither the shape known from there nor the table's present one; reset the \
                 connector's offsets to take a new snapshot",
                map.table
            ))
            .with_source(error)
        })
    }

    fn with_shape(
        &self,
        reader: &Reader,
        map: &TableMap,
        shape: &TableShape,
    ) -> std::result::Result<CapturedTable, RowError> {
        let decoder = RowDecoder::prepare(map, shape, &reader.config.type_options())?
            .with_schemas(|index| reader.envelopes.column_schema(shape, index));
        let records = reader.envelopes.table(shape, &reader.filter);
        Ok(CapturedTable { id: map.table.clone(), decoder, records })
    }

    /// The table's present shape, for one that we know nothing of. DDL that is still to come is in it already.
    pub(super) async fn read_shape(&mut self, reader: &Reader, id: &TableId) -> Result<Arc<TableShape>> {
        let mut conn = server::connect(&reader.config).await?;
        let end = binlog_end(&mut conn, &self.server).await?;
        let sql = server::create_table_text(&mut conn, id).await?.ok_or_else(|| {
            Error::fatal(format!(
                "rows of table {id} come at {}:{}, but its shape is not known and it is not on the server any more; exclude it \
                 with table.exclude.list, or reset the connector's offsets",
                self.tracker.file(),
                self.tracker.start()
            ))
        })?;
        let shape = self.shapes.read_create_table(id, &sql)?;
        if let Err(error) = conn.disconnect().await {
            tracing::debug!(%error, "closing the session that read a shape");
        }
        self.shapes.put_later(shape, Since::position(&end)).await
    }
}
