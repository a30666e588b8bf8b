//! The snapshot's side of the golden data: each table's text reads as Debezium's snapshot reads it.
//!
//! `snapshot.json.gz` holds a line for each table of `types.sql` and `corners.sql` as they are after that SQL: its SHOW CREATE TABLE,
//! its rows as the text protocol sends them (in hex), and the schemas and rows that the Debezium 3.6.3 embedded engine gave
//! (JSON with schemas, `snapshot.mode=initial`, defaults otherwise).

use std::sync::Arc;

use api::{Bytes, Value};
use connectors::mysql::ddl::Catalog;
use connectors::mysql::shape::{TableId, TableShape};
use connectors::mysql::text::TextRowDecoder;
use connectors::mysql::types::{TypeOptions, key_schema, row_schema};
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

#[test]
fn a_snapshots_text_reads_as_debezium_reads_it() {
    let options = TypeOptions::default();
    let mut differences = Vec::new();
    let mut rows_compared = 0;
    let tables = SnapshotTable::all();
    for table in &tables {
        let id = table.shape.id.to_string();
        let schema = row_schema(&table.shape, &options, &format!("g.{id}.Value"));
        let expected = table.line["rows"].as_array().unwrap();
        for (row, expected) in table.rows(&options).into_iter().zip(expected) {
            let found = structure(&schema, row);
            differ(&format!("{id} {}", expected["id"]), expected, &found, &mut differences);
            rows_compared += 1;
        }
    }
    assert_eq!((tables.len(), rows_compared), (21, 81));
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
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
