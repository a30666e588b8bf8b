//! What is shown of packed rows is what decoding makes of them: for every type that can be shown, with NULLs, escapes, bytes that are no
//! text and dates that are none, written as JSON with and without schemas.

use api::{Bytes, SourceRecord};

use super::*;
use crate::mysql::binlog::row::RowDecoder;
use crate::mysql::binlog::table_map::{MapColumn, RowMetadata, TableMap, column_type as t};
use crate::mysql::config::MySqlConfig;
use crate::mysql::config::events::{Events, FailureHandling};
use crate::mysql::ddl::{Catalog, Statement};
use crate::mysql::envelope::{Envelopes, Flavour, Frames, Moment, Origin, SourceBlock};
use crate::mysql::packed_rows::tests::{SETTINGS, assert_written_alike, props};
use crate::mysql::row_event::{CapturedTable, EventPlace, RowEvent};
use crate::mysql::shape::TableId;
use crate::mysql::types::TypeOptions;

/// How many bytes a cell takes, or how many say so.
#[derive(Clone, Copy)]
enum Size {
    Fixed(usize),
    Counted(usize),
}

/// Each column: its SQL, its layout in the binlog, its bytes.
const COLUMNS: &[(&str, u8, u16, Size)] = &[
    ("id BIGINT", t::LONGLONG, 0, Size::Fixed(8)),
    ("a TINYINT", t::TINY, 0, Size::Fixed(1)),
    ("b SMALLINT UNSIGNED", t::SHORT, 0, Size::Fixed(2)),
    ("c MEDIUMINT", t::INT24, 0, Size::Fixed(3)),
    ("d INT UNSIGNED", t::LONG, 0, Size::Fixed(4)),
    ("e BIGINT UNSIGNED", t::LONGLONG, 0, Size::Fixed(8)),
    ("f FLOAT", t::FLOAT, 4, Size::Fixed(4)),
    ("g DOUBLE", t::DOUBLE, 8, Size::Fixed(8)),
    ("h DECIMAL(10,2)", t::NEWDECIMAL, 10 << 8 | 2, Size::Fixed(5)),
    ("i DECIMAL(30,10)", t::NEWDECIMAL, 30 << 8 | 10, Size::Fixed(14)),
    ("j BIT(1)", t::BIT, 1, Size::Fixed(1)),
    ("k BIT(12)", t::BIT, 1 << 8 | 4, Size::Fixed(2)),
    ("l YEAR", t::YEAR, 0, Size::Fixed(1)),
    ("m DATE", t::DATE, 0, Size::Fixed(3)),
    ("n TIME(3)", t::TIME2, 3, Size::Fixed(5)),
    ("o DATETIME(6) NOT NULL", t::DATETIME2, 6, Size::Fixed(8)),
    ("p TIMESTAMP(2) NULL", t::TIMESTAMP2, 2, Size::Fixed(5)),
    ("q VARCHAR(300)", t::VARCHAR, 1200, Size::Counted(2)),
    ("r CHAR(5) CHARACTER SET latin1", t::STRING, 5, Size::Counted(1)),
    ("s BINARY(4)", t::STRING, 4, Size::Counted(1)),
    ("u VARBINARY(9) NOT NULL", t::VARCHAR, 9, Size::Counted(1)),
    ("v BLOB", t::BLOB, 2, Size::Counted(2)),
    ("w TEXT", t::BLOB, 2, Size::Counted(2)),
    ("x BOOLEAN NOT NULL DEFAULT 1", t::TINY, 0, Size::Fixed(1)),
    ("y VARCHAR(20) CHARACTER SET utf16", t::VARCHAR, 80, Size::Counted(1)),
];

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> usize {
        usize::try_from(self.next() % limit).unwrap()
    }

    fn byte(&mut self) -> u8 {
        const PICKED: &[u8] = b"aZ09 \"\\\n\t\0\x7f\xc3\xa4\xf0\x80";
        if self.below(3) == 0 { self.next().to_le_bytes()[0] } else { PICKED[self.below(15)] }
    }

    fn image(&mut self, key: Option<&[u8]>) -> Vec<u8> {
        let mut image = vec![0; COLUMNS.len().div_ceil(8)];
        for (index, (_, _, _, size)) in COLUMNS.iter().enumerate() {
            match (index, key) {
                (0, Some(key)) => image.extend_from_slice(key),
                (1.., _) if self.below(5) == 0 => image[index / 8] |= 1 << (index % 8),
                _ => match size {
                    Size::Fixed(bytes) => image.extend((0..*bytes).map(|_| self.byte())),
                    Size::Counted(prefix) => {
                        let length = self.below(if *prefix == 1 { 5 } else { 40 });
                        image.extend_from_slice(&length.to_le_bytes()[..*prefix]);
                        let text = ["Zürich", "\u{1F600}x", "plain text", "\"q\"\\", "\u{1}\u{1f}"];
                        match self.below(4) {
                            0 if *prefix == 2 => {
                                let text = text[self.below(5)].as_bytes();
                                let at = image.len() - 2;
                                image[at..].copy_from_slice(&text.len().to_le_bytes()[..2]);
                                image.extend_from_slice(text);
                            }
                            _ => image.extend((0..length).map(|_| self.byte())),
                        }
                    }
                },
            }
        }
        image
    }
}

