//! TimestampConverter: one representation of a moment for another: text, a Unix time, or Connect's Date, Time and Timestamp.
//!
//! It works on one field, or on the whole key or value. Every conversion goes through milliseconds since 1970, so what a Unix time says
//! below them is lost, as in Connect. A Date, Time or Timestamp without a schema is the number that would stand for it in a schema.

use std::time::{SystemTime, UNIX_EPOCH};

use api::calendar::DAY_MS;
use api::configs::config;
use api::{
    Error, Field, Props, Record, Result, Schema, SchemaAndValue, SchemaRef, SchemaType, Struct, Transform,
    Value, logical,
};

use crate::bad_config;
use crate::schema::{Derived, basics_of_kind, or_default, require_values};
use crate::side::{Side, java_class, not_a_map, not_a_struct, put, sided_plugins};
use crate::simple_date_format::SimpleDateFormat;

sided_plugins!(
    TimestampConverter,
    TimestampConverterConfig,
    "TimestampConverter",
    "Converts timestamps between different formats such as Unix epoch, strings, and Connect's Date and Timestamp types."
);

const PURPOSE: &str = "converting timestamp formats";
const TARGETS: &[&str] = &["string", "unix", "Date", "Time", "Timestamp"];
const PRECISIONS: &[&str] = &["nanoseconds", "microseconds", "milliseconds", "seconds"];

config! {
    /// Options of TimestampConverter.
    struct TimestampConverterConfig {
        /// The field containing the timestamp, or empty if the entire value is a timestamp.
        field: String = default("field", "").importance(High);
        /// The desired timestamp representation: string, unix, Date, Time, or Timestamp.
        target_type: String = required("target.type").importance(High).check(one_of(TARGETS));
        /// A format as in Java's `SimpleDateFormat`, in UTC, of the letters y, M, d, H, h, m, s, S, a, E, z, Z, X and quoted text. Used to generate the output when the target is string, or to parse the input if the input is a string.
        format: String = default("format", "");
        /// The desired Unix precision for the timestamp: seconds, milliseconds, microseconds, or nanoseconds. Used to generate the output when the target is unix, or to parse the input if it is an INT64. What is below milliseconds is lost.
        unix_precision: String = default("unix.precision", "milliseconds").importance(Low).check(one_of(PRECISIONS));
        /// Whether null in a field that has a default value is replaced by that value.
        replace_null_with_default: bool = default("replace.null.with.default", true);
    }
}

/// How a moment is represented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Unix,
    Date,
    Time,
    Timestamp,
}

/// See the module.
#[derive(Debug)]
struct TimestampConverter {
    side: Side,
    field: String,
    replace_null_with_default: bool,
    conversion: Conversion,
    updated: Derived<SchemaRef>,
}

/// From any form to one.
#[derive(Debug)]
struct Conversion {
    target: Form,
    format: Option<SimpleDateFormat>,
    unix: UnixPrecision,
}

/// How many of a Unix time's units are a millisecond, or how many milliseconds a unit is.
#[derive(Clone, Copy, Debug)]
enum UnixPrecision {
    UnitsAMillisecond(i64),
    MillisecondsAUnit(i64),
}

impl TimestampConverter {
    fn new(props: &Props, side: Side) -> Result<Self> {
        let config = TimestampConverterConfig::parse(props).map_err(bad_config)?;
        let conversion = Conversion::new(&config)?;
        let replace_null_with_default = config.replace_null_with_default;
        Ok(Self { side, field: config.field, replace_null_with_default, conversion, updated: Derived::new() })
    }

    fn convert_whole(&mut self, datum: &SchemaAndValue) -> Result<SchemaAndValue> {
        let value = self.conversion.convert(datum.schema.as_deref(), &datum.value)?;
        let Some(schema) = &datum.schema else { return Ok(SchemaAndValue::schemaless(value)) };
        let target = self.conversion.target;
        let updated = self.updated.get_or_derive(schema, (), |()| Ok(target.schema(schema.is_optional())))?;
        Ok(SchemaAndValue::new(SchemaRef::clone(updated), value))
    }

