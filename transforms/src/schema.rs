//! Schemas made of schemas, each made once.
//!
//! The invariant that makes a pointer a safe key: an entry holds the schema's `Arc`, so no other schema can have its address meanwhile.

use std::sync::Arc;

use api::{Error, Field, Result, Schema, SchemaBuilder, SchemaRef, SchemaType, Value};

/// How many schemas a transform remembers, as in Connect.
const SCHEMAS_MAX: usize = 16;

/// What was derived from the schemas seen last, the latest first; `K` is what else it depends on.
#[derive(Debug)]
pub(crate) struct Derived<T, K = ()>(Vec<(SchemaRef, K, T)>);

impl<T, K: PartialEq> Derived<T, K> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// What was derived from this schema; derived now if it was not yet.
    pub(crate) fn get_or_derive(
        &mut self,
        schema: &SchemaRef,
        key: K,
        derive: impl FnOnce(&K) -> Result<T>,
    ) -> Result<&T> {
        let place = self.0.iter().position(|(known, other, _)| Arc::ptr_eq(known, schema) && *other == key);
        match place {
            Some(0) => {}
            Some(place) => self.0[..=place].rotate_right(1),
            None => {
                let derived = derive(&key)?;
                self.0.truncate(SCHEMAS_MAX - 1);
                self.0.insert(0, (Arc::clone(schema), key, derived));
            }
        }
        Ok(&self.0[0].2)
    }
}

/// A builder with the name, version, documentation and parameters of a schema, but not optional and without a default: Connect's
/// `SchemaUtil.copySchemaBasics`.
pub(crate) fn basics(schema: &Schema) -> SchemaBuilder {
    let builder = match (schema.kind(), schema.key_schema(), schema.value_schema()) {
        (SchemaType::Array, _, Some(items)) => Schema::array(Arc::clone(items)),
        (SchemaType::Map, Some(keys), Some(values)) => Schema::map(Arc::clone(keys), Arc::clone(values)),
        (kind, ..) => Schema::builder(kind),
    };
    with_basics(schema, builder)
}

/// The same for a schema of another type.
pub(crate) fn basics_of_kind(schema: &Schema, kind: SchemaType) -> SchemaBuilder {
    with_basics(schema, Schema::builder(kind))
}

fn with_basics(schema: &Schema, mut builder: SchemaBuilder) -> SchemaBuilder {
    if let Some(name) = schema.name() {
        builder = builder.name(name.to_owned());
    }
    if let Some(version) = schema.version() {
        builder = builder.version(version);
    }
    if let Some(doc) = schema.doc() {
        builder = builder.doc(doc.to_owned());
    }
    schema
        .parameters()
        .iter()
        .fold(builder, |builder, (name, value)| builder.parameter(name.clone(), value.clone()))
}

/// A struct schema with the basics of `schema` and these fields; a name that comes twice is an error, as in Connect.
pub(crate) fn with_fields(schema: &Schema, fields: impl IntoIterator<Item = Field>) -> Result<SchemaRef> {
    let mut builder = basics(schema);
    let mut names = std::collections::HashSet::new();
    for field in fields {
        if !names.insert(field.name.clone()) {
            let problem = format!("Cannot create field because of field name duplication {}", field.name);
            return Err(Error::bad_record(problem));
        }
        builder = builder.field(field.name, field.schema);
    }
    Ok(builder.build())
}

/// Refuses null in a field that must have a value, in Connect's words.
pub(crate) fn require_values(schema: &Schema, values: &[Value]) -> Result<()> {
    let mut fields = schema.fields().iter().zip(values);
    match fields.find(|(field, value)| value.is_null() && !field.schema.is_optional()) {
        None => Ok(()),
        Some((Field { name, schema }, _)) => Err(Error::bad_record(format!(
            "Invalid value: null used for required field: \"{name}\", schema type: {}",
            schema.kind().name()
        ))),
    }
}

/// The field's default in place of null, if that is wanted and there is one.
pub(crate) fn or_default(value: Value, schema: &Schema, replace_null_with_default: bool) -> Value {
    match (value, schema.default_value()) {
        (Value::Null, Some(default)) if replace_null_with_default => default.clone(),
        (value, _) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_derived_from_once_while_it_is_in_use() {
        let schemas: Vec<SchemaRef> = (0..20).map(|_| Schema::builder(SchemaType::Int8).build()).collect();
        let (mut derived, mut made) = (Derived::new(), 0);
        for place in [0, 0, 1, 0, 1] {
            let got = derived.get_or_derive(&schemas[place], (), |()| {
                made += 1;
                Ok(place)
            });
            assert_eq!(got.ok(), Some(&place));
        }
        assert_eq!(made, 2);
        for (place, schema) in schemas.iter().enumerate() {
            assert_eq!(derived.get_or_derive(schema, (), |()| Ok(place)).ok(), Some(&place));
        }
        assert_eq!(derived.0.len(), SCHEMAS_MAX);
    }
}
