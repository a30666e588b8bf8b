//! Row images at their edges: what is left out, what is damaged, what does not fit its shape.

use super::super::table_map::{MapColumn, RowMetadata, column_type as t};
use api::Value;

use super::*;
use crate::mysql::ddl::{Catalog, Statement};

const SQL: &str = "CREATE TABLE t (id INT UNSIGNED PRIMARY KEY, v VARCHAR(300), n DECIMAL(5,2), dt DATETIME(3) NOT NULL, \
                   e ENUM('a','b'), j JSON, b BIT(9), g POINT)";

fn shape(sql: &str) -> TableShape {
    let mut catalog = Catalog::new("utf8mb4", "8.4.3");
    catalog.apply(&Statement { sql, database: "db", sql_mode: 0 });
    let shape = catalog.tables().next().unwrap();
    (**shape).clone()
}

fn map() -> TableMap {
    let layouts = [
        (t::LONG, 0),
        (t::VARCHAR, 1200),
        (t::NEWDECIMAL, 5 << 8 | 2),
        (t::DATETIME2, 3),
        (t::ENUM, 1),
        (t::JSON, 4),
        (t::BIT, 1 << 8 | 1),
        (t::GEOMETRY, 4),
    ];
    let column = |(column_type, meta)| MapColumn { column_type, meta, nullable: true };
    TableMap {
        table_id: 1,
        flags: 0,
        table: TableId::new("db", "t"),
        columns: layouts.map(column).to_vec(),
        metadata: RowMetadata::default(),
    }
}

/// A row without NULLs.
fn image() -> Vec<u8> {
    let mut image = vec![0];
    image.extend(u32::MAX.to_le_bytes());
    image.extend([2, 0, b'h', b'i']);
    image.extend([0x80, 0x0c, 0x22]);
    image.extend([0x99, 0xb2, 0xde, 0x42, 0x05, 0x04, 0xd2]);
    image.push(2);
    image.extend([3, 0, 0, 0, 4, 1, 0]);
    image.extend([1, 0xff]);
    image.extend([25, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0]);
    image.extend(1.5_f64.to_le_bytes());
    image.extend((-2.0_f64).to_le_bytes());
    image
}

fn decoder() -> RowDecoder {
    RowDecoder::prepare(&map(), &shape(SQL), &TypeOptions::default()).unwrap()
}

#[test]
fn rows_follow_each_other_and_texts_are_slices_of_the_packet() {
    let mut packet = Bytes::from([image(), image()].concat());
    let start = packet.as_ptr();
    let row = decoder().decode(&[0xff], &mut packet).unwrap();
    let first = &row.values;
    assert_eq!(first[0], Value::Int64(i64::from(u32::MAX)));
    assert_eq!(
        (&first[1], &first[4], &first[5]),
        (&Value::from("hi"), &Value::from("b"), &Value::from("true"))
    );
    assert_eq!(first[2], Value::Bytes(Bytes::from_static(&[0x04, 0xd2])));
    assert_eq!(first[6], Value::Bytes(Bytes::from_static(&[0xff, 1])));
    assert_eq!(first[1].as_str().unwrap().as_ptr(), start.wrapping_add(7));
    assert_eq!(decoder().decode(&[0xff], &mut packet).unwrap(), row);
    assert!(packet.is_empty());
}

#[test]
fn nulls_are_counted_over_the_columns_that_are_present() {
    // id, v and dt are there; v is NULL.
    let mut packet = Bytes::from(vec![0b010, 7, 0, 0, 0, 0x99, 0xb2, 0xde, 0x42, 0x05, 0x04, 0xd2]);
    let row = decoder().decode(&[0b1011], &mut packet).unwrap();
    assert_eq!((&row.values[0], &row.values[1]), (&Value::Int64(7), &Value::Null));
    assert_eq!(row.absent, [2, 4, 5, 6, 7]);
    assert!(row.values[2].is_null() && !row.values[3].is_null());
    assert!(packet.is_empty());
}

