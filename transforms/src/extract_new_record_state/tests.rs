//! Every mode and option, against the answers of Debezium 3.6 for the same events.

use api::{Headers, Schema, SchemaType};

use super::*;
use crate::tests::applied;

const CLASS: &str = "io.debezium.transforms.ExtractNewRecordState";

fn row_schema() -> SchemaRef {
    Schema::structure()
        .optional()
        .name("shop.db.t.Value")
        .field("id", Schema::plain(SchemaType::Int64))
        .field("name", Schema::builder(SchemaType::String).optional().default_value("dd").build())
        .build()
}

fn envelope_schema() -> SchemaRef {
    let row = row_schema();
    let source = Schema::structure()
        .field("ts_ms", Schema::plain(SchemaType::Int64))
        .field("ts_us", Schema::plain_optional(SchemaType::Int64))
        .field("table", Schema::plain_optional(SchemaType::String))
        .field(
            "snapshot",
            Schema::builder(SchemaType::String)
                .name("io.debezium.data.Enum")
                .optional()
                .default_value("false")
                .build(),
        )
        .build();
    let transaction = Schema::structure()
        .optional()
        .name("event.block")
        .field("id", Schema::plain(SchemaType::String))
        .build();
    Schema::structure()
        .name("shop.db.t.Envelope")
        .field("before", SchemaRef::clone(&row))
        .field("after", row)
        .field("source", source)
        .field("transaction", transaction)
        .field("op", Schema::plain(SchemaType::String))
        .field("ts_ms", Schema::plain_optional(SchemaType::Int64))
        .field("ts_us", Schema::plain_optional(SchemaType::Int64))
        .build()
}

fn row(schema: &SchemaRef, id: i64, name: Option<&'static str>) -> Value {
    Struct::of(SchemaRef::clone(schema), vec![id.into(), name.into()]).expect("two fields").into()
}

/// An event as Debezium makes it: `c`, `u`, `d`, `r`, `t`; or the tombstone `n`.
fn event(op: &'static str) -> Record {
    let key_schema =
        Schema::structure().name("shop.db.t.Key").field("id", Schema::plain(SchemaType::Int64)).build();
    let key = Struct::of(key_schema, vec![1_i64.into()]).expect("one field");
    let mut record =
        Record { topic: "shop.db.t".into(), key: SchemaAndValue::of_struct(key), ..Record::default() };
    if op == "n" {
        return record;
    }
    let schema = envelope_schema();
    let part = |name: &str| SchemaRef::clone(&schema.field(name).expect("a part").1.schema);
    let before = if matches!(op, "u" | "d") { row(&part("before"), 1, Some("old")) } else { Value::Null };
    let after = if matches!(op, "d" | "t") { Value::Null } else { row(&part("after"), 1, None) };
    let source = Struct::of(part("source"), vec![5_i64.into(), 55_i64.into(), "t".into(), Value::Null])
        .expect("four fields");
    let values = vec![before, after, source.into(), Value::Null, op.into(), 9_i64.into(), 99_i64.into()];
    record.value =
        SchemaAndValue::of_struct(Struct::of(SchemaRef::clone(&schema), values).expect("seven fields"));
    record
}

/// The row as text, `null` with or without a schema, or nothing.
fn shown(outcome: Result<Option<Record>, String>) -> String {
    let Some(record) = outcome.expect("it applies") else { return "dropped".to_owned() };
    match (&record.value.schema, &record.value.value) {
        (None, Value::Null) => "null".to_owned(),
        (Some(schema), Value::Null) => format!("null of {}", schema.name().unwrap_or_default()),
        (Some(schema), Value::Struct(row)) => {
            assert!(
                !schema.is_optional() && SchemaRef::ptr_eq(schema, row.schema()),
                "the schema is the row's own, and required"
            );
            let text = |value: &Value| match value {
                Value::String(text) => text.to_string(),
                Value::Null => "null".to_owned(),
                Value::Struct(_) => "struct".to_owned(),
                other => {
                    other.as_i64().map_or_else(|| other.kind_name().to_owned(), |number| number.to_string())
                }
            };
            let fields = row.schema().fields().iter().zip(row.values());
            fields
                .map(|(field, value)| format!("{}={}", field.name, text(value)))
                .collect::<Vec<_>>()
                .join(" ")
        }
        other => format!("{other:?}"),
    }
}

