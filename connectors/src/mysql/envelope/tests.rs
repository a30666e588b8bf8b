//! Records as Debezium writes them.

use std::sync::Arc;

use api::configs::Props;
use api::{FlatMap, SourceRecord, Value};

use super::*;
use crate::mysql::shape::{ColumnDefault, ColumnShape, SqlType, TableId};

fn config(extra: &[(&str, &str)]) -> (MySqlConfig, Filter) {
    let base = [
        ("database.hostname", "h"),
        ("database.user", "u"),
        ("database.server.id", "5"),
        ("topic.prefix", "p"),
    ];
    let said = base.iter().chain(extra);
    let props: Props = said.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    MySqlConfig::load(&props).unwrap()
}

fn shape() -> TableShape {
    let mut shape = TableShape::new(TableId::new("sho p", "orders"), "utf8mb4");
    shape.columns.push(ColumnShape { optional: false, ..ColumnShape::new("id", SqlType::Int) });
    shape.columns.push(ColumnShape::new("note", SqlType::VarChar));
    shape.primary_key = vec![0];
    shape
}

fn records(extra: &[(&str, &str)], act: impl FnOnce(&mut Changes<'_>)) -> Vec<SourceRecord> {
    let (config, filter) = config(extra);
    let said = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let events = Arc::new(Events::load(&said.collect()).unwrap());
    let envelopes = Envelopes::new(&config, &events, Flavour::MySql).in_context(0, "run");
    let table = envelopes.table(&shape(), &filter);
    let source = SourceBlock::new(envelopes.source_schema(), Flavour::MySql, &Origin::default());
    let mut out = Vec::new();
    let mut frames = Frames::new(Moment::now());
    let rows = RowSink { table: &table, source: &source, frames: &mut frames, out: &mut out };
    act(&mut Changes { rows, shared: &Arc::new(FlatMap::new()), events: 7, transaction: None });
    for record in &out {
        if let Some(schema) = &record.record.value.schema {
            assert!(record.record.value.value.as_struct().is_some_and(|value| value.schema() == schema));
        }
    }
    out
}

fn row(id: i32, note: &str) -> RowImage {
    vec![Value::Int32(id), Value::from(note)].into()
}

fn op(record: &SourceRecord) -> Option<&str> {
    record.record.value.value.as_struct()?.get("op")?.as_str()
}

fn row_counter(record: &SourceRecord) -> Option<i64> {
    record.source_offset.to_map().get("row")?.as_i64()
}

#[test]
fn names_are_sanitized_and_schemas_named_after_the_topic() {
    let out = records(&[], |sink| sink.create(row(1, "x"), 3).unwrap());
    let value = out[0].record.value.value.as_struct().unwrap();
    assert_eq!(&*out[0].record.topic, "p.sho_p.orders");
    assert_eq!(value.schema().name(), Some("p.sho_p.orders.Envelope"));
    assert_eq!(value.get("source").and_then(Value::as_struct).unwrap().get("row"), Some(&Value::Int32(3)));
    assert_eq!(out[0].record.key.schema.as_ref().unwrap().name(), Some("p.sho_p.orders.Key"));
}

#[test]
fn a_delete_is_not_done_before_its_tombstone() {
    let out = records(&[], |sink| sink.delete(row(1, "x"), 1).unwrap());
    assert_eq!(out.iter().map(op).collect::<Vec<_>>(), [Some("d"), None]);
    assert_eq!(out.iter().map(row_counter).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert!(out[1].record.is_tombstone() && out[1].record.key == out[0].record.key);
    let out = records(&[("tombstones.on.delete", "false")], |sink| sink.delete(row(1, "x"), 1).unwrap());
    assert_eq!(out.iter().map(row_counter).collect::<Vec<_>>(), [Some(2)]);
}

#[test]
fn an_update_of_the_key_is_a_delete_and_a_create_that_name_each_other() {
    let out = records(&[], |sink| sink.update(row(1, "x"), row(2, "x"), 1).unwrap());
    assert_eq!(out.iter().map(op).collect::<Vec<_>>(), [Some("d"), None, Some("c")]);
    assert_eq!(out.iter().map(row_counter).collect::<Vec<_>>(), [Some(1), Some(1), Some(2)]);
    assert_eq!(out[0].record.headers.last("__debezium.newkey").unwrap().value, out[2].record.key);
    assert_eq!(out[2].record.headers.last("__debezium.oldkey").unwrap().value, out[0].record.key);
    assert_eq!(
        out[1].record.headers.last("__debezium.newkey"),
        out[0].record.headers.last("__debezium.newkey")
    );
    let out = records(&[], |sink| sink.update(row(1, "x"), row(1, "y"), 0).unwrap());
    assert_eq!(out.iter().map(op).collect::<Vec<_>>(), [Some("u")]);
}

#[test]
fn excluded_columns_stay_out_of_rows_and_chosen_ones_make_the_key() {
    let extra = [("column.exclude.list", "sho p.orders.id"), ("message.key.columns", "sho p.(.*):note")];
    let out = records(&extra, |sink| sink.create(row(1, "x"), 0).unwrap());
    let value = out[0].record.value.value.as_struct().unwrap();
    assert_eq!(value.get("after").and_then(Value::as_struct).unwrap().values(), [Value::from("x")]);
    assert_eq!(out[0].record.key.value.as_struct().unwrap().values(), [Value::from("x")]);
}

#[test]
fn key_columns_are_checked() {
    for wrong in ["shop.t", "shop.(:id", "shop.t:id,,x"] {
        assert!(KeyColumns::parse(Some(wrong)).is_err(), "{wrong}");
    }
    assert!(KeyColumns::parse(Some("a.b:id; c.d:x,y")).is_ok());
}

#[test]
fn every_record_says_where_it_was_made_unless_that_is_not_wanted() {
    let out = records(&[], |sink| sink.update(row(1, "x"), row(2, "x"), 0).unwrap());
    let names = |record: &SourceRecord| {
        record
            .record
            .headers
            .iter()
            .map(|header| header.key.replace("__debezium.", ""))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let context = "context.connectorLogicalName context.taskId context.connectorName context.runId";
    assert_eq!(names(&out[0]), format!("newkey {context}"));
    assert_eq!(
        out[2].record.headers.last("__debezium.context.connectorName").unwrap().value.value.as_str(),
        Some("mysql")
    );
    let out = records(&[("extended.headers.enabled", "false")], |sink| sink.create(row(1, "x"), 0).unwrap());
    assert!(out[0].record.headers.is_empty());
}

#[test]
fn updates_that_change_nothing_captured_may_be_left_out() {
    let extra = [("skip.messages.without.change", "true"), ("column.exclude.list", "sho p.orders.note")];
    assert!(records(&extra, |sink| sink.update(row(1, "x"), row(1, "y"), 0).unwrap()).is_empty());
    assert_eq!(records(&extra, |sink| sink.update(row(1, "x"), row(2, "x"), 0).unwrap()).len(), 3);
}

#[test]
fn masks_act_on_rows_and_not_on_keys() {
    let extra =
        [("column.mask.with.3.chars", "sho p.orders.note"), ("message.key.columns", "sho p.orders:note")];
    let out = records(&extra, |sink| sink.create(row(1, "secret"), 0).unwrap());
    let value = out[0].record.value.value.as_struct().unwrap();
    let after = value.get("after").and_then(Value::as_struct).unwrap();
    assert_eq!(after.get("note"), Some(&Value::from("***")));
    assert_eq!(after.schema().field("note").unwrap().1.schema.parameter("masked"), Some("true"));
    assert_eq!(out[0].record.key.value.as_struct().unwrap().values(), [Value::from("secret")]);
}

fn lacking(row: RowImage, absent: &[usize]) -> RowImage {
    RowImage { absent: absent.to_vec(), ..row }
}

const HEADERS: (&str, &str) = ("unavailable.column.handling.mode", "header");

#[test]
fn in_the_rows_of_a_connector_with_headers_all_but_the_key_may_be_null_and_nothing_has_a_default() {
    let mut shape = shape();
    let count = ColumnShape { optional: false, ..ColumnShape::new("count", SqlType::Int) };
    shape.columns.push(ColumnShape { default: ColumnDefault::Literal("5".into()), ..count });
    let schema = |extra: &[(&str, &str)], index| {
        let (config, _) = config(extra);
        let said = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let events = Arc::new(Events::load(&said.collect()).unwrap());
        let schema = Envelopes::new(&config, &events, Flavour::MySql).column_schema(&shape, index);
        (schema.is_optional(), schema.default_value().cloned())
    };
    assert_eq!(
        [0, 1, 2].map(|index| schema(&[], index)),
        [(false, None), (true, None), (false, Some(Value::Int32(5)))]
    );
    assert_eq!([0, 1, 2].map(|index| schema(&[HEADERS], index)), [(false, None), (true, None), (true, None)]);
    let keyed = [HEADERS, ("message.key.columns", ".*:count")];
    assert_eq!([0, 2].map(|index| schema(&keyed, index)), [(true, None), (false, Some(Value::Int32(5)))]);
}

#[test]
fn headers_name_the_captured_fields_that_an_image_lacks() {
    let update = |extra: &[(&str, &str)]| {
        let extra = [&[HEADERS], extra].concat();
        let out = records(&extra, |sink| sink.update(lacking(row(1, "?"), &[1]), row(1, "x"), 0).unwrap());
        let headers = out[0].record.headers.clone();
        let value = |name| headers.last(name).map(|header| header.value.value.clone());
        (value("__debezium.unavailable.before"), value("__debezium.unavailable.after"))
    };
    assert_eq!(update(&[]), (Some(Value::Array(vec!["note".into()])), None));
    assert_eq!(update(&[("column.exclude.list", "sho p.orders.note")]), (None, None));
    let out = records(&[], |sink| sink.create(lacking(row(1, "?"), &[1]), 0).unwrap());
    assert!(out[0].record.headers.last("__debezium.unavailable.after").is_none());
}

#[test]
fn what_stands_for_an_unknown_value_is_not_masked() {
    let extra = [HEADERS, ("column.truncate.to.1.chars", "sho p.orders.note")];
    let out = records(&extra, |sink| {
        sink.update(lacking(row(1, "placeholder"), &[1]), row(1, "secret"), 0).unwrap()
    });
    let note = |image| {
        let value = out[0].record.value.value.as_struct().unwrap();
        value.get(image).and_then(Value::as_struct).unwrap().get("note").cloned().unwrap()
    };
    assert_eq!((note("before"), note("after")), (Value::from("placeholder"), Value::from("s")));
}

#[test]
fn what_is_not_known_is_no_proof_that_nothing_changed() {
    let extra = [HEADERS, ("skip.messages.without.change", "true"), ("column.include.list", ".*")];
    let null = || RowImage::from(vec![Value::Int32(1), Value::Null]);
    let count = |before: RowImage, after: RowImage| {
        records(&extra, |sink| sink.update(before, after, 0).unwrap()).len()
    };
    assert_eq!(count(null(), null()), 0);
    assert_eq!(count(lacking(null(), &[1]), null()), 1);
    // What neither has the update has not touched.
    assert_eq!(count(lacking(null(), &[1]), lacking(null(), &[1])), 0);
}

#[test]
fn an_image_without_the_key_is_an_error() {
    let lost = || lacking(row(1, "x"), &[0]);
    for act in [
        (|sink, lost| sink.create(lost, 0)) as fn(&mut Changes<'_>, RowImage) -> Result<()>,
        |sink, lost| sink.delete(lost, 0),
        |sink, lost| sink.update(lost, row(1, "y"), 0),
    ] {
        let out = records(&[HEADERS], |sink| {
            let error = act(sink, lost()).unwrap_err().to_string();
            assert!(error.contains("the key of sho p.orders needs column id"), "{error}");
        });
        assert!(out.is_empty());
    }
}
