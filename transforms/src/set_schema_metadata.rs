//! SetSchemaMetadata: gives the schema of a key or value another name or version.

use api::configs::config;
use api::{Error, Props, Record, Result, SchemaAndValue, SchemaRef, Struct, Transform, Value};

use crate::bad_config;
use crate::schema::{Derived, or_default};
use crate::side::{Side, sided_plugins};

sided_plugins!(
    SetSchemaMetadata,
    SetSchemaMetadataConfig,
    "SetSchemaMetadata",
    "Sets the schema name, version or both on the record's schema."
);

config! {
    /// Options of SetSchemaMetadata.
    struct SetSchemaMetadataConfig {
        /// Schema name to set.
        name: Option<String> = optional("schema.name").importance(High);
        /// Schema version to set.
        version: Option<i32> = optional("schema.version").importance(High);
        /// Whether null in a field that has a default value is replaced by that value.
        replace_null_with_default: bool = default("replace.null.with.default", true);
    }
}

/// See the module.
#[derive(Debug)]
struct SetSchemaMetadata {
    side: Side,
    config: SetSchemaMetadataConfig,
    updated: Derived<SchemaRef>,
}

impl SetSchemaMetadata {
    fn new(props: &Props, side: Side) -> Result<Self> {
        let config = SetSchemaMetadataConfig::parse(props).map_err(bad_config)?;
        if config.name.is_none() && config.version.is_none() {
            return Err(Error::bad_config("Neither schema name nor version configured"));
        }
        Ok(Self { side, config, updated: Derived::new() })
    }
}

impl Transform for SetSchemaMetadata {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let datum = self.side.of_mut(&mut record);
        let config = &self.config;
        let schema = match &datum.schema {
            Some(schema) => SchemaRef::clone(schema),
            None if datum.value.is_null() => return Ok(Some(record)),
            None => return Err(Error::bad_record("Schema required for [updating schema metadata]")),
        };
        let updated = self.updated.get_or_derive(&schema, (), |()| {
            let named =
                config.name.iter().fold(schema.to_builder(), |builder, name| builder.name(name.clone()));
            Ok(config.version.iter().fold(named, |builder, version| builder.version(*version)).build())
        })?;
        let value = match std::mem::take(&mut datum.value) {
            Value::Struct(row) => {
                let fields = schema.fields().iter().zip(row.into_values());
                let values = fields
                    .map(|(field, value)| or_default(value, &field.schema, config.replace_null_with_default));
                Struct::of(SchemaRef::clone(updated), values.collect())?.into()
            }
            other => other,
        };
        *datum = SchemaAndValue::new(SchemaRef::clone(updated), value);
        Ok(Some(record))
    }
}
