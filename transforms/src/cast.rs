//! Cast: gives fields, or the whole key or value, another type.
//!
//! Numbers narrow in silence, as in Java; text that is no number of the type is an error. The invariant: a cast loses nothing but what the
//! type cannot hold. So days before 1970-01-02 become text with their date, where Connect writes the time of day alone.

use std::collections::BTreeMap;

use api::configs::check::custom;
use api::configs::{Check, Parsed, config};
use api::{
    Error, Field, Props, Record, Result, Schema, SchemaAndValue, SchemaBuilder, SchemaRef, SchemaType,
    Struct, Transform, Value, calendar, java_text, logical,
};

use crate::bad_config;
use crate::java_number::{Number, parse_float};
use crate::schema::{Derived, basics_of_kind, or_default, require_values};
use crate::side::{Side, java_class, not_a_map, not_a_struct, put, sided_plugins};

sided_plugins!(
    Cast,
    CastConfig,
    "Cast",
    "Casts fields, or the entire key or value, to a specific type: integers, floats, booleans and text to each other, bytes to text (base64)."
);

const PURPOSE: &str = "cast types";

config! {
    /// Options of Cast.
    struct CastConfig {
        /// List of fields and the type to cast them to, of the form `field1:type,field2:type`, to cast fields of maps or structs; a single type to cast the entire value. Valid types are int8, int16, int32, int64, float32, float64, boolean, and string. Binary fields can only be cast to string.
        spec: Vec<String> = required("spec").importance(High).check(SPEC);
        /// Whether null in a field that has a default value is replaced by that value.
        replace_null_with_default: bool = default("replace.null.with.default", true);
    }
}

const SPEC: Check = custom("list of colon-delimited pairs, e.g. foo:bar,abc:xyz", |said| match said {
    Parsed::List(said) => Casts::parse(said).map(|_| ()),
    _ => Ok(()),
});

/// What is cast to what.
#[derive(Debug)]
enum Casts {
    Whole(SchemaType),
    Fields(BTreeMap<String, SchemaType>),
}

impl Casts {
    fn parse(said: &[String]) -> std::result::Result<Self, String> {
        let mut fields = BTreeMap::new();
        for cast in said {
            match cast.split_once(':') {
                Some((_, rest)) if rest.contains(':') => {
                    return Err(format!("Invalid rename mapping: {cast}"));
                }
                Some((field, kind)) => drop(fields.insert(field.trim().to_owned(), target(kind)?)),
                None if said.len() > 1 => {
                    return Err("Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec".to_owned());
                }
                None => return Ok(Self::Whole(target(cast)?)),
            }
        }
        if fields.is_empty() {
            return Err("Must specify at least one field to cast.".to_owned());
        }
        Ok(Self::Fields(fields))
    }
}

/// The types in Connect's order: casts take all of these, and give all but the last.
const TYPES: [SchemaType; 9] = [
    SchemaType::Int8,
    SchemaType::Int16,
    SchemaType::Int32,
    SchemaType::Int64,
    SchemaType::Float32,
    SchemaType::Float64,
    SchemaType::Boolean,
    SchemaType::String,
    SchemaType::Bytes,
];

fn listed(types: &[SchemaType]) -> String {
    let names: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
    format!("[{}]", names.join(", "))
}

fn target(said: &str) -> std::result::Result<SchemaType, String> {
    let (said, targets) = (said.trim(), &TYPES[..8]);
    if let Some(kind) = targets.iter().find(|kind| kind.name().eq_ignore_ascii_case(said)) {
        return Ok(*kind);
    }
    let upper = said.to_ascii_uppercase();
    if matches!(upper.as_str(), "BYTES" | "ARRAY" | "MAP" | "STRUCT") {
        let listed = listed(targets);
        return Err(format!(
            "Cast transformation does not support casting to {upper}; supported types are {listed}"
        ));
    }
    Err(format!("Invalid type found in casting spec: {said}"))
}

/// See the module.
#[derive(Debug)]
struct Cast {
    side: Side,
    casts: Casts,
    replace_null_with_default: bool,
    updated: Derived<SchemaRef>,
}

impl Cast {
    fn new(props: &Props, side: Side) -> Result<Self> {
        let config = CastConfig::parse(props).map_err(bad_config)?;
        let casts = Casts::parse(&config.spec).map_err(Error::bad_config)?;
        let replace_null_with_default = config.replace_null_with_default;
        Ok(Self { side, casts, replace_null_with_default, updated: Derived::new() })
    }

