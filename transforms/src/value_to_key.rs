//! ValueToKey: makes a new key of some fields of the value.

use api::configs::config;
use api::{
    Error, Field, Plugin, PluginKind, Props, Record, Result, Schema, SchemaAndValue, SchemaRef, Struct,
    Transform, Value,
};

use crate::schema::{Derived, or_default};
use crate::side::{not_a_map, not_a_struct};
use crate::{VERSION, bad_config};

/// The transform.
pub(crate) static PLUGIN: Plugin = Plugin {
    class: "org.apache.kafka.connect.transforms.ValueToKey",
    aliases: &[],
    version: VERSION,
    documentation: "Replaces the record key with a new key formed from a subset of fields in the record value.",
    config: ValueToKeyConfig::definition,
    kind: PluginKind::Transform(|props| Ok(Box::new(ValueToKey::new(props)?))),
};

const PURPOSE: &str = "copying fields from value to key";

config! {
    /// Options of ValueToKey.
    struct ValueToKeyConfig {
        /// Field names on the record value to extract as the record key.
        fields: Vec<String> = required("fields").importance(High).check(non_empty());
        /// Whether null in a field that has a default value is replaced by that value.
        replace_null_with_default: bool = default("replace.null.with.default", true);
    }
}

/// The fields of the key, by their place in the value, and its schema.
#[derive(Debug)]
struct KeyPlan {
    places: Vec<usize>,
    schema: SchemaRef,
}

/// See the module.
#[derive(Debug)]
struct ValueToKey {
    config: ValueToKeyConfig,
    plans: Derived<KeyPlan>,
}

impl ValueToKey {
    fn new(props: &Props) -> Result<Self> {
        Ok(Self { config: ValueToKeyConfig::parse(props).map_err(bad_config)?, plans: Derived::new() })
    }

    fn key_of_struct(&mut self, row: &Struct) -> Result<SchemaAndValue> {
        let (schema, config) = (row.schema(), &self.config);
        let plan = self.plans.get_or_derive(schema, (), |()| {
            let (mut places, mut fields) = (Vec::new(), Vec::new());
            for name in &config.fields {
                let missing = || Error::bad_record(format!("Field does not exist: {name}"));
                let (place, field) = schema.field(name).ok_or_else(missing)?;
                places.push(place);
                fields.push(Field { name: field.name.clone(), schema: SchemaRef::clone(&field.schema) });
            }
            Ok(KeyPlan { places, schema: crate::schema::with_fields(&Schema::structure().build(), fields)? })
        })?;
        let value = |place: &usize| {
            let field = &schema.fields()[*place];
            or_default(row.values()[*place].clone(), &field.schema, config.replace_null_with_default)
        };
        Ok(SchemaAndValue::of_struct(Struct::of(
            SchemaRef::clone(&plan.schema),
            plan.places.iter().map(value).collect(),
        )?))
    }
}

impl Transform for ValueToKey {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        record.key = match (&record.value.schema, &record.value.value) {
            (Some(_), Value::Struct(row)) => self.key_of_struct(row)?,
            (Some(_), other) => return Err(not_a_struct(PURPOSE, other)),
            (None, value @ Value::Map(_)) => {
                let entry =
                    |name: &String| (Value::from(name.clone()), value.get(name).cloned().unwrap_or_default());
                SchemaAndValue::schemaless(Value::Map(self.config.fields.iter().map(entry).collect()))
            }
            (None, other) => return Err(not_a_map(PURPOSE, other)),
        };
        Ok(Some(record))
    }
}