type Result<T, E> = std::result::Result<T, E>;

#[test]
fn deletes_and_tombstones_follow_the_mode() {
    let plain = "id=1 name=dd";
    let (kept, deleted) = ("id=1 name=dd __deleted=false", "id=1 name=old __deleted=true");
    let typed = "null of shop.db.t.Value";
    let modes = [
        ("drop", [plain, plain, "dropped", "dropped", "dropped", plain]),
        ("tombstone", [plain, plain, typed, "dropped", "dropped", plain]),
        ("rewrite", [kept, kept, deleted, "dropped", "dropped", kept]),
        ("rewrite-with-tombstone", [kept, kept, deleted, "null", "dropped", kept]),
        ("delete-to-tombstone", [plain, plain, "null", "dropped", "dropped", plain]),
    ];
    for (mode, expected) in modes {
        for (op, expected) in ["c", "u", "d", "n", "t", "r"].into_iter().zip(expected) {
            let outcome = applied(CLASS, &[("delete.tombstone.handling.mode", mode)], event(op));
            assert_eq!(shown(outcome), expected, "{op} in mode {mode}");
        }
    }
    assert_eq!(shown(applied(CLASS, &[], event("d"))), typed);
    let error =
        applied(CLASS, &[("delete.tombstone.handling.mode", "foo")], event("c")).expect_err("unknown");
    assert!(
        error.contains("drop, tombstone, rewrite, rewrite-with-tombstone, delete-to-tombstone"),
        "{error}"
    );
}

#[test]
fn fields_of_the_event_are_added() {
    let said = |fields: &'static str| [("add.fields", fields), ("delete.tombstone.handling.mode", "rewrite")];
    let added = |fields, op| shown(applied(CLASS, &said(fields), event(op)));
    assert_eq!(
        added("op,table,source.ts_ms,ts_ms,transaction.id,snapshot", "c"),
        "id=1 name=dd __deleted=false __op=c __table=t __source_ts_ms=5 __ts_ms=9 __transaction_id=null __snapshot=null"
    );
    assert_eq!(added("op:OP, source.ts_ms:when", "d"), "id=1 name=old __deleted=true __OP=d __when=5");
    assert_eq!(
        added("ts_us,op:,before.name", "u"),
        "id=1 name=dd __deleted=false __ts_us=99 __op=u __before_name=old"
    );
    assert_eq!(added("id,source", "c"), "id=1 name=dd __deleted=false __id=null __source=struct");
    for absent in ["nope", "source.nope", "transaction.nope", "foo.bar", "a.b.c", "name"] {
        assert_eq!(added(absent, "c"), "id=1 name=dd __deleted=false", "{absent}");
    }
    let prefix = [("add.fields", "op"), ("add.fields.prefix", "x_")];
    assert_eq!(shown(applied(CLASS, &prefix, event("c"))), "id=1 name=dd x_op=c");
    let twice = applied(CLASS, &[("add.fields", "op,op")], event("c")).expect_err("twice");
    assert_eq!(twice, "Cannot create field because of field name duplication __op");
}

#[test]
fn added_fields_are_optional_and_have_no_default() {
    let record = applied(CLASS, &[("add.fields", "snapshot,source")], event("c"))
        .expect("it applies")
        .expect("it stays");
    let schema = record.value.schema.as_ref().expect("a schema");
    let snapshot = &schema.field("__snapshot").expect("added").1.schema;
    assert_eq!(
        (snapshot.name(), snapshot.is_optional(), snapshot.default_value()),
        (Some("io.debezium.data.Enum"), true, None)
    );
    assert!(record.value.value.validate(schema).is_ok());
}