/// The rows of an event of one kind, with these settings.
fn rows(kind: RowsKind, said: &[(&str, &str)], chance: &mut Chance) -> EventRows {
    let mut catalog = Catalog::new("utf8mb4", "8.4.3");
    let definitions: Vec<_> = COLUMNS.iter().map(|(sql, ..)| *sql).collect();
    let sql = format!("CREATE TABLE t ({}, PRIMARY KEY (id))", definitions.join(", "));
    catalog.apply(&Statement { sql: &sql, database: "db", sql_mode: 0 });
    let shape = catalog.tables().next().unwrap();
    let column = |(_, column_type, meta, _): &(&str, u8, u16, Size)| MapColumn {
        column_type: *column_type,
        meta: *meta,
        nullable: true,
    };
    let map = TableMap {
        table_id: 1,
        flags: 0,
        table: TableId::new("db", "t"),
        columns: COLUMNS.iter().map(column).collect(),
        metadata: RowMetadata::default(),
    };
    let (config, filter) = MySqlConfig::load(&props(said)).unwrap();
    let options: TypeOptions = config.type_options();
    let decoder = RowDecoder::prepare(&map, shape, &options).unwrap();
    let events = Arc::new(Events::load(&props(said)).unwrap());
    let envelopes = Envelopes::new(&config, &events, Flavour::MySql);
    let records = envelopes.table(shape, &filter);
    let table = Arc::new(CapturedTable { id: TableId::new("db", "t"), decoder, records });
    let mut images = Vec::new();
    for row in 0..40_u64 {
        let key = row.to_le_bytes();
        images.extend(chance.image(Some(&key)));
        if kind == RowsKind::Update {
            // Every fourth one changes its key.
            images.extend(chance.image((row % 4 != 0).then_some(&key[..])));
        }
    }
    let columns = Bytes::from(vec![0xff; COLUMNS.len().div_ceil(8)]);
    let bitmaps = [&columns[..], &columns[..]];
    let per_row = if kind == RowsKind::Update { &bitmaps[..] } else { &bitmaps[..1] };
    let starts = table.decoder.find_images(per_row, &images).unwrap();
    EventRows {
        table,
        kind,
        columns: [columns.clone(), columns],
        images: images.into(),
        starts,
        source: SourceBlock::new(envelopes.source_schema(), Flavour::MySql, &Origin::default()),
        frames: Frames::new(Moment::now()),
    }
}

#[test]
fn what_is_shown_is_what_decoding_makes() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for said in SETTINGS {
        for kind in [RowsKind::Insert, RowsKind::Update, RowsKind::Delete] {
            let rows = rows(kind, said, &mut chance);
            let expected: Vec<_> = (0..rows.count()).flat_map(|row| rows.make(row).unwrap()).collect();
            let (offset, place) = (Arc::new(FlatMap::new()), ("binlog.000001".into(), 4));
            let place = EventPlace { offset, events: 0, place, failures: FailureHandling::Fail };
            let mut event = RowEvent::new(rows, place).unwrap();
            let mut shown = Vec::new();
            while event.rows_left() > 0 {
                event.take(7, &mut shown).unwrap();
            }
            assert_eq!(shown.len(), expected.len(), "{said:?} {kind:?}");
            let packed = |record: &&SourceRecord| {
                record.record.value.value.as_struct().is_some_and(|value| value.packed().is_some())
            };
            let packed = shown.iter().filter(packed).count();
            assert_eq!(packed, if kind == RowsKind::Update { 30 } else { 40 }, "{kind:?}");
            assert_written_alike(&shown, &expected);
            // NaN is no equal of itself: what does not compare is compared by its text.
            for (shown, expected) in shown.iter().zip(&expected) {
                assert_eq!(format!("{shown:?}"), format!("{expected:?}"), "{said:?} {kind:?}");
            }
        }
    }
}

#[test]
fn rows_that_are_changed_on_their_way_do_not_stay_packed() {
    let mut chance = Chance(7);
    for said in [
        &[("column.mask.with.3.chars", "db.t.q")][..],
        &[("column.exclude.list", "db.t.c")],
        &[("skip.messages.without.change", "true"), ("column.include.list", "db.t.*")],
    ] {
        let rows = Arc::new(rows(RowsKind::Insert, said, &mut chance));
        assert!(rows.packed().unwrap().is_none(), "{said:?}");
    }
}
