//! The golden data: the same SQL past Debezium and past us gives the same keys, values and schemas.
//!
//! `tests/golden/*.sql` was run on MySQL 9.7 once, with the Debezium 3.6.3 embedded engine (JSON with schemas,
//! `snapshot.mode=no_data`, defaults otherwise) watching. What it emitted is `*.events.json.gz`; the binlogs are `*.minimal.binlog.gz`
//! (`binlog_row_metadata=MINIMAL`) and `*.full.binlog.gz` (`FULL`, from a second run of the same SQL).
//! This test reads the binlogs with the DDL reader, the type mapping and the row decoder, and compares. What a snapshot gives
//! stands in [`snapshot`].

#![allow(clippy::unwrap_used, reason = "a test: what is not as expected fails it")]

mod printing;
mod reading;
mod snapshot;

use std::collections::BTreeMap;

use api::Value;
use connectors::mysql::binlog::row::RowDecoder;
use connectors::mysql::binlog::table_map::TableMap;
use connectors::mysql::shape::TableShape;
use connectors::mysql::types::{
    BigintUnsignedHandling, BinaryHandling, DecimalHandling, TimePrecision, TypeOptions, row_schema,
};
use serde_json::Value as Json;
use serde_json::json;

use printing::{differ, schema_json, structure, value_json};
use reading::{Reading, TABLE_MAP, events, golden_text};
use snapshot::SnapshotTable;

