//! Records as Debezium 3.6 writes them, and what is left of them.

use api::Text;
use serde_json::json;

use super::*;
use crate::mysql::shape::{ColumnDefault, SqlType};

const SERVER: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

fn position(pos: u64, last: Option<u64>) -> Position {
    let gtids = last.map(|last| GtidSet::parse(&format!("{SERVER}:1-{last}"), false).unwrap());
    Position { file: Text::from_static("b.000002"), pos, gtids, ..Position::default() }
}

fn record(pos: u64, last: Option<u64>, snapshot: bool, ddl: &str, changes: Json) -> Vec<u8> {
    let mut place = json!({"ts_sec": 1, "file": "b.000002", "pos": pos});
    if let Some(last) = last {
        place["gtids"] = json!(format!("{SERVER}:1-{last}"));
    }
    if snapshot {
        place["snapshot"] = json!("INITIAL");
    }
    json!({"source": {"server": "p"}, "position": place, "databaseName": "d", "ddl": ddl, "tableChanges": changes})
        .to_string()
        .into_bytes()
}

fn names(catalog: &Catalog, table: &str) -> Option<Vec<String>> {
    let shape = catalog.table(&TableId::new("d", table))?;
    Some(shape.columns.iter().map(|column| column.name.to_string()).collect())
}

fn replayed(position: &Position, records: &[Vec<u8>]) -> Catalog {
    let mut replay = Replay::new(Catalog::new("utf8mb4", "9.7.0"), "p", position, false);
    records.iter().for_each(|record| replay.take(record).unwrap());
    replay.finish()
}

#[test]
fn statements_before_the_position_count_and_those_at_it_come_again() {
    for gtids in [false, true] {
        let at = |last: u64| gtids.then_some(last);
        let records = [
            record(100, at(5), true, "CREATE TABLE t (a INT)", json!([])),
            record(300, at(7), false, "ALTER TABLE t ADD b INT", json!([])),
            record(500, at(9), false, "ALTER TABLE t RENAME COLUMN b TO c", json!([])),
        ];
        let columns = |pos, last| names(&replayed(&position(pos, at(last)), &records), "t").unwrap();
        assert_eq!(columns(100, 5), ["a"], "{gtids}: the snapshot stands at its own position");
        assert_eq!(columns(300, 7), ["a"], "{gtids}: the statement comes again");
        assert_eq!(columns(380, 8), ["a", "b"]);
        assert_eq!(columns(500, 9), ["a", "b"]);
        assert_eq!(columns(600, 10), ["a", "c"]);
    }
}

#[test]
fn records_of_other_connectors_and_texts_that_are_none() {
    let place = position(900, None);
    let mut replay = Replay::new(Catalog::new("utf8mb4", "9.7.0"), "other", &place, false);
    replay.take(&record(1, None, true, "CREATE TABLE t (a INT)", json!([]))).unwrap();
    assert_eq!((replay.seen, replay.applied), (0, 0));
    assert!(replay.take(b"secret").unwrap_err().report().contains("not JSON"));
    assert!(!replay.take(b"secret").unwrap_err().report().contains("secret"));
    assert!(replay.take(b"{}").unwrap_err().report().contains("position"));
}

#[test]
fn what_debezium_made_of_a_statement_counts_where_ours_differs() {
    let column = |name: &str, kind: &str, more: Json| {
        let mut column = json!({"name": name, "typeName": kind, "typeExpression": kind, "optional": true,
            "hasDefaultValue": true, "enumValues": [], "comment": null, "charsetName": null});
        for (member, value) in more.as_object().unwrap() {
            column[member] = value.clone();
        }
        column
    };
    let table = json!({"defaultCharsetName": "latin1", "primaryKeyColumnNames": ["id"], "columns": [
        column("id", "BIGINT UNSIGNED", json!({"optional": false, "autoIncremented": true, "generated": true, "hasDefaultValue": false})),
        column("z", "INT UNSIGNED ZEROFILL", json!({"length": 5})),
        column("d", "DECIMAL", json!({"length": 8, "scale": 3, "defaultValueExpression": "1.250"})),
        column("bi", "BIT", json!({"length": 10, "defaultValueExpression": "101"})),
        column("k", "ENUM", json!({"length": 1, "charsetName": "utf8mb4", "enumValues": ["'a'", "'it''s'", "'b,c'"], "comment": "it's"})),
        column("n", "VARCHAR", json!({"length": 7, "charsetName": "latin1", "defaultValueExpression": "a'b"})),
    ]});
    // A statement that we do not understand, or that is not there at all.
    let changes = json!([{"type": "CREATE", "id": "\"d\".\"t\"", "table": table}]);
    let catalog = replayed(&position(900, None), &[record(1, None, false, "", changes.clone())]);
    let shape = catalog.table(&TableId::new("d", "t")).unwrap();
    assert_eq!(names(&catalog, "t").unwrap(), ["id", "z", "d", "bi", "k", "n"]);
    assert_eq!((shape.primary_key.as_slice(), &*shape.charset), (&[0][..], "latin1"));
    let [id, z, d, bi, k, n] = shape.columns.as_slice() else { panic!("{shape:?}") };
    assert!(id.auto_increment && id.unsigned && !id.optional && z.zerofill && z.length == Some(5));
    assert_eq!((d.length, d.scale, &d.default), (Some(8), Some(3), &ColumnDefault::Literal("1.250".into())));
    assert_eq!(bi.default, ColumnDefault::Literal("5".into()));
    assert_eq!((k.sql_type, k.enum_values.len(), &*k.comment), (SqlType::Enum, 3, "it's"));
    assert_eq!((&*k.enum_values[1], k.charset.as_deref()), ("it's", Some("utf8mb4")));
    assert_eq!((&n.default, &k.default), (&ColumnDefault::Literal("a'b".into()), &ColumnDefault::Null));

    let renamed =
        json!([{"type": "ALTER", "id": "\"d\".\"u\"", "previousId": "\"d\".\"t\"", "table": table}]);
    let dropped = json!([{"type": "DROP", "id": "\"d\".\"u\""}]);
    let records = [record(1, None, false, "", changes), record(2, None, false, "", renamed)];
    let catalog = replayed(&position(900, None), &records);
    assert_eq!((names(&catalog, "t"), names(&catalog, "u").map(|names| names.len())), (None, Some(6)));
    let records = [records[0].clone(), records[1].clone(), record(3, None, false, "", dropped)];
    assert_eq!(names(&replayed(&position(900, None), &records), "u"), None);
}
