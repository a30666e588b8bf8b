//! Rows of a snapshot that stay packed: records whose keys and values are numbers into a batch, until somebody looks.
//!
//! As the binlog's events do it (`packed_rows`): a batch's records are two pointers and a number each, and a converter has its rows shown
//! as they came from the server. It takes rows whose cells were all looked at and found to be values, and which are written as they are.
//! Invariant: what is shown of a row is what decoding makes of it.

use std::sync::{Arc, OnceLock};

use api::{
    PackedStructs, Result, SchemaAndValue, SchemaRef, SharedFields, ShowFields, Struct, StructRef, Value,
    ValueRef,
};

use super::row_batch::BatchRows;

/// The records of a batch.
#[derive(Debug)]
pub(super) struct PackedBatch {
    keys: Option<(SchemaRef, Arc<dyn PackedStructs>)>,
    values: (SchemaRef, Arc<dyn PackedStructs>),
}

/// A batch whose rows are shown.
#[derive(Debug)]
struct Shown {
    rows: Arc<BatchRows>,
    source: Arc<SharedFields>,
    frame: Arc<SharedFields>,
    /// Keys and values of the rows that somebody looked at.
    made: OnceLock<Vec<OnceLock<[SchemaAndValue; 2]>>>,
}

impl PackedBatch {
    /// The records of a batch, if its rows can stay packed.
    ///
    /// # Errors
    /// Never, as long as the schemas of envelopes and source blocks are ours.
    pub(super) fn of(rows: &Arc<BatchRows>) -> Result<Option<Self>> {
        if !rows.is_sure || !rows.records.keeps_rows() {
            return Ok(None);
        }
        let envelope = rows.records.envelope();
        let frame = Arc::clone(rows.frames.clone().of("r", envelope)?);
        let source = Arc::clone(rows.block.shared()?);
        let shown = Arc::new(Shown { rows: Arc::clone(rows), source, frame, made: OnceLock::new() });
        let keys = rows.records.key_parts().map(|(schema, _columns)| {
            let keys = Keys { shown: Arc::clone(&shown), schema: Arc::clone(schema) };
            (Arc::clone(schema), Arc::new(keys) as Arc<dyn PackedStructs>)
        });
        let values = (Arc::clone(envelope), Arc::new(Values(shown)) as Arc<dyn PackedStructs>);
        Ok(Some(Self { keys, values }))
    }

    /// The key and the value of a row's record.
    pub(super) fn record(&self, row: usize) -> (SchemaAndValue, SchemaAndValue) {
        let datum = |(schema, packed): &(SchemaRef, Arc<dyn PackedStructs>)| {
            let value = Value::Struct(Struct::of_packed(Arc::clone(packed), row));
            SchemaAndValue { schema: Some(Arc::clone(schema)), value }
        };
        (self.keys.as_ref().map_or(SchemaAndValue::NULL, datum), datum(&self.values))
    }
}

impl Shown {
    /// Key and value of a row, made now if they were not yet.
    ///
    /// # Panics
    /// When a row cannot be decoded whose cells were found to be values: never.
    fn made(&self, row: usize) -> &[SchemaAndValue; 2] {
        let empty = || (0..self.rows.rows.len()).map(|_| OnceLock::new()).collect();
        self.made.get_or_init(empty)[row].get_or_init(|| match self.rows.made(row) {
            Ok(made) => made,
            Err(error) => panic!("row {row} was looked at, but cannot be decoded: {}", error.report()),
        })
    }
}

/// The struct that a key or a value of ours is.
///
/// # Panics
/// When it is none: never.
fn structure(datum: &SchemaAndValue) -> &Struct {
    match &datum.value {
        Value::Struct(row) => row,
        other => panic!("a row became {}", other.kind_name()),
    }
}

/// The keys of a batch.
#[derive(Debug)]
struct Keys {
    shown: Arc<Shown>,
    schema: SchemaRef,
}

impl PackedStructs for Keys {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn unpacked(&self, number: usize) -> &Struct {
        structure(&self.shown.made(number)[0])
    }

    fn show(&self, number: usize, viewer: &mut dyn FnMut(StructRef<'_>)) {
        viewer(StructRef::Each(&Key { keys: self, row: number }));
    }
}

/// The key of a row.
#[derive(Debug)]
struct Key<'a> {
    keys: &'a Keys,
    row: usize,
}

impl ShowFields for Key<'_> {
    fn schema(&self) -> &SchemaRef {
        &self.keys.schema
    }

    fn show_each(&self, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()> {
        let rows = &self.keys.shown.rows;
        let columns = rows.records.key_parts().map(|(_schema, columns)| columns).unwrap_or_default();
        for column in columns {
            rows.table.decoder.show_column(&rows.rows, (self.row, *column), taker)?;
        }
        Ok(())
    }
}

/// The values of a batch: its envelopes.
#[derive(Debug)]
struct Values(Arc<Shown>);

impl PackedStructs for Values {
    fn schema(&self) -> &SchemaRef {
        self.0.frame.schema()
    }

    fn unpacked(&self, number: usize) -> &Struct {
        structure(&self.0.made(number)[1])
    }

    fn show(&self, number: usize, viewer: &mut dyn FnMut(StructRef<'_>)) {
        let Self(shown) = self;
        let row = Row { rows: &shown.rows, row: number };
        let place = [ValueRef::Int32(0)];
        let source = ValueRef::Struct(StructRef::Sharing(&shown.source, &place));
        let after = ValueRef::Struct(StructRef::Each(&row));
        viewer(StructRef::Sharing(&shown.frame, &[ValueRef::Null, after, source]));
    }
}

/// One row.
#[derive(Debug)]
struct Row<'a> {
    rows: &'a BatchRows,
    row: usize,
}

impl ShowFields for Row<'_> {
    fn schema(&self) -> &SchemaRef {
        self.rows.records.row()
    }

    fn show_each(&self, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()> {
        Ok(self.rows.table.decoder.show(&self.rows.rows, self.row, taker)?)
    }
}

#[cfg(test)]
mod tests;
