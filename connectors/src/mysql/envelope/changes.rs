//! Changes of rows from the binlog as records, with the offset and the place in its transaction that each has.
//!
//! Invariant: a row's last record carries the row's own offset and the ones before it the offset of the row before, so that a
//! delete is never committed without its tombstone.

use std::sync::Arc;

use api::{FlatMap, Result, SchemaAndValue, SourceOffset, Text, Value};

use super::transaction::Transaction;
use super::unavailable::{OwnHeaders, Shown};
use super::{Row, RowSink};
use crate::mysql::binlog::row::RowImage;

/// What a record of an update that changes the key says of the other key.
const NEW_KEY: Text = Text::from_static("__debezium.newkey");
const OLD_KEY: Text = Text::from_static("__debezium.oldkey");

/// The rows of one event on their way into records.
#[derive(Debug)]
pub struct Changes<'a> {
    /// The table, the source block and where the records go.
    pub rows: RowSink<'a>,
    /// What the offsets of the transaction share.
    pub shared: &'a Arc<FlatMap>,
    /// The events of the transaction before this one.
    pub events: i64,
    /// The transaction's counts, when they are wanted.
    pub transaction: Option<&'a mut Transaction>,
}

impl Changes<'_> {
    /// A row that was inserted.
    ///
    /// # Errors
    /// When the image lacks a column that cannot be done without; `BadRecord` when it has another number of columns than its table.
    pub fn create(&mut self, row: RowImage, number: i32) -> Result<()> {
        let key = self.rows.table.key_of(&row)?;
        let after = self.rows.table.shown(row)?;
        let row = self.row("c", (key, None), [Shown::NONE, after], number);
        self.rows.push(row?, self.offset(number, 1))
    }

    /// A row that was changed. One whose key changed is a delete, its tombstone and a create, which name each other's keys.
    ///
    /// # Errors
    /// As [`Changes::create`].
    pub fn update(&mut self, before: RowImage, after: RowImage, number: i32) -> Result<()> {
        let table = self.rows.table;
        let same_key = table.same_key(&before, &after)?;
        let (old_key, new_key) = if same_key {
            (SchemaAndValue::NULL, table.key_of(&after)?)
        } else {
            (table.key_of(&before)?, table.key_of(&after)?)
        };
        let (old_row, new_row) = (table.shown(before)?, table.shown(after)?);
        if table.skip_unchanged && old_row == new_row {
            return Ok(());
        }
        if same_key {
            let row = self.row("u", (new_key, None), [old_row, new_row], number)?;
            return self.rows.push(row, self.offset(number, 1));
        }
        let earlier = self.offset(number, 0);
        let to_new = Some((NEW_KEY, new_key.clone()));
        let row = self.row("d", (old_key.clone(), to_new.clone()), [old_row, Shown::NONE], number)?;
        self.rows.push(row, earlier.clone())?;
        if table.tombstones {
            let headers = to_new.into_iter().collect();
            self.rows.push_record(old_key.clone(), SchemaAndValue::NULL, headers, earlier);
        }
        let row = self.row("c", (new_key, Some((OLD_KEY, old_key))), [Shown::NONE, new_row], number)?;
        self.rows.push(row, self.offset(number, 1))
    }

    /// A row that was deleted, and its tombstone.
    ///
    /// # Errors
    /// As [`Changes::create`].
    pub fn delete(&mut self, row: RowImage, number: i32) -> Result<()> {
        let table = self.rows.table;
        let key = table.key_of(&row)?;
        let before = table.shown(row)?;
        let earlier = table.tombstones.then(|| self.offset(number, 0));
        let row = self.row("d", (key.clone(), None), [before, Shown::NONE], number)?;
        let done = self.offset(number, 1);
        let Some(earlier) = earlier else { return self.rows.push(row, done) };
        self.rows.push(row, earlier)?;
        self.rows.push_record(key, SchemaAndValue::NULL, OwnHeaders::new(), done);
        Ok(())
    }

    /// A row that stays packed, whose key did not change; a tombstone follows one that was deleted.
    pub fn packed(&mut self, (key, value): (SchemaAndValue, SchemaAndValue), number: i32, is_deleted: bool) {
        let done = self.offset(number, 1);
        if is_deleted && self.rows.table.tombstones {
            self.rows.push_record(key.clone(), value, OwnHeaders::new(), self.offset(number, 0));
            return self.rows.push_record(key, SchemaAndValue::NULL, OwnHeaders::new(), done);
        }
        self.rows.push_record(key, value, OwnHeaders::new(), done);
    }

    /// The table was emptied.
    ///
    /// # Errors
    /// As [`Changes::create`].
    pub fn truncate(&mut self, offset: SourceOffset) -> Result<()> {
        let row = self.row("t", (SchemaAndValue::NULL, None), [Shown::NONE, Shown::NONE], 0)?;
        self.rows.push(row, offset)
    }

    fn row(
        &mut self,
        op: &'static str,
        (key, header): (SchemaAndValue, Option<(Text, SchemaAndValue)>),
        images: [Shown; 2],
        number: i32,
    ) -> Result<Row> {
        let transaction = match &mut self.transaction {
            Some(transaction) => transaction.next(&self.rows.table.name)?,
            None => Value::Null,
        };
        Ok(Row { op, key, images, number, transaction, headers: header.into_iter().collect() })
    }

    /// The offset at a row (`done` 0) or behind it (1).
    fn offset(&self, number: i32, done: i64) -> SourceOffset {
        let counters = [("row", i64::from(number) + done), ("event", self.events)];
        match &self.transaction {
            None => SourceOffset::with_counters(Arc::clone(self.shared), counters),
            Some(transaction) => {
                SourceOffset::with_counters(Arc::new(transaction.in_offset(self.shared)), counters)
            }
        }
    }
}
