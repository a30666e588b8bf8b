//! Connect's JSON form of a schema, read back: `JsonConverter.asConnectSchema`.
//!
//! Off the hot path: the decoder keeps what was read by the text that said it. Nesting is bounded by serde_json (128).

use api::{Schema, SchemaBuilder, SchemaRef, SchemaType};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::decoder::Decoder;
use super::fault::Fault;

/// What one JSON object may say of a schema.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    optional: Option<bool>,
    name: Option<String>,
    version: Option<i32>,
    doc: Option<String>,
    parameters: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(borrow)]
    default: Option<&'a RawValue>,
    field: Option<String>,
    #[serde(borrow)]
    items: Option<Box<Self>>,
    #[serde(borrow)]
    keys: Option<Box<Self>>,
    #[serde(borrow)]
    values: Option<Box<Self>>,
    #[serde(borrow)]
    fields: Option<Vec<Self>>,
}

/// The schema that `text` says; `None` for `null`.
pub(super) fn read(text: &str) -> Result<Option<SchemaRef>, Fault> {
    let malformed = |cause| Fault::new(format!("The schema is malformed: {cause}"));
    let said: Option<Said<'_>> = serde_json::from_str(text).map_err(malformed)?;
    said.map(|said| said.schema()).transpose()
}

impl Said<'_> {
    fn schema(&self) -> Result<SchemaRef, Fault> {
        let mut builder = self.builder()?.with_optional(self.optional.unwrap_or(false));
        if let Some(name) = &self.name {
            builder = builder.name(name.as_str());
        }
        if let Some(version) = self.version {
            builder = builder.version(version);
        }
        if let Some(doc) = &self.doc {
            builder = builder.doc(doc.as_str());
        }
        for (name, value) in self.parameters.iter().flatten() {
            let Some(value) = value.as_str() else {
                return Err(Fault::new("Schema parameters must have string values."));
            };
            builder = builder.parameter(name.as_str(), value);
        }
        let Some(default) = self.default.filter(|default| default.get() != "null") else {
            return Ok(builder.build());
        };
        let plain = builder.clone().build();
        let default = Decoder::read_default(&plain, default.get())?;
        Ok(builder.default_value(default).build())
    }

    fn builder(&self) -> Result<SchemaBuilder, Fault> {
        let Some(kind) = &self.kind else { return Err(Fault::new("Schema must contain 'type' field")) };
        Ok(match kind.as_str() {
            "int8" => Schema::builder(SchemaType::Int8),
            "int16" => Schema::builder(SchemaType::Int16),
            "int32" => Schema::builder(SchemaType::Int32),
            "int64" => Schema::builder(SchemaType::Int64),
            "float" => Schema::builder(SchemaType::Float32),
            "double" => Schema::builder(SchemaType::Float64),
            "boolean" => Schema::builder(SchemaType::Boolean),
            "string" => Schema::builder(SchemaType::String),
            "bytes" => Schema::builder(SchemaType::Bytes),
            "array" => {
                Schema::array(part(self.items.as_deref(), "Array schema did not specify the element type")?)
            }
            "map" => Schema::map(
                part(self.keys.as_deref(), "Map schema did not specify the key type")?,
                part(self.values.as_deref(), "Map schema did not specify the value type")?,
            ),
            "struct" => self.structure()?,
            unknown => return Err(Fault::new(format!("Unknown schema type: {unknown}"))),
        })
    }

    fn structure(&self) -> Result<SchemaBuilder, Fault> {
        let Some(fields) = &self.fields else {
            return Err(Fault::new("Struct schema's \"fields\" argument is not an array."));
        };
        // The builder looks for a field of the same name each time, which is too slow for very many.
        const FIELDS_MAX: usize = 10_000;
        if fields.len() > FIELDS_MAX {
            return Err(Fault::new(format!(
                "Struct schema has {} fields, at most {FIELDS_MAX} are allowed",
                fields.len()
            )));
        }
        let mut builder = Schema::structure();
        for said in fields {
            let Some(name) = &said.field else {
                return Err(Fault::new("Struct schema's field name not specified properly"));
            };
            builder = builder.field(name.as_str(), said.schema().map_err(|fault| fault.inside(name))?);
        }
        Ok(builder)
    }
}

fn part(said: Option<&Said<'_>>, missing: &str) -> Result<SchemaRef, Fault> {
    said.ok_or_else(|| Fault::new(missing))?.schema()
}
