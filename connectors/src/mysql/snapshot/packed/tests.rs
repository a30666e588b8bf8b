//! What is shown of a snapshot's rows is what decoding makes of them: for every kind of column, with NULLs, escapes, bytes that are no
//! text and dates that are none, written as JSON with and without schemas.

use api::{Bytes, SourceOffset, SourceRecord};

use super::*;
use crate::mysql::config::MySqlConfig;
use crate::mysql::config::events::Events;
use crate::mysql::ddl::{Catalog, Statement};
use crate::mysql::envelope::{Envelopes, Flavour, Frames, Moment, Origin, SourceBlock};
use crate::mysql::packed_rows::tests::{SETTINGS, assert_written_alike, props};
use crate::mysql::snapshot::plan::PlannedTable;
use crate::mysql::snapshot::ranges::TableReading;
use crate::mysql::snapshot::row_batch::{Mark, RowBatch};
use crate::mysql::text::TextRowDecoder;
use crate::mysql::wire::TextRows;

/// Each column, and what a server may print of it.
const COLUMNS: &[(&str, &[&[u8]])] = &[
    ("id BIGINT", &[b"1", b"-9223372036854775808", b"77"]),
    ("a TINYINT UNSIGNED", &[b"0", b"255"]),
    ("b SMALLINT", &[b"-32768", b"7"]),
    ("d INT UNSIGNED", &[b"4294967295", b"0"]),
    ("e BIGINT UNSIGNED", &[b"18446744073709551615", b"5"]),
    ("f FLOAT", &[b"1.5", b"3.40282e38"]),
    ("g DOUBLE", &[b"-0.1", b"1e300"]),
    ("h DECIMAL(10,2)", &[b"-12345678.90", b"0.00", b"7.1"]),
    ("i DECIMAL(30,10)", &[b"12345678901234567890.1234567890", b"-0.0000000001"]),
    ("j BIT(1)", &[b"\x01", b"\x00"]),
    ("k BIT(12)", &[b"\x0f\xff", b"\x00\x01"]),
    ("l YEAR", &[b"2024", b"0000"]),
    ("m DATE", &[b"2024-02-29", b"0000-00-00", b"0001-01-01"]),
    ("n TIME(3)", &[b"-838:59:59.123", b"00:00:00.000"]),
    (
        "o DATETIME(6) NOT NULL",
        &[b"2024-02-29 12:34:56.123456", b"0000-00-00 00:00:00.000000", b"2024-13-01 00:00:00"],
    ),
    ("p TIMESTAMP(2) NULL", &[b"2024-02-29 12:34:56.70", b"1970-01-01 00:00:01.00"]),
    ("q VARCHAR(300)", &[b"", "Z\u{fc}rich \u{1F600}".as_bytes(), b"\"q\"\\\n\x01", b"\xff\xfe no text"]),
    ("s BINARY(4)", &[b"ab\0\0", b"\xff"]),
    ("v BLOB", &[b"", b"\x00\xff"]),
    ("w ENUM('a','b,c')", &[b"a", b"b,c"]),
    ("x SET('a','b')", &[b"a,b", b""]),
    ("y JSON", &[b"{\"a\": [1, null]}"]),
    ("z BOOLEAN NOT NULL DEFAULT 1", &[b"1", b"0"]),
];
const ROWS: usize = 30;

/// Rows of every print, and NULL now and then; `bad` stands in the column of numbers of the last row.
fn rows(said: &[(&str, &str)], bad: Option<&[u8]>) -> BatchRows {
    let mut catalog = Catalog::new("utf8mb4", "8.4.3");
    let definitions: Vec<_> = COLUMNS.iter().map(|(sql, _)| *sql).collect();
    let sql = format!("CREATE TABLE t ({}, PRIMARY KEY (id))", definitions.join(", "));
    catalog.apply(&Statement { sql: &sql, database: "db", sql_mode: 0 });
    let shape = (**catalog.tables().next().unwrap()).clone();
    let (config, filter) = MySqlConfig::load(&props(said)).unwrap();
    let events = Arc::new(Events::load(&props(said)).unwrap());
    let envelopes = Envelopes::new(&config, &events, Flavour::MySql);
    let records = Arc::new(envelopes.table(&shape, &filter));
    let decoder = TextRowDecoder::prepare(&shape, &config.type_options());
    let cells = (0..ROWS).map(|row| {
        let cell = |(column, (_, prints)): (usize, &(&str, &[&[u8]]))| {
            let print = prints[(row + column) % prints.len()];
            match bad.filter(|_| column == 1 && row + 1 == ROWS) {
                Some(bad) => Some(Bytes::copy_from_slice(bad)),
                None => (column == 0 || (row + column) % 7 != 0).then(|| Bytes::copy_from_slice(print)),
            }
        };
        COLUMNS.iter().enumerate().map(cell).collect::<Vec<_>>()
    });
    let rows = TextRows::of(COLUMNS.len(), cells);
    let planned = PlannedTable { id: shape.id.clone(), statement: None, condition: None, rows: 0 };
    let is_sure = decoder.is_sure_of(&rows);
    let table = TableReading { number: 0, planned, shape, decoder, key: None, after: None, row_bytes: 0 };
    BatchRows {
        table: Arc::new(table),
        records,
        block: Arc::new(SourceBlock::new(envelopes.source_schema(), Flavour::MySql, &Origin::default())),
        rows,
        is_sure,
        frames: Frames::new(Moment::now()),
    }
}

fn batch(rows: BatchRows) -> RowBatch {
    let offset = || SourceOffset::new(Arc::new(api::FlatMap::new()));
    RowBatch::new(rows, Mark::default(), [offset(), offset()]).unwrap()
}

#[test]
fn what_is_shown_is_what_decoding_makes() {
    for said in SETTINGS {
        let rows = rows(said, None);
        assert!(rows.is_sure, "{said:?}");
        let expected: Vec<_> = (0..ROWS).flat_map(|row| rows.make(row).unwrap()).collect();
        let (mut batch, mut shown) = (batch(rows), Vec::new());
        while batch.left() > 0 {
            batch.take(7, &mut shown).unwrap();
        }
        assert_eq!(shown.len(), ROWS);
        assert_written_alike(&shown, &expected);
        for (SourceRecord { record: shown, .. }, SourceRecord { record: expected, .. }) in
            shown.iter().zip(&expected)
        {
            assert!(
                [&shown.key, &shown.value].iter().all(|datum| datum
                    .value
                    .as_struct()
                    .unwrap()
                    .packed()
                    .is_some())
            );
            assert_eq!((&shown.key, &shown.value), (&expected.key, &expected.value), "{said:?}");
        }
    }
}

#[test]
fn a_cell_that_is_no_value_is_an_error_behind_the_rows_before_it() {
    for bad in [&b"x"[..], b"", b"1.5", b"70000", b"\xff"] {
        let rows = rows(&[], Some(bad));
        assert!(!rows.is_sure, "{bad:?}");
        let (mut batch, mut out) = (batch(rows), Vec::new());
        batch.take(10, &mut out).unwrap();
        let error = batch.take(100, &mut out).unwrap_err().report();
        assert!(error.contains("db.t") && error.contains('a'), "{error}");
        assert_eq!((out.len(), batch.left()), (ROWS - 1, 0));
    }
}

#[test]
fn rows_that_are_changed_on_their_way_do_not_stay_packed() {
    for said in [&[("column.mask.with.3.chars", "db.t.q")][..], &[("column.exclude.list", "db.t.d")]] {
        assert!(Arc::new(rows(said, None)).packed().unwrap().is_none(), "{said:?}");
    }
}
