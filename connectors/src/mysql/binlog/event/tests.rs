//! Frames as servers write them, and frames that must not pass.

use std::io::Write;

use api::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::*;

fn raw(kind: u8, body: &[u8]) -> RawEvent {
    RawEvent {
        kind,
        timestamp: 0,
        server_id: 1,
        size: 0,
        log_pos: 0,
        flags: 0,
        inner: false,
        body: Bytes::copy_from_slice(body),
    }
}

fn query_body(sql: &[u8]) -> Vec<u8> {
    let status = [0, 9, 9, 9, 9, 1, 4, 0, 0, 0, 0, 0, 0, 0];
    let mut body = vec![7, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 14, 0];
    body.extend_from_slice(&status);
    body.extend_from_slice(b"shop\0");
    body.extend_from_slice(sql);
    body
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut body = vec![0x81, u8::try_from(bytes.len()).unwrap()];
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    body.extend(encoder.finish().unwrap());
    body
}

#[test]
fn a_query_tells_its_session_and_its_quotes() {
    let expected = Query { thread: 7, database: "shop".into(), sql_mode: 4, sql: "DROP TABLE t".into() };
    let Event::Query(query) = Event::parse(&raw(2, &query_body(b"DROP TABLE t"))).unwrap() else { panic!() };
    assert_eq!(query, expected);
    let body = query_body(&compressed(b"DROP TABLE t"));
    let Event::Query(query) = Event::parse(&raw(165, &body)).unwrap() else { panic!() };
    assert_eq!(query, expected);
    let Event::Query(query) = Event::parse(&raw(2, &query_body(b"SELECT '\xe4'"))).unwrap() else { panic!() };
    assert_eq!(query.sql, "SELECT 'ä'");
}

#[test]
fn rows_of_every_version_give_the_same_parts() {
    let head = [9, 0, 0, 0, 0, 0, 1, 0];
    let tail = [2, 0b11, 0b01];
    let plain = [head.as_slice(), &tail, b"image"].concat();
    let second = [head.as_slice(), &[4, 0, 7, 7], &tail, b"image"].concat();
    let squeezed = [head.as_slice(), &tail, &compressed(b"image")].concat();
    for (kind, body) in [(24, plain), (31, second), (167, squeezed)] {
        let Event::Rows(rows) = Event::parse(&raw(kind, &body)).unwrap() else { panic!("{kind}") };
        assert_eq!((rows.kind, rows.table_id, &rows.images[..]), (RowsKind::Update, 9, &b"image"[..]));
        assert_eq!((&rows.columns[..], &rows.columns_after[..]), (&[0b11][..], &[0b01][..]));
    }
}

#[test]
fn a_gtid_tells_when_it_was_first_committed() {
    let mut body = vec![0];
    body.extend([1; 16]);
    body.extend(5_u64.to_le_bytes());
    body.push(2);
    body.extend([0; 16]);
    body.extend([1, 0, 0, 0, 0, 0, 0x80, 42, 0, 0, 0, 0, 0, 0]);
    let Event::Gtid(gtid) = Event::parse(&raw(33, &body)).unwrap() else { panic!() };
    assert_eq!(gtid, MySqlGtid { gtid: Some(([1; 16], String::new(), 5)), original_commit_us: 42 });
    let Event::Gtid(gtid) = Event::parse(&raw(34, &body[..25])).unwrap() else { panic!() };
    assert_eq!(gtid, MySqlGtid { gtid: None, original_commit_us: 0 });
}

#[test]
fn what_is_not_known_is_named_unless_it_may_be_ignored() {
    assert!(
        matches!(Event::parse(&raw(26, &[])).unwrap(), Event::Unknown(what) if what.contains("INCIDENT"))
    );
    assert!(matches!(Event::parse(&raw(99, &[])).unwrap(), Event::Unknown(_)));
    let ignorable = RawEvent { flags: 0x80, ..raw(99, &[]) };
    assert!(matches!(Event::parse(&ignorable).unwrap(), Event::Ignored));
}

#[test]
fn cut_off_bodies_are_errors_that_name_the_event() {
    for kind in [2, 4, 23, 31, 33, 39, 40, 162, 165, 171] {
        let error = Event::parse(&raw(kind, &[1, 2, 3])).unwrap_err().to_string();
        assert!(error.contains(&format!("type {kind} ")), "{error}");
    }
    let bomb = [&[9, 0, 0, 0, 0, 0, 1, 0, 2, 3][..], &[0x81, 200], &compressed(b"image")[2..]].concat();
    assert!(Event::parse(&raw(166, &bomb)).is_err());
}