    fn convert_struct(&mut self, schema: &SchemaRef, row: Value) -> Result<SchemaAndValue> {
        let (conversion, name, replaces) = (&self.conversion, &self.field, self.replace_null_with_default);
        let convert = |updated: &SchemaRef, row: Struct| {
            let fields = schema.fields().iter().zip(row.into_values());
            let values = fields.map(|(field, value)| {
                let value = or_default(value, &field.schema, replaces);
                if *name == *field.name { conversion.convert(Some(&field.schema), &value) } else { Ok(value) }
            });
            let values = values.collect::<Result<Vec<_>>>()?;
            require_values(updated, &values)?;
            Struct::of(SchemaRef::clone(updated), values)
        };
        let updated = self.updated.get_or_derive(schema, (), |()| {
            let builder = updated_struct(schema, name, conversion.target);
            match schema.default_value() {
                Some(Value::Struct(default)) => {
                    let default = convert(&builder.clone().build(), default.clone())?;
                    Ok(builder.default_value(default).build())
                }
                _ => Ok(builder.build()),
            }
        })?;
        let value = match row {
            Value::Null => Value::Null,
            Value::Struct(row) => convert(updated, row)?.into(),
            other => return Err(not_a_struct(PURPOSE, &other)),
        };
        Ok(SchemaAndValue::new(SchemaRef::clone(updated), value))
    }
}

fn updated_struct(schema: &Schema, name: &str, target: Form) -> api::SchemaBuilder {
    let builder = basics_of_kind(schema, SchemaType::Struct).with_optional(schema.is_optional());
    schema.fields().iter().fold(builder, |builder, Field { name: field, schema }| {
        let schema =
            if name == &**field { target.schema(schema.is_optional()) } else { SchemaRef::clone(schema) };
        builder.field(field.clone(), schema)
    })
}

impl Transform for TimestampConverter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let datum = self.side.of_mut(&mut record);
        if self.field.is_empty() {
            *datum = self.convert_whole(datum)?;
            return Ok(Some(record));
        }
        match (&datum.schema, std::mem::take(&mut datum.value)) {
            (Some(schema), row @ (Value::Null | Value::Struct(_))) => {
                let schema = SchemaRef::clone(schema);
                *datum = self.convert_struct(&schema, row)?;
            }
            (Some(_), other) => return Err(not_a_struct(PURPOSE, &other)),
            (None, Value::Null) => {}
            (None, Value::Map(mut entries)) => {
                let found = entries.iter().find(|(name, _)| name.as_str() == Some(&self.field));
                let value =
                    found.map_or(Ok(Value::Null), |(_, value)| self.conversion.convert(None, value))?;
                put(&mut entries, &self.field, value);
                datum.value = Value::Map(entries);
            }
            (None, other) => return Err(not_a_map(PURPOSE, &other)),
        }
        Ok(Some(record))
    }
}

impl Conversion {
    fn new(config: &TimestampConverterConfig) -> Result<Self> {
        let target = match config.target_type.as_str() {
            "string" => Form::Text,
            "unix" => Form::Unix,
            "Date" => Form::Date,
            "Time" => Form::Time,
            _ => Form::Timestamp,
        };
        let unix = match config.unix_precision.as_str() {
            "nanoseconds" => UnixPrecision::UnitsAMillisecond(1_000_000),
            "microseconds" => UnixPrecision::UnitsAMillisecond(1000),
            "seconds" => UnixPrecision::MillisecondsAUnit(1000),
            _ => UnixPrecision::UnitsAMillisecond(1),
        };
        let pattern = &config.format;
        if pattern.trim().is_empty() && target == Form::Text {
            return Err(Error::bad_config(
                "TimestampConverter requires format option to be specified when using string timestamps",
            ));
        }
        let format = (!pattern.trim().is_empty()).then(|| SimpleDateFormat::new(pattern, now()));
        let format = format.transpose().map_err(|reason| {
            Error::bad_config(format!(
                "TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: format={pattern}: {reason}"
            ))
        })?;
        Ok(Self { target, format, unix })
    }