    fn cast_struct(&mut self, schema: &SchemaRef, row: Struct) -> Result<Struct> {
        let Casts::Fields(casts) = &self.casts else {
            return Struct::of(SchemaRef::clone(schema), row.into_values());
        };
        let updated = self.updated.get_or_derive(schema, (), |()| updated_struct(schema, casts))?;
        let fields = schema.fields().iter().zip(row.into_values());
        let values = fields.map(|(field, value)| {
            let value = or_default(value, &field.schema, self.replace_null_with_default);
            match casts.get(&*field.name) {
                Some(kind) => cast(Some(&field.schema), &value, *kind),
                None => Ok(value),
            }
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        require_values(updated, &values)?;
        Struct::of(SchemaRef::clone(updated), values)
    }

    fn cast_whole(&mut self, datum: &SchemaAndValue, kind: SchemaType) -> Result<SchemaAndValue> {
        let value = cast(datum.schema.as_deref(), &datum.value, kind)?;
        let Some(schema) = &datum.schema else { return Ok(SchemaAndValue::schemaless(value)) };
        let updated = self.updated.get_or_derive(schema, (), |()| {
            Ok(like(schema, basics_of_kind(schema, kind), |default| cast(Some(schema), default, kind))?
                .build())
        })?;
        Ok(SchemaAndValue::new(SchemaRef::clone(updated), value))
    }
}

impl Transform for Cast {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let datum = self.side.of_mut(&mut record);
        if datum.value.is_null() {
            return Ok(Some(record));
        }
        if let Casts::Whole(kind) = self.casts {
            *datum = self.cast_whole(datum, kind)?;
            return Ok(Some(record));
        }
        match (&datum.schema, std::mem::take(&mut datum.value)) {
            (Some(schema), Value::Struct(row)) => {
                let schema = SchemaRef::clone(schema);
                *datum = SchemaAndValue::of_struct(self.cast_struct(&schema, row)?);
            }
            (Some(_), other) => return Err(not_a_struct(PURPOSE, &other)),
            (None, Value::Map(entries)) => datum.value = Value::Map(cast_map(&self.casts, entries)?),
            (None, other) => return Err(not_a_map(PURPOSE, &other)),
        }
        Ok(Some(record))
    }
}

/// A field that is not there comes to be, and is null.
fn cast_map(casts: &Casts, mut entries: Vec<(Value, Value)>) -> Result<Vec<(Value, Value)>> {
    let Casts::Fields(casts) = casts else { return Ok(entries) };
    for (field, kind) in casts {
        let found = entries.iter().find(|(name, _)| name.as_str() == Some(field));
        let value = found.map_or(Ok(Value::Null), |(_, value)| cast(None, value, *kind))?;
        put(&mut entries, field, value);
    }
    Ok(entries)
}

/// The schema of a struct with its cast fields: each optional and with the default that it had, but without its name and documentation.
fn updated_struct(schema: &SchemaRef, casts: &BTreeMap<String, SchemaType>) -> Result<SchemaRef> {
    let mut builder = basics_of_kind(schema, SchemaType::Struct);
    for Field { name, schema } in schema.fields() {
        let schema = match casts.get(&**name) {
            Some(kind) => {
                like(schema, Schema::builder(*kind), |default| cast(Some(schema), default, *kind))?.build()
            }
            None => SchemaRef::clone(schema),
        };
        builder = builder.field(name.clone(), schema);
    }
    // Connect casts a struct's default to a struct, which no cast can do.
    Ok(like(schema, builder, |default| cast(Some(schema), default, SchemaType::Struct))?.build())
}

/// A builder that is optional and has a default if the schema is and has.
fn like(
    schema: &Schema,
    builder: SchemaBuilder,
    cast: impl Fn(&Value) -> Result<Value>,
) -> Result<SchemaBuilder> {
    let builder = builder.with_optional(schema.is_optional());
    Ok(match schema.default_value() {
        Some(default) => builder.default_value(cast(default)?),
        None => builder,
    })
}

/// One value as one of another type.
fn cast(schema: Option<&Schema>, value: &Value, target: SchemaType) -> Result<Value> {
    let Some(kind) = schema.map_or_else(|| value.kind(), |schema| Some(schema.kind())) else {
        return Ok(Value::Null);
    };
    if value.is_null() {
        return Ok(Value::Null);
    }
    if !TYPES.contains(&kind) {
        return Err(Error::bad_record(format!(
            "Cast transformation does not support casting from {}; supported types are {}",
            kind.name(),
            listed(&TYPES)
        )));
    }
    if target == SchemaType::String {
        return Ok(text(schema, value));
    }
    if let Value::String(text) = value {
        return parsed(text, target).ok_or_else(|| {
            Error::bad_record(format!("Value ({text}) was out of range for requested data type"))
        });
    }
    let number = Number::of(value, schema).and_then(|number| number.cast(target));
    number.ok_or_else(|| {
        Error::bad_record(format!("Unexpected type in Cast transformation: class {}", java_class(value)))
    })
}

fn parsed(text: &str, target: SchemaType) -> Option<Value> {
    Some(match target {
        SchemaType::Int8 => Value::Int8(text.parse().ok()?),
        SchemaType::Int16 => Value::Int16(text.parse().ok()?),
        SchemaType::Int32 => Value::Int32(text.parse().ok()?),
        SchemaType::Int64 => Value::Int64(text.parse().ok()?),
        SchemaType::Float32 => Value::Float32(parse_float(text)?),
        SchemaType::Float64 => Value::Float64(parse_float(text)?),
        SchemaType::Boolean => Value::Boolean(text.eq_ignore_ascii_case("true")),
        _ => return None,
    })
}

/// Dates and times as in ISO 8601, a timestamp at midnight without the time of day; everything else as Java's `toString`.
fn text(schema: Option<&Schema>, value: &Value) -> Value {
    let written = match (schema.and_then(Schema::name), value) {
        (_, Value::String(_)) => return value.clone(),
        (Some(logical::DATE), Value::Int32(days)) => calendar::date(i64::from(*days)),
        (Some(logical::TIME), Value::Int32(ms)) => {
            calendar::time(i64::from(*ms).rem_euclid(calendar::DAY_MS))
        }
        (Some(logical::TIMESTAMP), Value::Int64(ms)) if ms % calendar::DAY_MS == 0 && *ms > 0 => {
            calendar::date(ms / calendar::DAY_MS)
        }
        (Some(logical::TIMESTAMP), Value::Int64(ms)) => calendar::timestamp(*ms),
        _ => {
            let mut written = String::new();
            java_text::append(schema, value, &mut written);
            written
        }
    };
    written.into()
}

#[cfg(test)]
mod tests;
