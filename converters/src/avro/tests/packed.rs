//! Structs that are not made: shown one field after the other, or with the fields that they share. All that other tests write is
//! written in these forms too ([`super::written`]), and must come to the same bytes; here is what only they can do wrong.

use std::sync::Arc;

use api::{
    PackedStructs, Result, Schema, SchemaType, SharedFields, ShowFields, Struct, StructRef, VARYING_MAX,
    Value, ValueRef,
};

use super::*;

/// How the structs of a value lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// One field after the other.
    Each,
    /// All shared but the first few fields, which are shown.
    SharingFirst,
    /// All shared but the last few fields, which are shown.
    SharingLast,
    /// All shared but the first few fields, with values.
    Made,
}

pub(super) const FORMS: [Form; 4] = [Form::Each, Form::SharingFirst, Form::SharingLast, Form::Made];

/// The same value with its structs in another form.
pub(super) fn packed(value: &Value, form: Form) -> Value {
    match value {
        Value::Array(values) => Value::Array(values.iter().map(|value| packed(value, form)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (packed(key, form), packed(value, form))).collect())
        }
        Value::Struct(row) => Value::Struct(packed_struct(row, form)),
        other => other.clone(),
    }
}

fn packed_struct(row: &Struct, form: Form) -> Struct {
    let values: Vec<_> = row.values().iter().map(|value| packed(value, form)).collect();
    let count = values.len();
    let first = if form == Form::SharingLast { count.saturating_sub(VARYING_MAX) } else { 0 };
    let varying: Vec<_> = (first..count.min(first + VARYING_MAX)).collect();
    let mut shared = values.clone();
    let mut own = [Value::Null, Value::Null, Value::Null];
    for (slot, place) in varying.iter().enumerate() {
        // Whoever looks at what is not shared shall notice.
        own[slot] = std::mem::replace(&mut shared[*place], Value::Boolean(true));
    }
    let shared = SharedFields::new(SchemaRef::clone(row.schema()), shared, &varying).unwrap();
    if form == Form::Made {
        return Struct::sharing(&shared, own);
    }
    let row = Struct::of(SchemaRef::clone(row.schema()), values).unwrap();
    Struct::of_packed(Arc::new(Packed { row, shared, form }), 7)
}

/// A struct that is shown.
#[derive(Debug)]
struct Packed {
    row: Struct,
    shared: Arc<SharedFields>,
    form: Form,
}

impl PackedStructs for Packed {
    fn schema(&self) -> &SchemaRef {
        self.row.schema()
    }

    fn unpacked(&self, _number: usize) -> &Struct {
        &self.row
    }

    fn show(&self, number: usize, viewer: &mut dyn FnMut(StructRef<'_>)) {
        assert_eq!(number, 7);
        if self.form == Form::Each {
            return viewer(StructRef::Each(&Shown(&self.row)));
        }
        let values = self.row.values();
        let rows: Vec<_> =
            self.shared.varying().iter().filter_map(|place| values.get(*place)).map(shown).collect();
        let own: Vec<_> = rows.iter().map(|(value, row)| borrowed(value, row.as_ref())).collect();
        viewer(StructRef::Sharing(&self.shared, &own));
    }
}

/// A struct whose structs are shown, too.
#[derive(Debug)]
struct Shown<'a>(&'a Struct);

impl ShowFields for Shown<'_> {
    fn schema(&self) -> &SchemaRef {
        self.0.schema()
    }

    fn show_each(&self, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()> {
        for value in self.0.values() {
            let (value, row) = shown(value);
            taker(borrowed(value, row.as_ref()));
        }
        Ok(())
    }
}

fn shown(value: &Value) -> (&Value, Option<Shown<'_>>) {
    match value {
        Value::Struct(row) => (value, Some(Shown(row))),
        _ => (value, None),
    }
}

fn borrowed<'a>(value: &'a Value, row: Option<&'a Shown<'a>>) -> ValueRef<'a> {
    row.map_or_else(|| value.borrowed(), |row| ValueRef::Struct(StructRef::Each(row)))
}

fn row() -> Value {
    let schema = Schema::structure()
        .name("a.R")
        .field("id", Schema::plain(SchemaType::Int32))
        .field("name", Schema::plain_optional(SchemaType::String))
        .field("at", Schema::plain(SchemaType::Int64))
        .field("kind", Schema::plain(SchemaType::String))
        .build();
    let values = vec![Value::Int32(7), Value::from("x"), Value::Int64(-9), Value::from("k")];
    Value::Struct(Struct::of(schema, values).unwrap())
}

