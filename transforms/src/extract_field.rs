//! ExtractField: puts one field in place of the whole key or value.
//!
//! Paths into nested fields (`field.syntax.version=V2`) are dotted; a name with dots stands in backticks.

use api::configs::{config, config_enum};
use api::{Error, Props, Record, Result, SchemaAndValue, SchemaRef, Transform, Value};

use crate::bad_config;
use crate::side::{Side, not_a_map, not_a_struct, sided_plugins};

sided_plugins!(
    ExtractField,
    ExtractFieldConfig,
    "ExtractField",
    "Extracts the given field from a Struct or Map; null goes through."
);

const PURPOSE: &str = "field extraction";

config_enum! {
    /// How a field is named.
    enum FieldSyntax {
        /// A name, dots and all.
        V1 = "V1",
        /// A path of names with dots between them.
        V2 = "V2",
    }
}

config! {
    /// Options of ExtractField.
    struct ExtractFieldConfig {
        /// Field name to extract.
        field: String = required("field");
        /// How the field is named: `V1` takes the name as it is, `V2` takes dots as steps into nested fields, and names in backticks as they are.
        field_syntax_version: FieldSyntax = default("field.syntax.version", FieldSyntax::V1).importance(High);
        /// Whether null in a field that has a default value is replaced by that value.
        replace_null_with_default: bool = default("replace.null.with.default", true);
    }
}

/// See the module.
#[derive(Debug)]
struct ExtractField {
    side: Side,
    config: ExtractFieldConfig,
    path: Vec<String>,
}

impl ExtractField {
    fn new(props: &Props, side: Side) -> Result<Self> {
        let config = ExtractFieldConfig::parse(props).map_err(bad_config)?;
        let path = match config.field_syntax_version {
            FieldSyntax::V1 => vec![config.field.clone()],
            FieldSyntax::V2 => steps(&config.field)?,
        };
        Ok(Self { side, config, path })
    }

    /// The field of a struct, and its schema.
    fn extract_from_struct(&self, datum: SchemaAndValue) -> Result<SchemaAndValue> {
        let mut found = datum;
        for step in &self.path {
            let unknown = || Error::bad_record(format!("Unknown field: {}", self.config.field));
            let schema = found.schema.as_ref().ok_or_else(unknown)?;
            let (place, field) = schema.field(step).ok_or_else(unknown)?;
            let field_schema = SchemaRef::clone(&field.schema);
            let value = match found.value {
                Value::Struct(row) => row.into_values().swap_remove(place),
                Value::Null => Value::Null,
                other => return Err(not_a_struct(PURPOSE, &other)),
            };
            let value =
                crate::schema::or_default(value, &field_schema, self.config.replace_null_with_default);
            found = SchemaAndValue::new(field_schema, value);
        }
        Ok(found)
    }

    fn extract_from_map(&self, value: Value) -> Result<Value> {
        let mut found = value;
        for step in &self.path {
            let Value::Map(entries) = found else { return Err(not_a_map(PURPOSE, &found)) };
            found = entries
                .into_iter()
                .find(|(key, _)| key.as_str() == Some(step))
                .map_or(Value::Null, |(_, value)| value);
            if found.is_null() {
                break;
            }
        }
        Ok(found)
    }
}

/// The names of a path: `a.b`, or `` a.`b.c` ``.
fn steps(path: &str) -> Result<Vec<String>> {
    let malformed = || {
        Error::bad_config(format!(
            "Invalid value {path} for configuration field: a name in backticks must end before a dot"
        ))
    };
    let (mut steps, mut rest) = (Vec::new(), path);
    loop {
        let (step, after) = match rest.strip_prefix('`') {
            Some(quoted) => {
                let (step, after) = quoted.split_once('`').ok_or_else(malformed)?;
                (
                    step,
                    if after.is_empty() {
                        None
                    } else {
                        Some(after.strip_prefix('.').ok_or_else(malformed)?)
                    },
                )
            }
            None => rest.split_once('.').map_or((rest, None), |(step, after)| (step, Some(after))),
        };
        steps.push(step.to_owned());
        match after {
            Some(after) => rest = after,
            None => return Ok(steps),
        }
    }
}

impl Transform for ExtractField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let datum = self.side.of_mut(&mut record);
        let taken = std::mem::take(datum);
        *datum = match (&taken.schema, &taken.value) {
            (None, Value::Null) => taken,
            (None, _) => SchemaAndValue::schemaless(self.extract_from_map(taken.value)?),
            (Some(_), Value::Struct(_) | Value::Null) => self.extract_from_struct(taken)?,
            (Some(_), other) => return Err(not_a_struct(PURPOSE, other)),
        };
        Ok(Some(record))
    }
}
