//! The snapshot's side of the golden data: each table's text reads as Debezium's snapshot reads it.
//!
//! `snapshot.json.gz` holds a line for each table of `types.sql` and `corners.sql` as they are after that SQL: its SHOW CREATE TABLE,
//! its rows as the text protocol sends them (in hex), and the schemas and rows that the Debezium 3.6.3 embedded engine gave
//! (JSON with schemas, `snapshot.mode=initial`, defaults otherwise); under `modes`, the rows that it gave with other options.

use std::sync::Arc;

use api::{Bytes, Value};
use connectors::mysql::ddl::Catalog;
use connectors::mysql::shape::{TableId, TableShape};
use connectors::mysql::text::TextRowDecoder;
use connectors::mysql::types::{TimePrecision, TypeOptions, key_schema, row_schema};
use serde_json::Value as Json;

use crate::printing::{differ, schema_json, structure};
use crate::reading::golden_text;

/// One table's line.
pub(crate) struct SnapshotTable {
    pub(crate) shape: Arc<TableShape>,
    pub(crate) line: Json,
}

impl SnapshotTable {
    pub(crate) fn all() -> Vec<Self> {
        let catalog = Catalog::new("utf8mb4", "9.7.4-2");
        let table = |line: &str| {
            let line: Json = serde_json::from_str(line).unwrap();
            let (database, table) = line["table"].as_str().unwrap().split_once('.').unwrap();
            let create = line["create"].as_str().unwrap();
            let shape = catalog.read_create_table(&TableId::new(database, table), create).unwrap();
            Self { shape: Arc::new(shape), line }
        };
        std::str::from_utf8(&golden_text("snapshot.json.gz")).unwrap().lines().map(table).collect()
    }

    /// The rows as we read them, in the order of the line's own.
    pub(crate) fn rows(&self, options: &TypeOptions) -> Vec<Vec<Value>> {
        let decoder = TextRowDecoder::prepare(&self.shape, options);
        let row = |cells: &Json| {
            let cells = cells.as_array().unwrap().iter().map(|cell| cell.as_str().map(from_hex));
            decoder.decode(cells).unwrap()
        };
        self.line["cells"].as_array().unwrap().iter().map(row).collect()
    }
}

fn from_hex(hex: &str) -> Bytes {
    let byte = |place: usize| u8::from_str_radix(hex.get(place..place + 2).unwrap(), 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect::<Vec<u8>>().into()
}

/// Compares a table's rows under some options, and tells how many there are.
fn compare(table: &SnapshotTable, options: &TypeOptions, expected: &Json) -> usize {
    let id = table.shape.id.to_string();
    let schema = row_schema(&table.shape, options, &format!("g.{id}.Value"));
    let (rows, expected) = (table.rows(options), expected.as_array().unwrap());
    assert_eq!(rows.len(), expected.len(), "{id}");
    let mut differences = Vec::new();
    for (row, expected) in rows.into_iter().zip(expected) {
        let found = structure(&schema, row);
        differ(&format!("{id} {}", expected["id"]), expected, &found, &mut differences);
    }
    assert!(differences.is_empty(), "{options:?}:\n{}", differences.join("\n"));
    expected.len()
}

#[test]
fn a_snapshots_text_reads_as_debezium_reads_it() {
    let options = TypeOptions::default();
    let tables = SnapshotTable::all();
    let rows: usize = tables.iter().map(|table| compare(table, &options, &table.line["rows"])).sum();
    assert_eq!((tables.len(), rows), (21, 81));
}

#[test]
fn the_edges_of_dates_read_as_in_debezium_under_other_options() {
    let tables = SnapshotTable::all();
    let edges = tables.iter().find(|table| table.line.get("modes").is_some()).unwrap();
    let precise = |time_precision| TypeOptions { time_precision, ..TypeOptions::default() };
    for (mode, options) in [
        ("connect", precise(TimePrecision::Connect)),
        ("isostring", precise(TimePrecision::IsoString)),
        ("microseconds", precise(TimePrecision::Microseconds)),
        ("unadjusted", TypeOptions { time_adjuster: false, ..TypeOptions::default() }),
    ] {
        assert_eq!(compare(edges, &options, &edges.line["modes"][mode]), 5);
    }
}

#[test]
fn shapes_from_show_create_table_have_debeziums_schemas() {
    let options = TypeOptions::default();
    let mut differences = Vec::new();
    for SnapshotTable { shape, line } in SnapshotTable::all() {
        let id = shape.id.to_string();
        let rows = row_schema(&shape, &options, &format!("g.{id}.Value"));
        let keys = key_schema(&shape, &options, &format!("g.{id}.Key"));
        differ(&id, &line["rowSchema"], &schema_json(&rows), &mut differences);
        let keys = keys.as_ref().map_or(Json::Null, schema_json);
        differ(&id, &line["keySchema"], &keys, &mut differences);
    }
    // The default of BINARY(3), 'ab\\0': Debezium keeps the escape as two characters.
    assert_eq!(differences, ["corpus.defaults.fields[35].default: expected \"YWJcMA==\", found \"YWIA\""]);
}
