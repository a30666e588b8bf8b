//! Binary JSON at its edges: every type, escapes, exact doubles, and documents that lie.

use super::*;

/// A small array of these entries: a type and an inlined value each, then the bytes that offsets point to.
fn array(entries: &[(u8, u16)], rest: &[u8]) -> Vec<u8> {
    let size = 4 + entries.len() * 3 + rest.len();
    let mut document = vec![2, u8::try_from(entries.len()).unwrap(), 0, u8::try_from(size).unwrap(), 0];
    for (of_type, value) in entries {
        document.push(*of_type);
        document.extend(value.to_le_bytes());
    }
    document.extend(rest);
    document
}

fn packed(days: i64, seconds: i64, micros: i64) -> [u8; 8] {
    (((days << 17 | seconds) << 24) + micros).to_le_bytes()
}

#[test]
fn literals_and_numbers() {
    let document = array(&[(4, 0), (4, 1), (4, 2), (5, 0xffff), (6, 0xffff)], &[]);
    assert_eq!(to_text(&document).unwrap(), "[null,true,false,-1,65535]");
    let mut long = vec![9];
    long.extend(i64::MIN.to_le_bytes());
    assert_eq!(to_text(&long).unwrap(), "-9223372036854775808");
}

#[test]
fn doubles_are_told_exactly() {
    for (number, text) in [
        (1.5, "1.5"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (0.001, "0.001"),
        (9_999_999.5, "9999999.5"),
        (1e7, "10000000"),
        (1e10, "10000000000"),
        (123_456_789.125, "123456789.125"),
        (1e23, "99999999999999991611392"),
        (1e-4, "0.000100000000000000004792173602385929598312941379845142364501953125"),
    ] {
        let mut written = String::new();
        push_double(&mut written, number).unwrap();
        assert_eq!(written, text);
    }
    assert!(push_double(&mut String::new(), f64::NAN).is_err());
}

#[test]
fn strings_are_escaped_as_json_demands() {
    let mut text = String::new();
    push_string(&mut text, "a\"b\\c/d\n\u{1}é😀\u{7f}");
    assert_eq!(text, "\"a\\\"b\\\\c/d\\n\\u0001é😀\u{7f}\"");
}

#[test]
fn opaque_times_may_be_negative() {
    let mut document = vec![15, column_type::TIME, 8];
    let time = ((23 << 12 | 24 << 6 | 25_i64) << 24) + 12;
    document.extend((-time).to_le_bytes());
    assert_eq!(to_text(&document).unwrap(), "\"-23:24:25.000012\"");
}

#[test]
fn opaque_dates_decimals_and_bytes() {
    let day = (2015 * 13 + 1) << 5 | 15;
    let mut date = vec![15, column_type::DATE, 8];
    date.extend(packed(day, 0, 0));
    assert_eq!(to_text(&date).unwrap(), "\"2015-01-15\"");
    let mut moment = vec![15, column_type::DATETIME, 8];
    moment.extend(packed(day, 23 << 12 | 24 << 6 | 25, 120_000));
    assert_eq!(to_text(&moment).unwrap(), "\"2015-01-15 23:24:25.12\"");
    assert_eq!(to_text(&[15, column_type::NEWDECIMAL, 4, 3, 2, 0x81, 50]).unwrap(), "1.50");
    assert_eq!(to_text(&[15, column_type::VAR_STRING, 2, 0, 0xff]).unwrap(), "\"AP8=\"");
}

#[test]
fn depth_and_overlap_are_limited() {
    let mut own_child = vec![2, 1, 0, 7, 0, 2, 0, 0];
    assert!(to_text(&own_child).unwrap_err().to_string().contains("deep") || to_text(&own_child).is_err());
    own_child[1] = 200;
    assert!(to_text(&own_child).is_err());
    // Sixty elements, all the same long string.
    let mut rest = vec![60];
    rest.extend([b'x'; 60]);
    let shared = array(&[(12, 4 + 30 * 3); 30], &rest);
    assert_eq!(to_text(&shared).unwrap_err(), JsonError::Malformed("its parts overlap".to_owned()));
}

#[test]
fn no_cut_and_no_wrong_byte_panics() {
    let document = array(&[(12, 13), (15, 16), (5, 7)], &[2, b'a', b'b', 246, 4, 3, 2, 0x81, 50]);
    assert_eq!(to_text(&document).unwrap(), "[\"ab\",1.50,7]");
    for place in 0..document.len() {
        let _cut = to_text(&document[..place]);
        for byte in 0..=255 {
            let mut wrong = document.clone();
            wrong[place] = byte;
            let _read = to_text(&wrong);
        }
    }
}