/// Compares what we read with what Debezium emitted, one event after the other, and says all that differs.
fn compare(binlog: &str, expected: &str) {
    let expected = golden_text(expected);
    let expected: Vec<Json> = std::str::from_utf8(&expected)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut schemas: BTreeMap<String, (Json, Json)> = BTreeMap::new();
    let mut differences = Vec::new();
    let found = Reading::of(binlog).changes;
    assert_eq!(found.len(), expected.len(), "events in {binlog}");
    for (found, expected) in found.iter().zip(&expected) {
        let table = expected["table"].as_str().unwrap().to_owned();
        if let Some(schema) = expected.get("rowSchema") {
            schemas.insert(table.clone(), (expected["keySchema"].clone(), schema.clone()));
        }
        let (key_schema, row_schema) = &schemas[&table];
        let place = format!("{} {} {}", found.table, found.op, found.key);
        assert_eq!((&found.table, found.op), (&table, expected["op"].as_str().unwrap()));
        differ(&format!("{place} key"), &expected["key"], &found.key, &mut differences);
        differ(&format!("{place} before"), &expected["before"], &found.before, &mut differences);
        differ(&format!("{place} after"), &expected["after"], &found.after, &mut differences);
        differ(&format!("{place} key schema"), key_schema, &found.key_schema, &mut differences);
        differ(&format!("{place} row schema"), row_schema, &found.row_schema, &mut differences);
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn every_type_reads_as_debezium_reads_it() {
    compare("types.minimal.binlog.gz", "types.events.json.gz");
    compare("corners.minimal.binlog.gz", "corners.events.json.gz");
}

#[test]
fn every_type_reads_the_same_with_full_metadata() {
    compare("types.full.binlog.gz", "types.events.json.gz");
    compare("corners.full.binlog.gz", "corners.events.json.gz");
}

#[test]
fn every_change_of_a_table_shows_as_in_debezium() {
    compare("ddl.minimal.binlog.gz", "ddl.events.json.gz");
    compare("ddl.full.binlog.gz", "ddl.events.json.gz");
}

#[test]
fn mariadbs_own_types_read_with_and_without_metadata() {
    for binlog in ["mariadb.full.binlog.gz", "mariadb.nolog.binlog.gz"] {
        let changes = Reading::of(binlog).changes;
        let rows: Vec<&Json> = changes.iter().map(|change| &change.after).collect();
        assert_eq!(rows.len(), 6, "{binlog}");
        let long = "x".repeat(3000);
        assert_eq!(
            *rows[0],
            json!({"id": 1, "a": 2000, "b": 1, "c": -1, "d": -1, "e": "café", "f": long, "u": "123e4567-e89b-12d3-a456-426655440000",
                "i4": "1.2.3.4", "i6": "::ffff:1.2.3.4", "j": "{\"a\": 1}", "vb": "YWJj", "w": "ä", "t": "2020-01-02T03:04:05.678Z",
                "n": "/2o=", "x": "😀"}),
            "{binlog}"
        );
        let nulls = rows[1].as_object().unwrap().iter().skip(1);
        assert!(nulls.clone().count() == 15 && nulls.clone().all(|(_, value)| value.is_null()), "{binlog}");
        let of = |column: &str| rows[2..].iter().map(|row| row[column].clone()).collect::<Vec<_>>();
        assert_eq!(of("id"), [json!(4_000_000_000_u32), json!(5), json!(6), json!(7)], "{binlog}");
        assert_eq!(of("a"), [json!(1901), json!(2155), json!(2155), json!(2155)], "{binlog}");
        assert_eq!(of("b")[0], json!(u32::MAX), "{binlog}");
        let uuids = [
            "00000000-0000-0000-0000-000000000000",
            "018f3c6e-1b2a-7c3d-9e4f-0123456789ab",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "6ccd780c-baba-1026-9564-5b8c656024db",
        ];
        assert_eq!(of("u"), uuids.map(|uuid| json!(uuid)), "{binlog}");
        assert_eq!(
            of("i4"),
            ["0.0.0.0", "255.255.255.255", "0.0.0.1", "10.0.0.0"].map(|address| json!(address)),
            "{binlog}"
        );
        assert_eq!(
            of("i6"),
            ["::", "2001:db8::ff00:42:8329", "::1", "fe80::"].map(|address| json!(address)),
            "{binlog}"
        );
        assert_eq!(of("e")[0], json!(""), "{binlog}");
    }
}

/// `types.modes.json.gz` holds what Debezium made of some tables in a snapshot under other options.
#[test]
fn other_modes_write_as_debezium_does() {
    let defaults = TypeOptions::default;
    let modes = [
        (
            "m1",
            TypeOptions {
                time_precision: TimePrecision::Connect,
                decimal: DecimalHandling::String,
                bigint_unsigned: BigintUnsignedHandling::Precise,
                binary: BinaryHandling::Hex,
                ..defaults()
            },
        ),
        (
            "m2",
            TypeOptions {
                time_precision: TimePrecision::IsoString,
                decimal: DecimalHandling::Double,
                binary: BinaryHandling::Base64,
                ..defaults()
            },
        ),
        (
            "m3",
            TypeOptions {
                time_precision: TimePrecision::Nanoseconds,
                binary: BinaryHandling::Base64UrlSafe,
                ..defaults()
            },
        ),
        ("m4", TypeOptions { time_precision: TimePrecision::Microseconds, ..defaults() }),
    ];
    let expected: Json = serde_json::from_slice(&golden_text("types.modes.json.gz")).unwrap();
    let mut differences = Vec::new();
    let snapshots = SnapshotTable::all();
    for (mode, options) in modes {
        let reading = Reading::with("types.minimal.binlog.gz", options);
        for expected in expected[mode].as_array().unwrap() {
            let table = expected["table"].as_str().unwrap();
            let shape = reading.catalog.tables().find(|shape| shape.id.to_string() == table).unwrap();
            let rows = row_schema(shape, &reading.options, "rows");
            let wanted = |row: &&Vec<Value>| value_json(&row[0]) == expected["after"]["id"];
            let streamed = structure(&rows, reading.rows[table].iter().find(wanted).unwrap().clone());
            let snapshot = snapshots.iter().find(|snapshot| snapshot.line["table"] == table).unwrap();
            let shown = row_schema(&snapshot.shape, &reading.options, "rows");
            let snapshot = snapshot.rows(&reading.options);
            let read = structure(&shown, snapshot.iter().find(wanted).unwrap().clone());
            for (name, value) in expected["after"].as_object().unwrap() {
                let place = format!("{mode} {table}.{name} of {}", streamed["id"]);
                differ(&place, value, &streamed[name], &mut differences);
                differ(&format!("{place} in a snapshot"), value, &read[name], &mut differences);
                let field = schema_json(&rows.field(name).unwrap().1.schema);
                differ(
                    &format!("{mode} {table}.{name} schema"),
                    &expected["fields"][name],
                    &field,
                    &mut differences,
                );
            }
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// With `binlog_row_metadata=FULL` a table map alone says what is needed, and corrects a shape that is out of date.
#[test]
fn full_metadata_makes_shapes_without_ddl() {
    let mut maps = 0;
    for (event_type, body) in events(&golden_text("types.full.binlog.gz")) {
        if event_type != TABLE_MAP {
            continue;
        }
        let map = TableMap::parse(&body).unwrap();
        let alone = map.shape(None).unwrap();
        RowDecoder::prepare(&map, &alone, &TypeOptions::default()).unwrap();
        assert_eq!(map.shape(Some(&alone)).as_ref(), Some(&alone));
        maps += 1;
    }
    assert!(maps > 50, "{maps}");
    let reading = Reading::of("types.full.binlog.gz");
    let known: Vec<TableShape> = reading.catalog.tables().map(|shape| (**shape).clone()).collect();
    for (event_type, body) in events(&golden_text("types.full.binlog.gz")) {
        let Some(map) = (event_type == TABLE_MAP).then(|| TableMap::parse(&body).unwrap()) else { continue };
        let shape = known.iter().find(|shape| shape.id == map.table).unwrap();
        // The server calls the first unique index without NULL the primary key, when there is none.
        let kept = map.shape(Some(shape)).unwrap();
        assert_eq!(
            (&kept.columns, &kept.unique_keys),
            (&shape.columns, &shape.unique_keys),
            "what is known and fits stays"
        );
        assert_eq!(kept.key_columns(), shape.key_columns());
        let mut stale = shape.clone();
        stale.columns.rotate_left(1);
        stale.columns.pop();
        stale.primary_key.clear();
        stale.unique_keys.clear();
        let corrected = map.shape(Some(&stale)).unwrap();
        let names =
            |shape: &TableShape| shape.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        assert_eq!((names(&corrected), corrected.key_columns()), (names(shape), shape.key_columns()));
    }
    let minimal = events(&golden_text("types.minimal.binlog.gz"));
    let (_, body) = minimal.iter().find(|(event_type, _)| *event_type == TABLE_MAP).unwrap();
    assert_eq!(TableMap::parse(body).unwrap().shape(None), None, "without names there is no shape");
}
