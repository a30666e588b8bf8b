//! Reads the golden binlogs as the connector does, without its I/O.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use api::{Bytes, Value};
use connectors::mysql::binlog::row::RowDecoder;
use connectors::mysql::binlog::table_map::TableMap;
use connectors::mysql::ddl::{Catalog, Statement, TableChange};
use connectors::mysql::shape::TableShape;
use connectors::mysql::types::{TypeOptions, key_schema, row_schema};
use flate2::read::GzDecoder;
use serde_json::Value as Json;

use crate::printing::{schema_json, structure};

const QUERY: u8 = 2;
pub(crate) const TABLE_MAP: u8 = 19;

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn golden_text(name: &str) -> Vec<u8> {
    let mut inflated = Vec::new();
    GzDecoder::new(&golden(name)[..]).read_to_end(&mut inflated).unwrap();
    inflated
}

/// One row change, as JSON.
#[derive(Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) table: String,
    pub(crate) op: &'static str,
    pub(crate) key_schema: Json,
    pub(crate) key: Json,
    pub(crate) row_schema: Json,
    pub(crate) before: Json,
    pub(crate) after: Json,
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The events of a binlog file: their types and bodies, without header and checksum.
pub(crate) fn events(file: &[u8]) -> Vec<(u8, Bytes)> {
    let file = Bytes::copy_from_slice(file);
    let mut position = 4;
    let mut all = Vec::new();
    while position < file.len() {
        let size = usize::try_from(number(&file[position + 9..position + 13])).unwrap();
        all.push((file[position + 4], file.slice(position + 19..position + size - 4)));
        position += size;
    }
    all
}

/// Reads a binlog as the connector does, and collects its row changes.
pub(crate) struct Reading {
    pub(crate) catalog: Catalog,
    pub(crate) options: TypeOptions,
    maps: HashMap<u64, (Arc<TableShape>, RowDecoder)>,
    pub(crate) changes: Vec<Change>,
    /// What each table holds in the end, in the order of its inserts.
    pub(crate) rows: BTreeMap<String, Vec<Vec<Value>>>,
}

impl Reading {
    pub(crate) fn of(binlog: &str) -> Self {
        Self::with(binlog, TypeOptions::default())
    }

    pub(crate) fn with(binlog: &str, options: TypeOptions) -> Self {
        let version = if binlog.starts_with("mariadb") { "10.11.19-MariaDB-log" } else { "9.7.4-2" };
        let catalog = Catalog::new("utf8mb4", version);
        let mut reading =
            Self { catalog, options, maps: HashMap::new(), changes: Vec::new(), rows: BTreeMap::new() };
        for (event_type, body) in events(&golden_text(binlog)) {
            match event_type {
                QUERY => reading.query(&body),
                TABLE_MAP => reading.table_map(&body),
                23..=25 => reading.rows(event_type + 7, body.slice(8..), &body),
                30..=32 => {
                    let extra = usize::try_from(number(&body[8..10])).unwrap();
                    reading.rows(event_type, body.slice(8 + extra..), &body);
                }
                _ => {}
            }
        }
        reading
    }

    fn query(&mut self, body: &[u8]) {
        let (database, status) = (usize::from(body[8]), usize::from(body[11]) | usize::from(body[12]) << 8);
        let variables = &body[13..13 + status];
        assert_eq!((variables[0], variables[5]), (0, 1), "flags and sql_mode come first");
        let sql_mode = number(&variables[6..14]);
        let names = &body[13 + status..];
        let database_name = std::str::from_utf8(&names[..database]).unwrap();
        let sql = std::str::from_utf8(&names[database + 1..]).unwrap();
        let changes = self.catalog.apply(&Statement { sql, database: database_name, sql_mode });
        for change in changes {
            assert!(!matches!(change, TableChange::Reread(_)), "{sql}: {change:?}");
        }
    }

    fn table_map(&mut self, body: &[u8]) {
        let map = TableMap::parse(body).unwrap();
        let shape = self.catalog.table(&map.table).unwrap_or_else(|| panic!("{} is unknown", map.table));
        let decoder = RowDecoder::prepare(&map, shape, &self.options).unwrap();
        self.maps.insert(map.table_id, (Arc::clone(shape), decoder));
    }

    /// `rows` begins with the number of columns; events of version 1 have no extra data before it.
    fn rows(&mut self, event_type: u8, rows: Bytes, body: &Bytes) {
        let (shape, decoder) = &self.maps[&number(&body[..6])];
        let mut image = rows.slice(1..);
        let bitmap = decoder.column_count().div_ceil(8);
        let before_present = image.split_to(bitmap);
        let after_present = if event_type == 31 { image.split_to(bitmap) } else { before_present.clone() };
        while !image.is_empty() {
            let mut decoded = |present: &[u8]| {
                let row = decoder.decode(present, &mut image).unwrap();
                assert_eq!(row.absent, [0_usize; 0]);
                row.values
            };
            let first = decoded(&before_present);
            let (op, before, after) = match event_type {
                30 => ("c", None, Some(first)),
                31 => ("u", Some(first), Some(decoded(&after_present))),
                _ => ("d", Some(first), None),
            };
            let rows = self.rows.entry(shape.id.to_string()).or_default();
            let place = rows.iter().position(|row| Some(row) == before.as_ref());
            match (place, &after) {
                (Some(place), Some(after)) => rows[place].clone_from(after),
                (Some(place), None) => drop(rows.remove(place)),
                (None, Some(after)) => rows.push(after.clone()),
                (None, None) => panic!("a row of {} was never inserted", shape.id),
            }
            self.changes.push(change(shape, &self.options, op, before, after));
        }
        assert!(image.is_empty());
    }
}

fn change(
    shape: &TableShape,
    options: &TypeOptions,
    op: &'static str,
    before: Option<Vec<Value>>,
    after: Option<Vec<Value>>,
) -> Change {
    let name = format!("g.{}", shape.id.to_string().replace([' ', '`'], "_"));
    let rows = row_schema(shape, options, &format!("{name}.Value"));
    let keys = key_schema(shape, options, &format!("{name}.Key"));
    let current = after.as_ref().or(before.as_ref()).unwrap();
    let key = keys.as_ref().map(|schema| {
        let values = shape.key_columns().iter().map(|index| current[*index].clone()).collect();
        structure(schema, values)
    });
    Change {
        table: shape.id.to_string(),
        op,
        key_schema: keys.as_ref().map_or(Json::Null, schema_json),
        key: key.unwrap_or_default(),
        row_schema: schema_json(&rows),
        before: before.map_or(Json::Null, |values| structure(&rows, values)),
        after: after.map_or(Json::Null, |values| structure(&rows, values)),
    }
}
