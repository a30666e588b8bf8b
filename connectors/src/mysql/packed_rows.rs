//! Rows that stay packed: records whose keys and values are numbers into rows as they came from the server, until somebody looks.
//!
//! The shortest way of the hot path, for the binlog's events (`row_event`) and for the batches of a snapshot. Most rows go from the server to a
//! converter that writes them down and to nobody else; those are never made: records are two pointers and a number each. It takes rows
//! in which nothing can be wrong (whoever has them has checked that) and which are written as they are (no mask, no column left out). Who
//! looks all the same gets what decoding makes. Invariant: what is shown of a row is what decoding makes of it.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use api::{
    Error, PackedStructs, Result, SchemaAndValue, SchemaRef, SharedFields, ShowFields, SourceRecord, Struct,
    StructRef, Value, ValueRef,
};

use super::envelope::TableRecords;

/// The rows of an event or of a batch, as they came.
pub trait RawRows: Debug + Send + Sync + 'static {
    /// How records are made of them.
    fn records(&self) -> &TableRecords;

    /// How many they are.
    fn count(&self) -> usize;

    /// Whether they have images of before and of after.
    fn sides(&self) -> [bool; 2];

    /// The number that the source block says of a row.
    fn number_in_source(&self, row: usize) -> i32;

    /// Gives each value of an image of a row (0 before, 1 after) to `taker`, in the order of the table's columns.
    ///
    /// # Errors
    /// When the bytes are not what they were checked to be.
    fn show_image(&self, row: usize, side: usize, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()>;

    /// Gives one value of a row, of which the key is made, to `taker`.
    ///
    /// # Errors
    /// As [`RawRows::show_image`].
    fn show_key_column(&self, row: usize, column: usize, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()>;

    /// Decodes a row and makes records of it.
    ///
    /// # Errors
    /// As [`RawRows::show_image`].
    fn make(&self, row: usize) -> Result<Vec<SourceRecord>>;
}

/// The records of rows that stay packed.
#[derive(Debug)]
pub struct PackedRows {
    keys: Option<(SchemaRef, Arc<dyn PackedStructs>)>,
    values: (SchemaRef, Arc<dyn PackedStructs>),
}

impl PackedRows {
    /// The records of rows that were checked; all have these fields of the envelope and of the source block.
    #[must_use]
    pub fn new<R: RawRows>(rows: &Arc<R>, frame: Arc<SharedFields>, source: Arc<SharedFields>) -> Self {
        let shown = Arc::new(Shown { rows: Arc::clone(rows), source, frame, made: OnceLock::new() });
        let keys = rows.records().key_parts().map(|(schema, _columns)| {
            let keys = Keys { shown: Arc::clone(&shown), schema: Arc::clone(schema) };
            (Arc::clone(schema), Arc::new(keys) as Arc<dyn PackedStructs>)
        });
        let values =
            (Arc::clone(rows.records().envelope()), Arc::new(Values(shown)) as Arc<dyn PackedStructs>);
        Self { keys, values }
    }

    /// The key and the value of a row's one record.
    #[must_use]
    pub fn record(&self, row: usize) -> (SchemaAndValue, SchemaAndValue) {
        let datum = |(schema, packed): &(SchemaRef, Arc<dyn PackedStructs>)| {
            let value = Value::Struct(Struct::of_packed(Arc::clone(packed), row));
            SchemaAndValue { schema: Some(Arc::clone(schema)), value }
        };
        (self.keys.as_ref().map_or(SchemaAndValue::NULL, datum), datum(&self.values))
    }
}

/// Rows that are shown.
#[derive(Debug)]
struct Shown<R> {
    rows: Arc<R>,
    source: Arc<SharedFields>,
    frame: Arc<SharedFields>,
    /// Keys and values of the rows that somebody looked at.
    made: OnceLock<Vec<OnceLock<[SchemaAndValue; 2]>>>,
}

impl<R: RawRows> Shown<R> {
    /// Key and value of a row, made now if they were not yet.
    ///
    /// # Panics
    /// When a row cannot be decoded whose bytes were checked to be values: never.
    fn made(&self, row: usize) -> &[SchemaAndValue; 2] {
        let empty = || (0..self.rows.count()).map(|_| OnceLock::new()).collect();
        self.made.get_or_init(empty)[row].get_or_init(|| {
            let first = self.rows.make(row).and_then(|made| {
                made.into_iter().next().ok_or_else(|| Error::fatal("a row became no record"))
            });
            match first {
                Ok(SourceRecord { record, .. }) => [record.key, record.value],
                Err(error) => panic!("row {row} was checked, but cannot be decoded: {}", error.report()),
            }
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

/// The keys of rows.
#[derive(Debug)]
struct Keys<R> {
    shown: Arc<Shown<R>>,
    schema: SchemaRef,
}

impl<R: RawRows> PackedStructs for Keys<R> {
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
struct Key<'a, R> {
    keys: &'a Keys<R>,
    row: usize,
}

impl<R: RawRows> ShowFields for Key<'_, R> {
    fn schema(&self) -> &SchemaRef {
        &self.keys.schema
    }

    fn show_each(&self, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()> {
        let rows = &self.keys.shown.rows;
        let columns = rows.records().key_parts().map(|(_schema, columns)| columns).unwrap_or_default();
        columns.iter().try_for_each(|column| rows.show_key_column(self.row, *column, taker))
    }
}

/// The values of rows: their envelopes.
#[derive(Debug)]
struct Values<R>(Arc<Shown<R>>);

impl<R: RawRows> PackedStructs for Values<R> {
    fn schema(&self) -> &SchemaRef {
        self.0.frame.schema()
    }

    fn unpacked(&self, number: usize) -> &Struct {
        structure(&self.0.made(number)[1])
    }

    fn show(&self, number: usize, viewer: &mut dyn FnMut(StructRef<'_>)) {
        let Self(shown) = self;
        let rows = &*shown.rows;
        let (before, after) = (Image { rows, row: number, side: 0 }, Image { rows, row: number, side: 1 });
        let [has_before, has_after] = rows.sides();
        let image = |is_there, image| {
            if is_there { ValueRef::Struct(StructRef::Each(image)) } else { ValueRef::Null }
        };
        let place = [ValueRef::Int32(rows.number_in_source(number))];
        let source = ValueRef::Struct(StructRef::Sharing(&shown.source, &place));
        let images_and_source = [image(has_before, &before), image(has_after, &after), source];
        viewer(StructRef::Sharing(&shown.frame, &images_and_source));
    }
}

/// One image of a row.
#[derive(Debug)]
struct Image<'a, R> {
    rows: &'a R,
    row: usize,
    side: usize,
}

impl<R: RawRows> ShowFields for Image<'_, R> {
    fn schema(&self) -> &SchemaRef {
        self.rows.records().row()
    }

    fn show_each(&self, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()> {
        self.rows.show_image(self.row, self.side, taker)
    }
}

#[cfg(test)]
pub(crate) mod tests;
