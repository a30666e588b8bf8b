//! Table maps laid out by hand, whole and damaged.

use super::*;

/// What MySQL 9.7 wrote for `shop.orders (id INT UNSIGNED PRIMARY KEY, kind ENUM('a','b'), note VARCHAR(300) CHARSET latin1)`
/// with `binlog_row_metadata=FULL`, laid out by hand.
fn body() -> Vec<u8> {
    let mut body = vec![7, 0, 0, 0, 0, 0, 1, 0, 4];
    body.extend(b"shop\0\x06orders\0\x03");
    body.extend([
        column_type::LONG,
        column_type::STRING,
        column_type::VARCHAR,
        4,
        column_type::ENUM,
        1,
        0x2c,
        1,
        0b110,
    ]);
    body.extend([1, 1, 0x80, 2, 1, 8, 4, 13, 2]);
    body.extend(b"id\x04kind\x04note");
    body.extend([6, 5, 2, 1, b'a', 1, b'b', 8, 1, 0, 10, 3, 0xfc, 0xff, 0]);
    body
}

#[test]
fn a_full_table_map_is_read() {
    let map = TableMap::parse(&body()).unwrap();
    assert_eq!((map.table_id, map.table.to_string().as_str()), (7, "shop.orders"));
    let types: Vec<_> =
        map.columns.iter().map(|column| (column.column_type, column.meta, column.nullable)).collect();
    assert_eq!(
        types,
        [(column_type::LONG, 0, false), (column_type::ENUM, 1, true), (column_type::VARCHAR, 300, true)]
    );
    let metadata = map.metadata;
    assert_eq!(metadata.unsigned.unwrap(), [true, false, false]);
    assert_eq!(metadata.collations.unwrap(), [None, None, Some(8)]);
    assert_eq!(metadata.enum_collations.unwrap(), [None, Some(255), None]);
    assert_eq!(metadata.names.unwrap(), ["id", "kind", "note"]);
    assert_eq!(metadata.enum_values.unwrap()[1], ["a", "b"]);
    assert_eq!(metadata.primary_key.unwrap(), [0]);
}

#[test]
fn no_cut_and_no_wrong_byte_panics() {
    let body = body();
    for end in 0..body.len() {
        let _read = TableMap::parse(&body[..end]);
    }
    for place in 0..body.len() {
        for byte in [0, 1, 0x7f, 0xfb, 0xfc, 0xfd, 0xfe, 0xff] {
            let mut wrong = body.clone();
            wrong[place] = byte;
            let _read = TableMap::parse(&wrong);
        }
    }
}

#[test]
fn errors_name_the_table() {
    let mut wrong = body();
    wrong[23] = 200;
    let error = TableMap::parse(&wrong).unwrap_err().to_string();
    assert!(error.contains("shop.orders") && error.contains("column type 200"), "{error}");
    let error = TableMap::parse(&body()[..26]).unwrap_err().to_string();
    assert!(error.contains("shop.orders") && error.contains("cut off"), "{error}");
}

#[test]
fn long_fixed_strings_hide_two_bits_of_their_length() {
    let mut meta = Reader::new(&[0xee, 0x40]);
    let Ok(read) = read_meta(column_type::STRING, &mut meta) else { panic!("readable") };
    assert_eq!(read, (column_type::STRING, 0x140));
}