fn schema_of(row: &Value) -> SchemaRef {
    match row {
        Value::Struct(row) => SchemaRef::clone(row.schema()),
        other => panic!("{}", other.kind_name()),
    }
}

#[test]
fn in_whatever_order_the_registry_has_the_fields_the_bytes_are_the_same() {
    let field = |name: &str| match name {
        "id" => r#"{"name":"id","type":"int"}"#,
        "name" => r#"{"name":"name","type":["null","string"]}"#,
        "at" => r#"{"name":"at","type":"long"}"#,
        "kind" => r#"{"name":"kind","type":"string"}"#,
        _ => r#"{"name":"theirs","type":"string","default":"z"}"#,
    };
    for order in [
        ["theirs", "id", "name", "at", "kind"],
        ["id", "name", "theirs", "at", "kind"],
        ["id", "name", "at", "kind", "theirs"],
        ["theirs", "kind", "at", "name", "id"],
        ["at", "theirs", "id", "kind", "name"],
    ] {
        let text = format!(r#"{{"type":"record","name":"a.R","fields":[{}]}}"#, order.map(field).join(","));
        let (row, options) = (row(), DataOptions::default());
        let avro = parse::parse(&text, &[]).unwrap();
        let mut encoder = encoder::compile(Some(&schema_of(&row)), &avro, options).unwrap();
        let mut expected = Vec::new();
        encoder.write(&row, &mut expected).unwrap();
        let back = to_json(&read(&text, expected.clone(), options).unwrap());
        let all = serde_json::json!({"id": 7, "name": "x", "at": -9, "kind": "k", "theirs": "z"});
        assert_eq!(back["payload"], all);
        for form in FORMS {
            let mut out = Vec::new();
            encoder.write(&packed(&row, form), &mut out).unwrap();
            assert_eq!(out, expected, "{order:?} {form:?}");
        }
    }
}

#[test]
fn a_value_that_cannot_be_written_is_named_however_it_lies() {
    for name in ["id", "at", "kind"] {
        let Value::Struct(row) = row() else { panic!("it is a struct") };
        let wrong = Value::Struct(row.with(name, Value::Boolean(true)).unwrap());
        let schema = schema_of(&wrong);
        for form in FORMS {
            let avro = from_connect::avro_of(&schema, DataOptions::default()).unwrap();
            let mut encoder = encoder::compile(Some(&schema), &avro, DataOptions::default()).unwrap();
            for _ in 0..2 {
                let failed = encoder.write(&packed(&wrong, form), &mut Vec::new()).unwrap_err();
                let error = failed.into_error().to_string();
                let field = format!("(field \"{name}\")");
                assert!(error.contains("BOOLEAN") && error.contains(&field), "{form:?}: {error}");
            }
        }
    }
}

/// Shows fewer values than it has fields, or more.
#[derive(Debug)]
struct Lying(SchemaRef, usize);

impl PackedStructs for Lying {
    fn schema(&self) -> &SchemaRef {
        &self.0
    }

    fn unpacked(&self, _number: usize) -> &Struct {
        panic!("it is only shown")
    }

    fn show(&self, _number: usize, viewer: &mut dyn FnMut(StructRef<'_>)) {
        viewer(StructRef::Each(self));
    }
}

impl ShowFields for Lying {
    fn schema(&self) -> &SchemaRef {
        &self.0
    }

    fn show_each(&self, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()> {
        [ValueRef::Int32(7), ValueRef::Null, ValueRef::Int64(1), ValueRef::String("k"), ValueRef::Null]
            .into_iter()
            .take(self.1)
            .for_each(taker);
        Ok(())
    }
}

#[test]
fn a_struct_that_does_not_show_its_fields_is_an_error_and_not_a_datum() {
    let schema = schema_of(&row());
    let backwards = r#"{"type":"record","name":"a.R","fields":[{"name":"kind","type":"string"},{"name":"at","type":"long"},
        {"name":"name","type":["null","string"]},{"name":"id","type":"int"}]}"#;
    for avro in [
        from_connect::avro_of(&schema, DataOptions::default()).unwrap(),
        parse::parse(backwards, &[]).unwrap(),
    ] {
        let mut encoder = encoder::compile(Some(&schema), &avro, DataOptions::default()).unwrap();
        for (count, is_good) in [(0, false), (3, false), (4, true), (5, false)] {
            let row = Struct::of_packed(Arc::new(Lying(SchemaRef::clone(&schema), count)), 0);
            assert_eq!(encoder.write(&Value::Struct(row), &mut Vec::new()).is_ok(), is_good, "{count}");
        }
    }
}