#[test]
fn texts_and_documents_that_are_left_out_are_told_so() {
    let mut whole = image();
    whole.drain(5..9);
    let mut packet = Bytes::from(whole);
    let row = decoder().decode(&[0b1111_1101], &mut packet).unwrap();
    assert_eq!((&row.values[1], &*row.absent), (&Value::from("__debezium_unavailable_value"), &[1][..]));
    assert!(packet.is_empty());
}

#[test]
fn an_image_after_an_update_has_what_it_leaves_out_from_the_one_before() {
    let before = decoder().decode(&[0xff], &mut Bytes::from(image())).unwrap();
    // Only v is there.
    let after = [0, 2, 0, b'n', b'o'];
    let mut packet = Bytes::copy_from_slice(&after);
    let row = decoder().decode_after(&[0b10], &mut packet, &before).unwrap();
    assert!(row.absent.is_empty() && packet.is_empty());
    let mut expected = before.clone();
    expected.values[1] = Value::from("no");
    assert_eq!(row, expected);
    assert_eq!(decoder().decode_after_at(&[0b10], &Bytes::copy_from_slice(&after), 0, &before), Ok(expected));
}

#[test]
fn no_cut_and_no_wrong_byte_panics() {
    let decoder = decoder();
    let image = image();
    for end in 0..image.len() {
        let error =
            decoder.decode(&[0xff], &mut Bytes::copy_from_slice(&image[..end])).unwrap_err().to_string();
        assert!(error.contains("db.t"), "{error}");
    }
    for place in 0..image.len() {
        for byte in 0..=255 {
            let mut wrong = image.clone();
            wrong[place] = byte;
            let _decoded = decoder.decode(&[0xff], &mut Bytes::from(wrong));
        }
    }
    assert!(decoder.decode(&[], &mut Bytes::from(image)).is_err());
}

#[test]
fn a_shape_that_does_not_fit_is_named_with_what_was_found() {
    for (from, to, found) in [
        ("g POINT", "g POINT, extra INT", "8 columns"),
        ("v VARCHAR(300)", "v DATE", "type 15"),
        ("DECIMAL(5,2)", "DECIMAL(6,2)", "digits 5.2"),
        ("DATETIME(3)", "DATETIME", "digits 0.3"),
        ("BIT(9)", "BIT(8)", "digits 1.1"),
    ] {
        let changed = shape(&SQL.replace(from, to));
        let error = RowDecoder::prepare(&map(), &changed, &TypeOptions::default()).unwrap_err().to_string();
        assert!(error.contains("db.t") && error.contains(found), "{error}");
    }
}

#[test]
fn the_servers_metadata_is_believed() {
    let mut map = map();
    let names = ["id", "v", "n", "dt", "e", "j", "b", "other"];
    map.metadata.names = Some(names.map(Into::into).to_vec());
    let error = RowDecoder::prepare(&map, &shape(SQL), &TypeOptions::default()).unwrap_err().to_string();
    assert!(error.contains("column g POINT") && error.contains("column other"), "{error}");
    map.metadata.names = None;
    map.metadata.unsigned = Some(vec![false; 8]);
    let error = RowDecoder::prepare(&map, &shape(SQL), &TypeOptions::default()).unwrap_err().to_string();
    assert!(error.contains("id INT UNSIGNED") && error.contains("signed column"), "{error}");
    map.metadata.unsigned = None;
    let mut words = vec![Vec::new(); 8];
    words[4] = vec![Bytes::from_static(b"c"), Bytes::from_static(b"\xe4")];
    map.metadata.enum_values = Some(words);
    map.metadata.enum_collations = Some([None, None, None, None, Some(8), None, None, None].to_vec());
    let decoder = RowDecoder::prepare(&map, &shape(SQL), &TypeOptions::default()).unwrap();
    assert_eq!(decoder.decode(&[0xff], &mut Bytes::from(image())).unwrap().values[4], Value::from("ä"));
}

