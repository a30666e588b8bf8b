//! Does a value fit its schema? Connect's `ConnectSchema.validateValue`, with the path in the message.
//!
//! Called where data enters from a third party (a converter, a transform, a test), not on the hot path of connectors
//! that build from the schema. Invariant: `Ok` means that every converter can encode the value.

use crate::error::{Error, Result};
use crate::schema::{Schema, SchemaType};
use crate::value::Value;

pub(crate) fn validate(value: &Value, schema: &Schema) -> Result<()> {
    check(value, schema, &mut Vec::new())
}

fn check<'a>(value: &'a Value, schema: &'a Schema, path: &mut Vec<&'a str>) -> Result<()> {
    match (value, schema.kind()) {
        (Value::Null, _) if schema.is_optional() || schema.default_value().is_some() => Ok(()),
        (Value::Array(items), SchemaType::Array) => {
            check_all(items, schema.value_schema().map(|s| &**s), path)
        }
        (Value::Map(entries), SchemaType::Map) => entries.iter().try_for_each(|(key, item)| {
            check_item(key, schema.key_schema().map(|s| &**s), path)?;
            check_item(item, schema.value_schema().map(|s| &**s), path)
        }),
        (Value::Struct(value), SchemaType::Struct) => {
            for (field, item) in value.schema().fields().iter().zip(value.values()) {
                path.push(&field.name);
                check(item, &field.schema, path)?;
                path.pop();
            }
            Ok(())
        }
        (value, kind) if value.kind() == Some(kind) => Ok(()),
        (value, kind) => Err(mismatch(value, schema, kind, path)),
    }
}

fn check_all<'a>(items: &'a [Value], schema: Option<&'a Schema>, path: &mut Vec<&'a str>) -> Result<()> {
    items.iter().try_for_each(|item| check_item(item, schema, path))
}

fn check_item<'a>(item: &'a Value, schema: Option<&'a Schema>, path: &mut Vec<&'a str>) -> Result<()> {
    schema.map_or(Ok(()), |schema| check(item, schema, path))
}

fn mismatch(value: &Value, schema: &Schema, kind: SchemaType, path: &[&str]) -> Error {
    let place =
        if path.is_empty() { "the value".to_owned() } else { format!("field \"{}\"", path.join(".")) };
    let name = schema.name().map(|name| format!(" ({name})")).unwrap_or_default();
    if value.is_null() {
        return Error::bad_record(format!(
            "null found for {place}, which is required and has no default: {}{name}",
            kind.name()
        ));
    }
    Error::bad_record(format!("{place} expects {}{name} but found {}", kind.name(), value.kind_name()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::schema::{Schema, SchemaType};
    use crate::value::{Struct, Value};

    #[test]
    fn the_message_names_the_path_the_expected_and_the_found() {
        let inner = Schema::structure().field("id", Schema::plain(SchemaType::Int64)).build();
        let outer = Schema::structure().field("after", Arc::clone(&inner)).build();
        let row = Struct::of(inner, vec![Value::from("seven")]).unwrap();
        let value = Value::Struct(Struct::of(Arc::clone(&outer), vec![row.into()]).unwrap());
        let error = value.validate(&outer).unwrap_err().to_string();
        assert!(error.contains("after.id") && error.contains("INT64") && error.contains("STRING"), "{error}");
    }

    #[test]
    fn null_fits_only_optional_and_defaulted_schemas() {
        assert!(Value::Null.validate(&Schema::plain_optional(SchemaType::Int8)).is_ok());
        assert!(Value::Null.validate(&Schema::builder(SchemaType::Int8).default_value(1_i8).build()).is_ok());
        assert!(Value::Null.validate(&Schema::plain(SchemaType::Int8)).is_err());
    }
}
