//! HoistField: wraps the whole key or value in a struct (or map) with one field.

use api::configs::config;
use api::{Props, Record, Result, Schema, SchemaAndValue, SchemaRef, Struct, Transform, Value};

use crate::bad_config;
use crate::schema::Derived;
use crate::side::{Side, sided_plugins};

sided_plugins!(
    HoistField,
    HoistFieldConfig,
    "HoistField",
    "Wraps data in the given field: in a Struct when there is a schema, else in a Map."
);

config! {
    /// Options of HoistField.
    struct HoistFieldConfig {
        /// Field name for the single field that will be created in the resulting Struct or Map.
        field: String = required("field");
    }
}

/// See the module.
#[derive(Debug)]
struct HoistField {
    side: Side,
    field: String,
    wrapped: Derived<SchemaRef>,
}

impl HoistField {
    fn new(props: &Props, side: Side) -> Result<Self> {
        let field = HoistFieldConfig::parse(props).map_err(bad_config)?.field;
        Ok(Self { side, field, wrapped: Derived::new() })
    }
}

impl Transform for HoistField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let datum = self.side.of_mut(&mut record);
        let value = std::mem::take(&mut datum.value);
        *datum = match &datum.schema {
            None => SchemaAndValue::schemaless(Value::Map(vec![(self.field.clone().into(), value)])),
            Some(schema) => {
                let field = &self.field;
                let wrap =
                    |(): &()| Ok(Schema::structure().field(field.clone(), SchemaRef::clone(schema)).build());
                let wrapped = self.wrapped.get_or_derive(schema, (), wrap)?;
                SchemaAndValue::of_struct(Struct::of(SchemaRef::clone(wrapped), vec![value])?)
            }
        };
        Ok(Some(record))
    }
}
