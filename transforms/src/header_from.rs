//! HeaderFrom: copies or moves fields into headers.

use api::configs::{config, config_enum};
use api::{Error, Props, Record, Result, SchemaAndValue, SchemaRef, Struct, Transform, Value};

use crate::bad_config;
use crate::schema::{Derived, or_default, with_fields};
use crate::side::{Side, not_a_map, not_a_struct, sided_plugins};

sided_plugins!(
    HeaderFrom,
    HeaderFromConfig,
    "HeaderFrom",
    "Moves or copies fields of a record into that record's headers."
);

config_enum! {
    /// What becomes of the fields.
    enum Operation {
        /// They are taken out.
        Move = "move",
        /// They stay.
        Copy = "copy",
    }
}

config! {
    /// Options of HeaderFrom.
    struct HeaderFromConfig {
        /// Field names in the record whose values are to be copied or moved to headers.
        fields: Vec<String> = required("fields").importance(High).check(non_empty());
        /// Header names, in the same order as the field names listed in the `fields` configuration property.
        headers: Vec<String> = required("headers").importance(High).check(non_empty());
        /// Either `move` if the fields are to be moved to the headers (removed from the key or value), or `copy` if they are to stay.
        operation: Operation = required("operation").importance(High);
        /// Whether null in a field that has a default value is replaced by that value.
        replace_null_with_default: bool = default("replace.null.with.default", true);
    }
}

/// The fields that become headers, by their place, and the schema of what is left.
#[derive(Debug)]
struct Split {
    headers: Vec<usize>,
    kept: Vec<usize>,
    schema: SchemaRef,
}

/// See the module.
#[derive(Debug)]
struct HeaderFrom {
    side: Side,
    config: HeaderFromConfig,
    splits: Derived<Split>,
}

impl HeaderFrom {
    fn new(props: &Props, side: Side) -> Result<Self> {
        let config = HeaderFromConfig::parse(props).map_err(bad_config)?;
        if config.fields.len() != config.headers.len() {
            return Err(Error::bad_config(
                "'fields' config must have the same number of elements as 'headers' config.",
            ));
        }
        Ok(Self { side, config, splits: Derived::new() })
    }

    fn purpose(&self) -> String {
        format!("header {}", self.config.operation)
    }

    /// The values of the headers, and what is left.
    fn split_struct(
        &mut self,
        schema: &SchemaRef,
        row: Struct,
    ) -> Result<(Vec<SchemaAndValue>, SchemaAndValue)> {
        let config = &self.config;
        let split = self.splits.get_or_derive(schema, (), |()| {
            let place = |name: &String| schema.field(name).map(|(place, _)| place);
            let missing = |name: &String| Error::bad_record(format!("Unknown field: {name}"));
            let headers = config
                .fields
                .iter()
                .map(|name| place(name).ok_or_else(|| missing(name)))
                .collect::<Result<Vec<_>>>()?;
            let kept: Vec<usize> =
                (0..schema.fields().len()).filter(|place| !headers.contains(place)).collect();
            let fields = kept.iter().map(|place| schema.fields()[*place].clone());
            Ok(Split { schema: with_fields(schema, fields)?, headers, kept })
        })?;
        let value = |place: &usize| {
            let field = &schema.fields()[*place];
            or_default(row.values()[*place].clone(), &field.schema, config.replace_null_with_default)
        };
        let header = |place: &usize| {
            SchemaAndValue::new(SchemaRef::clone(&schema.fields()[*place].schema), value(place))
        };
        let headers = split.headers.iter().map(header).collect();
        let rest = match config.operation {
            Operation::Move => {
                Struct::of(SchemaRef::clone(&split.schema), split.kept.iter().map(value).collect())?
            }
            Operation::Copy => row,
        };
        Ok((headers, SchemaAndValue::of_struct(rest)))
    }

    fn split_map(&self, mut entries: Vec<(Value, Value)>) -> (Vec<SchemaAndValue>, SchemaAndValue) {
        let is_named = |key: &Value, name: &String| key.as_str() == Some(name);
        let value = |name: &String| {
            entries.iter().find(|(key, _)| is_named(key, name)).map(|(_, value)| value.clone())
        };
        let headers = self
            .config
            .fields
            .iter()
            .map(|name| SchemaAndValue::schemaless(value(name).unwrap_or_default()))
            .collect();
        if self.config.operation == Operation::Move {
            entries.retain(|(key, _)| !self.config.fields.iter().any(|name| is_named(key, name)));
        }
        (headers, SchemaAndValue::schemaless(Value::Map(entries)))
    }
}

impl Transform for HeaderFrom {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let datum = std::mem::take(self.side.of_mut(&mut record));
        let (headers, rest) = match (datum.schema, datum.value) {
            (Some(schema), Value::Struct(row)) => self.split_struct(&schema, row)?,
            (Some(_), other) => return Err(not_a_struct(&self.purpose(), &other)),
            (None, Value::Map(entries)) => self.split_map(entries),
            (None, other) => return Err(not_a_map(&self.purpose(), &other)),
        };
        *self.side.of_mut(&mut record) = rest;
        for (name, value) in self.config.headers.iter().zip(headers) {
            record.headers.add(name.clone(), value);
        }
        Ok(Some(record))
    }
}
