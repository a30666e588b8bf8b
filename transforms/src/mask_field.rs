//! MaskField: puts the empty value of its type, or a replacement, in place of what a field holds.
//!
//! The invariant: a field that is named and cannot be masked is an error; it never goes through unmasked.

use api::configs::config;
use api::{Error, Props, Record, Result, Schema, SchemaRef, Struct, Transform, Value, logical};

use crate::bad_config;
use crate::schema::{Derived, or_default};
use crate::side::{Side, java_class, not_a_map, not_a_struct, put, sided_plugins};

sided_plugins!(
    MaskField,
    MaskFieldConfig,
    "MaskField",
    "Masks fields with a value of their type that says nothing (0, empty text), or with a replacement."
);

const PURPOSE: &str = "mask fields";

config! {
    /// Options of MaskField.
    struct MaskFieldConfig {
        /// Names of fields to mask.
        fields: Vec<String> = required("fields").importance(High).check(non_empty());
        /// Custom value replacement, that will be applied to all `fields` values (numeric or non-empty string values only).
        replacement: Option<String> = optional("replacement").importance(Low).check(non_empty());
        /// Whether null in a field that has a default value is replaced by that value.
        replace_null_with_default: bool = default("replace.null.with.default", true);
    }
}

/// See the module.
#[derive(Debug)]
struct MaskField {
    side: Side,
    config: MaskFieldConfig,
    /// Which fields of a schema are masked, by their place.
    masked: Derived<Vec<bool>>,
}

impl MaskField {
    fn new(props: &Props, side: Side) -> Result<Self> {
        let config = MaskFieldConfig::parse(props).map_err(bad_config)?;
        Ok(Self { side, config, masked: Derived::new() })
    }

    fn mask_struct(&mut self, schema: &SchemaRef, row: Struct) -> Result<Struct> {
        let config = &self.config;
        let is_named = |field: &api::Field| config.fields.iter().any(|name| *name == *field.name);
        let masked =
            self.masked.get_or_derive(schema, (), |()| Ok(schema.fields().iter().map(is_named).collect()))?;
        let fields = schema.fields().iter().zip(row.into_values()).zip(masked);
        let values = fields.map(|((field, value), is_masked)| {
            let value = or_default(value, &field.schema, config.replace_null_with_default);
            if *is_masked {
                mask(&value, Some(&field.schema), config.replacement.as_deref())
            } else {
                Ok(value)
            }
        });
        Struct::of(SchemaRef::clone(schema), values.collect::<Result<_>>()?)
    }
}

impl Transform for MaskField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let datum = self.side.of_mut(&mut record);
        match (&datum.schema, std::mem::take(&mut datum.value)) {
            (Some(_), Value::Null) => {}
            (Some(schema), Value::Struct(row)) => {
                let schema = SchemaRef::clone(schema);
                datum.value = self.mask_struct(&schema, row)?.into();
            }
            (Some(_), other) => return Err(not_a_struct(PURPOSE, &other)),
            (None, Value::Map(mut entries)) => {
                for field in &self.config.fields {
                    let found =
                        entries.iter().find(|(name, _)| name.as_str() == Some(field)).map(|(_, value)| value);
                    let masked = found.map_or(Ok(Value::Null), |value| {
                        mask(value, None, self.config.replacement.as_deref())
                    })?;
                    put(&mut entries, field, masked);
                }
                datum.value = Value::Map(entries);
            }
            (None, other) => return Err(not_a_map(PURPOSE, &other)),
        }
        Ok(Some(record))
    }
}

fn mask(value: &Value, schema: Option<&Schema>, replacement: Option<&str>) -> Result<Value> {
    let name = schema.and_then(Schema::name);
    match (value, replacement) {
        (Value::Null, _) => Ok(Value::Null),
        (Value::Bytes(_), None) if name == Some(logical::DECIMAL) => Ok(vec![0_u8].into()),
        (Value::Bytes(_), Some(replacement)) if name == Some(logical::DECIMAL) => {
            decimal(schema, replacement)
        }
        (_, None) => empty(value),
        (_, Some(_)) if matches!(name, Some(logical::DATE | logical::TIME | logical::TIMESTAMP)) => {
            Err(unmaskable_with_replacement("java.util.Date"))
        }
        (_, Some(replacement)) => replaced(value, replacement),
    }
}

fn empty(value: &Value) -> Result<Value> {
    Ok(match value {
        Value::Boolean(_) => false.into(),
        Value::Int8(_) => 0_i8.into(),
        Value::Int16(_) => 0_i16.into(),
        Value::Int32(_) => 0.into(),
        Value::Int64(_) => 0_i64.into(),
        Value::Float32(_) => 0_f32.into(),
        Value::Float64(_) => 0_f64.into(),
        Value::String(_) => "".into(),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Map(_) => Value::Map(Vec::new()),
        Value::Null | Value::Bytes(_) | Value::Struct(_) => {
            return Err(Error::bad_record(format!("Cannot mask value of type: class {}", java_class(value))));
        }
    })
}

fn replaced(value: &Value, replacement: &str) -> Result<Value> {
    let number = |parsed: Option<Value>| parsed.ok_or_else(|| not_a_number(replacement));
    match value {
        Value::Int8(_) => number(replacement.parse::<i8>().ok().map(Value::from)),
        Value::Int16(_) => number(replacement.parse::<i16>().ok().map(Value::from)),
        Value::Int32(_) => number(replacement.parse::<i32>().ok().map(Value::from)),
        Value::Int64(_) => number(replacement.parse::<i64>().ok().map(Value::from)),
        Value::Float32(_) => number(replacement.parse::<f32>().ok().map(Value::from)),
        Value::Float64(_) => number(replacement.parse::<f64>().ok().map(Value::from)),
        Value::String(_) => Ok(replacement.to_owned().into()),
        other => Err(unmaskable_with_replacement(java_class(other))),
    }
}

/// The replacement as a Decimal of the field's scale.
fn decimal(schema: Option<&Schema>, replacement: &str) -> Result<Value> {
    let scale = schema
        .and_then(|schema| schema.parameter(logical::SCALE))
        .and_then(|scale| scale.parse::<u32>().ok());
    let (whole, fraction) = replacement.split_once('.').unwrap_or((replacement, ""));
    let unscaled = scale.and_then(|scale| {
        let missing = scale.checked_sub(u32::try_from(fraction.len()).ok()?)?;
        format!("{whole}{fraction}").parse::<i128>().ok()?.checked_mul(10_i128.checked_pow(missing)?)
    });
    let unscaled = unscaled.ok_or_else(|| not_a_number(replacement))?;
    Ok(unscaled.to_be_bytes().to_vec().into())
}

fn not_a_number(replacement: &str) -> Error {
    Error::bad_record(format!("Unable to convert {replacement} (class java.lang.String) to a number"))
}

fn unmaskable_with_replacement(class: &str) -> Error {
    Error::bad_record(format!("Cannot mask value of type class {class} with custom replacement."))
}