    fn convert(&self, schema: Option<&Schema>, value: &Value) -> Result<Value> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let form = schema.map_or_else(|| inferred(value), Form::of)?;
        self.write(self.read(form, value)?)
    }

    /// Milliseconds since 1970.
    fn read(&self, form: Form, value: &Value) -> Result<i64> {
        match (form, value) {
            (Form::Text, Value::String(text)) => self.read_text(text),
            (Form::Unix, Value::Int64(time)) => Ok(match self.unix {
                UnixPrecision::UnitsAMillisecond(units) => time / units,
                UnixPrecision::MillisecondsAUnit(milliseconds) => time.saturating_mul(milliseconds),
            }),
            (Form::Date, Value::Int32(days)) => Ok(i64::from(*days) * DAY_MS),
            (Form::Time, Value::Int32(ms)) => Ok(i64::from(*ms)),
            (Form::Timestamp, Value::Int64(ms)) => Ok(*ms),
            (form, other) => Err(Error::bad_record(format!(
                "Expected {form:?} timestamp, but found class {}",
                java_class(other)
            ))),
        }
    }

    fn read_text(&self, text: &str) -> Result<i64> {
        let format = self.format.as_ref().ok_or_else(|| {
            Error::bad_record(format!(
                "Could not parse timestamp: value ({text}) is a string, and the option format does not say in which form"
            ))
        })?;
        format.parse(text).ok_or_else(|| {
            let pattern = format.pattern();
            Error::bad_record(format!(
                "Could not parse timestamp: value ({text}) does not match pattern ({pattern})"
            ))
        })
    }

    fn write(&self, ms: i64) -> Result<Value> {
        Ok(match (self.target, &self.format) {
            (Form::Text, format) => format.as_ref().map_or(Value::Null, |format| format.format(ms).into()),
            (Form::Unix, _) => Value::Int64(match self.unix {
                UnixPrecision::UnitsAMillisecond(units) => ms.saturating_mul(units),
                UnixPrecision::MillisecondsAUnit(milliseconds) => ms / milliseconds,
            }),
            (Form::Date, _) => Value::Int32(narrow("Date", ms, ms.div_euclid(DAY_MS))?),
            (Form::Time, _) => Value::Int32(narrow("Time", ms, ms.rem_euclid(DAY_MS))?),
            (Form::Timestamp, _) => Value::Int64(ms),
        })
    }
}

impl Form {
    /// The form that a schema says.
    fn of(schema: &Schema) -> Result<Self> {
        Ok(match (schema.name(), schema.kind()) {
            (Some(logical::TIMESTAMP), _) => Self::Timestamp,
            (Some(logical::DATE), _) => Self::Date,
            (Some(logical::TIME), _) => Self::Time,
            (_, SchemaType::String) => Self::Text,
            (_, SchemaType::Int64) => Self::Unix,
            (name, kind) => {
                let name = name.map_or_else(String::new, |name| format!("{name}:"));
                return Err(Error::bad_record(format!(
                    "Schema Schema{{{name}{}}} does not correspond to a known timestamp type format",
                    kind.name()
                )));
            }
        })
    }

    fn schema(self, optional: bool) -> SchemaRef {
        let logical = match self {
            Self::Text if optional => return Schema::plain_optional(SchemaType::String),
            Self::Text => return Schema::plain(SchemaType::String),
            Self::Unix if optional => return Schema::plain_optional(SchemaType::Int64),
            Self::Unix => return Schema::plain(SchemaType::Int64),
            Self::Date => logical::date(),
            Self::Time => logical::time(),
            Self::Timestamp => logical::timestamp(),
        };
        logical.with_optional(optional).build()
    }
}

/// The form of a value without a schema.
fn inferred(value: &Value) -> Result<Form> {
    match value {
        Value::Int64(_) => Ok(Form::Unix),
        Value::String(_) => Ok(Form::Text),
        other => Err(Error::bad_record(format!(
            "TimestampConverter does not support class {} objects as timestamps",
            java_class(other)
        ))),
    }
}

fn narrow(form: &str, ms: i64, number: i64) -> Result<i32> {
    i32::try_from(number).map_err(|cause| {
        Error::bad_record(format!("{ms} milliseconds since 1970 are beyond what a {form} holds"))
            .with_source(cause)
    })
}

/// Milliseconds since 1970; a clock before 1970 counts as 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
