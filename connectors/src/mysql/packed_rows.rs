//! Rows that stay packed: records whose keys and values are numbers into an event, until somebody looks.
//!
//! The shortest way of the hot path. Most rows go from the binlog to a converter that writes them down and to nobody else; those are never
//! made: an event's records are two pointers and a number each. It takes rows in which nothing can be wrong (every column is there, and
//! any bytes of its length are a value) and which are written as they are (no mask, no column left out). Who looks all the same gets
//! what `EventRows::decode` makes. Invariant: what is shown of a row is what decoding makes of it.

use std::sync::{Arc, OnceLock};

use api::{
    FlatMap, PackedStructs, Result, SchemaAndValue, SchemaRef, SharedFields, ShowFields, Struct, StructRef,
    Value, ValueRef,
};

use super::binlog::event::RowsKind;
use super::envelope::{Changes, RowSink};
use super::row_event::EventRows;

/// The records of an event.
#[derive(Debug)]
pub struct PackedRows {
    keys: Option<(SchemaRef, Arc<dyn PackedStructs>)>,
    values: (SchemaRef, Arc<dyn PackedStructs>),
    event: Arc<PackedEvent>,
}

/// An event whose rows are shown.
#[derive(Debug)]
struct PackedEvent {
    rows: Arc<EventRows>,
    source: Arc<SharedFields>,
    frame: Arc<SharedFields>,
    /// Keys and values of the rows that somebody looked at.
    made: OnceLock<Vec<OnceLock<[SchemaAndValue; 2]>>>,
}

impl PackedRows {
    /// The records of an event, if its rows can stay packed.
    ///
    /// # Errors
    /// Never, as long as the schemas of envelopes and source blocks are ours.
    pub fn of(rows: &Arc<EventRows>) -> Result<Option<Self>> {
        let table = &rows.table;
        let images = if rows.kind == RowsKind::Update { &rows.columns[..] } else { &rows.columns[..1] };
        if !table.records.keeps_rows() || !images.iter().all(|columns| table.decoder.can_show(columns)) {
            return Ok(None);
        }
        let envelope = table.records.envelope();
        let op = match rows.kind {
            RowsKind::Insert => "c",
            RowsKind::Update => "u",
            RowsKind::Delete => "d",
        };
        let frame = Arc::clone(rows.frames.clone().of(op, envelope)?);
        let source = Arc::clone(rows.source.shared()?);
        let event = Arc::new(PackedEvent { rows: Arc::clone(rows), source, frame, made: OnceLock::new() });
        let keys = table.records.key_parts().map(|(schema, _columns)| {
            let keys: Arc<dyn PackedStructs> =
                Arc::new(Keys { event: Arc::clone(&event), schema: Arc::clone(schema) });
            (Arc::clone(schema), keys)
        });
        let values = (Arc::clone(envelope), Arc::new(Values(Arc::clone(&event))) as Arc<dyn PackedStructs>);
        Ok(Some(Self { keys, values, event }))
    }

    /// The key and the value of a row's one record; `None` when it takes more than one to say what happened to it.
    #[must_use]
    pub fn record(&self, row: usize) -> Option<(SchemaAndValue, SchemaAndValue)> {
        if self.event.rows.kind == RowsKind::Update && !self.event.keeps_key(row) {
            return None;
        }
        let datum = |(schema, packed): &(SchemaRef, Arc<dyn PackedStructs>)| {
            let value = Value::Struct(Struct::of_packed(Arc::clone(packed), row));
            SchemaAndValue { schema: Some(Arc::clone(schema)), value }
        };
        Some((self.keys.as_ref().map_or(SchemaAndValue::NULL, datum), datum(&self.values)))
    }
}

impl PackedEvent {
    /// Whether the key has the same bytes before and after an update. Other bytes may be the same key: decoding tells.
    fn keeps_key(&self, row: usize) -> bool {
        let (Some((_, columns)), Some(starts)) =
            (self.rows.table.records.key_parts(), self.rows.starts_of(row))
        else {
            return true;
        };
        self.rows.table.decoder.same_bytes(&self.rows.images, starts, columns).unwrap_or(false)
    }