#[test]
fn headers_are_added() {
    let headers = |said: &[(&str, &str)], op| {
        let record = applied(CLASS, said, event(op)).expect("it applies").expect("it stays");
        record
            .headers
            .iter()
            .map(|header| (header.key.to_string(), header.value.value.clone()))
            .collect::<Vec<_>>()
    };
    let expected = [
        ("__op", "d".into()),
        ("__table", "t".into()),
        ("__source_ts_ms", 5_i64.into()),
        ("__transaction_id", Value::Null),
    ];
    let all = headers(&[("add.headers", "op,table,source.ts_ms,transaction.id,nope")], "d");
    assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!(
        headers(&[("add.headers", "op:OP"), ("add.headers.prefix", "")], "c"),
        [("OP".to_owned(), "c".into())]
    );
}

#[test]
fn a_field_of_the_row_routes() {
    let topic = |field: &'static str, mode, op| {
        let said = [("route.by.field", field), ("delete.tombstone.handling.mode", mode)];
        applied(CLASS, &said, event(op)).map(|record| record.expect("it stays").topic.to_string())
    };
    assert_eq!(topic("name", "rewrite", "c"), Ok("dd".to_owned()));
    assert_eq!(topic("name", "delete-to-tombstone", "c"), Ok("shop.db.t".to_owned()));
    for mode in ["rewrite", "tombstone", "delete-to-tombstone"] {
        assert_eq!(topic("name", mode, "d"), Ok("old".to_owned()), "{mode}");
    }
    assert_eq!(topic("nope", "rewrite", "c"), Err("nope is not a valid field name".to_owned()));
    assert_eq!(topic("id", "rewrite", "c"), Err("Field 'id' is not of type STRING".to_owned()));
}

#[test]
fn a_header_says_which_fields_are_dropped() {
    let headed = |field: &'static str| {
        let mut headers = Headers::new();
        let names = Schema::array(Schema::plain(SchemaType::String)).build();
        headers.add("drop", SchemaAndValue::new(names, Value::Array(vec![field.into()])));
        Record { headers, ..event("d") }
    };
    let said = |extra: &[(&'static str, &'static str)]| {
        let fixed = [("drop.fields.header.name", "drop"), ("delete.tombstone.handling.mode", "rewrite")];
        fixed.into_iter().chain(extra.iter().copied()).collect::<Vec<_>>()
    };
    let incompatible = ("drop.fields.keep.schema.compatible", "false");
    let from_key = ("drop.fields.from.key", "true");
    assert_eq!(shown(applied(CLASS, &said(&[]), headed("name"))), "id=1 __deleted=true");
    assert_eq!(shown(applied(CLASS, &said(&[from_key]), headed("id"))), "id=1 name=old __deleted=true");
    let record = applied(CLASS, &said(&[from_key, incompatible]), headed("id"))
        .expect("it applies")
        .expect("it stays");
    assert_eq!(record.key.value.as_struct().map(|key| key.values().len()), Some(0));
    assert_eq!(shown(Ok(Some(record))), "name=old __deleted=true");
    let mut text = event("c");
    text.headers.add_text("drop", "name");
    let error = applied(CLASS, &said(&[]), text).expect_err("not a list");
    assert_eq!(error, "header drop must be a list of fields to drop, but is STRING");
}

#[test]
fn nulls_stay_if_told_so() {
    assert_eq!(
        shown(applied(CLASS, &[("replace.null.with.default", "false")], event("c"))),
        "id=1 name=null"
    );
}

#[test]
fn what_is_no_change_event_goes_through() {
    let plain = Record { value: SchemaAndValue::of_text("x"), ..Record::default() };
    assert_eq!(applied(CLASS, &[], plain.clone()), Ok(Some(plain)));
    let schemaless = Record { value: SchemaAndValue::schemaless(Value::Map(vec![])), ..Record::default() };
    assert_eq!(applied(CLASS, &[], schemaless.clone()), Ok(Some(schemaless)));
}