#[test]
fn an_enum_number_without_a_word_is_an_error_not_a_null() {
    let mut wrong = image();
    let place = 1 + 4 + 4 + 3 + 7;
    assert_eq!(wrong[place], 2);
    wrong[place] = 9;
    let error = decoder().decode(&[0xff], &mut Bytes::from(wrong)).unwrap_err().to_string();
    assert!(error.contains("column e of db.t holds number 9 of 2 words"), "{error}");
}

#[test]
fn counting_rows_takes_the_bytes_that_decoding_takes() {
    let (decoder, image) = (decoder(), image());
    let two = [image.clone(), image.clone()].concat();
    let half = u32::try_from(two.len() / 2).unwrap();
    assert_eq!(decoder.find_images(&[&[0xff]], &two).unwrap(), [0, half]);
    assert_eq!(decoder.find_images(&[&[0xff], &[0xff]], &two).unwrap(), [0, half]);
    assert!(decoder.find_images(&[&[0xff]], &two[..two.len() - 1]).is_err());
    let passed = |bytes: &[u8]| {
        let mut reader = Reader::new(bytes);
        decoder.pass(&mut reader, &[0xff]).map(|()| reader.position())
    };
    for end in 0..image.len() {
        assert!(passed(&image[..end]).is_err(), "cut off at {end}");
    }
    for place in 0..image.len() {
        for byte in 0..=255 {
            let mut wrong = image.clone();
            wrong[place] = byte;
            let mut left = Bytes::from(wrong.clone());
            if decoder.decode(&[0xff], &mut left).is_ok() {
                assert_eq!(passed(&wrong).unwrap(), wrong.len() - left.len(), "{byte} at {place}");
            }
        }
    }
}

#[test]
fn every_type_is_as_long_to_who_counts_as_to_who_decodes() {
    let fixed = [
        ("TINYINT", t::TINY, 0),
        ("SMALLINT", t::SHORT, 0),
        ("MEDIUMINT", t::INT24, 0),
        ("INT", t::LONG, 0),
        ("BIGINT", t::LONGLONG, 0),
        ("FLOAT", t::FLOAT, 4),
        ("DOUBLE", t::DOUBLE, 8),
        ("DECIMAL(20,7)", t::NEWDECIMAL, 20 << 8 | 7),
        ("BIT(17)", t::BIT, 2 << 8 | 1),
        ("YEAR", t::YEAR, 0),
        ("DATE", t::DATE, 0),
        ("SET('a','b')", t::SET, 1),
        ("VARCHAR(10)", t::VARCHAR, 40),
        ("VARCHAR(100)", t::VARCHAR, 400),
        ("TEXT", t::BLOB, 2),
    ];
    let mut types = fixed.map(|(sql, kind, meta)| (sql.to_owned(), kind, meta)).to_vec();
    for digits in 0..=6 {
        for (name, kind) in [("TIME", t::TIME2), ("DATETIME", t::DATETIME2), ("TIMESTAMP", t::TIMESTAMP2)] {
            types.push((format!("{name}({digits})"), kind, digits));
        }
    }
    // A set bit for NULL would make a row short; other bytes are a length of 1, or of 257, or any value.
    let bytes = [vec![0], vec![1; 400]].concat();
    for (sql, column_type, meta) in types {
        let columns = vec![MapColumn { column_type, meta, nullable: true }];
        let map = TableMap { columns, ..map() };
        let shape = shape(&format!("CREATE TABLE t (c {sql})"));
        let decoder = RowDecoder::prepare(&map, &shape, &TypeOptions::default()).unwrap();
        let mut left = Bytes::from(bytes.clone());
        decoder.decode(&[1], &mut left).unwrap();
        let mut reader = Reader::new(&bytes);
        decoder.pass(&mut reader, &[1]).unwrap();
        assert_eq!(reader.position(), bytes.len() - left.len(), "{sql}");
    }
}