    /// Key and value of a row, made now if they were not yet.
    fn made(&self, row: usize) -> &[SchemaAndValue; 2] {
        let empty = || (0..self.rows.count()).map(|_| OnceLock::new()).collect();
        self.made.get_or_init(empty)[row].get_or_init(|| self.make(row))
    }

    /// # Panics
    /// When a row cannot be decoded whose image was found and in whose values nothing can be wrong: never.
    fn make(&self, row: usize) -> [SchemaAndValue; 2] {
        let rows = &self.rows;
        let (mut frames, mut out) = (rows.frames.clone(), Vec::new());
        let mut changes = Changes {
            rows: RowSink {
                table: &rows.table.records,
                source: &rows.source,
                frames: &mut frames,
                out: &mut out,
            },
            shared: &Arc::new(FlatMap::new()),
            events: 0,
            transaction: None,
        };
        let decoded = rows.decode(row, &mut changes);
        match (decoded, out.into_iter().next()) {
            (Ok(()), Some(made)) => [made.record.key, made.record.value],
            (decoded, _) => {
                panic!("row {row} of {} was checked, but cannot be decoded: {decoded:?}", rows.table.id)
            }
        }
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

/// The keys of an event.
#[derive(Debug)]
struct Keys {
    event: Arc<PackedEvent>,
    schema: SchemaRef,
}

impl PackedStructs for Keys {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn unpacked(&self, number: usize) -> &Struct {
        structure(&self.event.made(number)[0])
    }

    fn show(&self, number: usize, viewer: &mut dyn FnMut(StructRef<'_>)) {
        viewer(StructRef::Each(&Key { keys: self, row: number }));
    }
}

/// The key of a row, which is that of the last image: an update whose rows stay packed does not change it.
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
        let rows = &self.keys.event.rows;
        let (Some((_, columns)), Some([_, start])) =
            (rows.table.records.key_parts(), rows.starts_of(self.row))
        else {
            return Ok(());
        };
        for column in columns {
            rows.table.decoder.show_column_at(&rows.images, start, *column, taker)?;
        }
        Ok(())
    }
}

/// The values of an event: its envelopes.
#[derive(Debug)]
struct Values(Arc<PackedEvent>);

impl PackedStructs for Values {
    fn schema(&self) -> &SchemaRef {
        self.0.frame.schema()
    }

    fn unpacked(&self, number: usize) -> &Struct {
        structure(&self.0.made(number)[1])
    }

    fn show(&self, number: usize, viewer: &mut dyn FnMut(StructRef<'_>)) {
        let Self(event) = self;
        let starts = event.rows.starts_of(number).unwrap_or_default();
        let [first, second] = starts.map(|start| Image { rows: &event.rows, start });
        let image = |image| ValueRef::Struct(StructRef::Each(image));
        let [before, after] = match event.rows.kind {
            RowsKind::Insert => [ValueRef::Null, image(&first)],
            RowsKind::Update => [image(&first), image(&second)],
            RowsKind::Delete => [image(&first), ValueRef::Null],
        };
        let place = [ValueRef::Int32(i32::try_from(number).unwrap_or(i32::MAX))];
        let source = ValueRef::Struct(StructRef::Sharing(&event.source, &place));
        viewer(StructRef::Sharing(&event.frame, &[before, after, source]));
    }
}

/// One image of a row.
#[derive(Debug)]
struct Image<'a> {
    rows: &'a EventRows,
    start: u32,
}

impl ShowFields for Image<'_> {
    fn schema(&self) -> &SchemaRef {
        self.rows.table.records.row()
    }

    fn show_each(&self, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()> {
        Ok(self.rows.table.decoder.show_at(&self.rows.images, self.start, taker)?)
    }
}

#[cfg(test)]
mod tests;
