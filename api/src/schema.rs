//! Schemas: what a value may be. Connect's `Schema`, with its names and its rules.
//!
//! Schemas stand beside every value on the data path and are shared, never copied: a [`SchemaRef`] is an [`Arc`], and
//! whoever compiles something from a schema (an encoder, a projection) may cache it by the pointer as long as it
//! holds the `Arc`. Invariant: a built schema never changes, and its fields keep the order in which they were added.

use std::sync::{Arc, LazyLock};

use crate::value::{Text, Value};

/// A shared schema.
pub type SchemaRef = Arc<Schema>;

/// What kind of value a schema describes: Connect's `Schema.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaType {
    /// A signed 8-bit integer.
    Int8,
    /// A signed 16-bit integer.
    Int16,
    /// A signed 32-bit integer.
    Int32,
    /// A signed 64-bit integer.
    Int64,
    /// A 32-bit IEEE 754 number.
    Float32,
    /// A 64-bit IEEE 754 number.
    Float64,
    /// True or false.
    Boolean,
    /// UTF-8 text.
    String,
    /// Any bytes.
    Bytes,
    /// Values of one schema, in order.
    Array,
    /// Keys of one schema, values of another.
    Map,
    /// Named fields, each with a schema of its own.
    Struct,
}

impl SchemaType {
    /// Connect's name of the type as it stands in error messages, such as `INT32`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Array => "ARRAY",
            Self::Map => "MAP",
            Self::Struct => "STRUCT",
        }
    }
}

/// One named field of a struct schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The field's name, unique in its struct.
    pub name: Text,
    /// What the field holds.
    pub schema: SchemaRef,
}

/// What a value may be: a type, and what Connect lets one say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    kind: SchemaType,
    optional: bool,
    name: Option<Text>,
    version: Option<i32>,
    doc: Option<Text>,
    parameters: Vec<(Text, Text)>,
    default: Option<Value>,
    fields: Vec<Field>,
    key_schema: Option<SchemaRef>,
    value_schema: Option<SchemaRef>,
}

impl Schema {
    /// Starts a schema of this type; [`SchemaBuilder::build`] ends it.
    #[must_use]
    pub fn builder(kind: SchemaType) -> SchemaBuilder {
        SchemaBuilder(Self {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
            default: None,
            fields: Vec::new(),
            key_schema: None,
            value_schema: None,
        })
    }

    /// Starts a struct schema.
    #[must_use]
    pub fn structure() -> SchemaBuilder {
        Self::builder(SchemaType::Struct)
    }

    /// Starts an array schema with these items.
    #[must_use]
    pub fn array(items: SchemaRef) -> SchemaBuilder {
        let mut builder = Self::builder(SchemaType::Array);
        builder.0.value_schema = Some(items);
        builder
    }

    /// Starts a map schema with these keys and values.
    #[must_use]
    pub fn map(keys: SchemaRef, values: SchemaRef) -> SchemaBuilder {
        let mut builder = Self::builder(SchemaType::Map);
        builder.0.key_schema = Some(keys);
        builder.0.value_schema = Some(values);
        builder
    }

    /// The shared plain schema of a primitive type. Asking for it again gives the same pointer.
    ///
    /// Of a type that needs more said ([`SchemaType::Array`], `Map`, `Struct`) it gives the empty one.
    #[must_use]
    pub fn plain(kind: SchemaType) -> SchemaRef {
        Arc::clone(&PLAIN[kind as usize])
    }

    /// Like [`Schema::plain`], but optional.
    #[must_use]
    pub fn plain_optional(kind: SchemaType) -> SchemaRef {
        Arc::clone(&PLAIN_OPTIONAL[kind as usize])
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> SchemaType {
        self.kind
    }

    /// Whether null is a value.
    #[must_use]
    pub const fn is_optional(&self) -> bool {
        self.optional
    }

    /// The name, which makes a logical type of a plain one (see [`crate::logical`]).
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The version that goes with the name.
    #[must_use]
    pub const fn version(&self) -> Option<i32> {
        self.version
    }

    /// What the schema says about itself.
    #[must_use]
    pub fn doc(&self) -> Option<&str> {
        self.doc.as_deref()
    }

    /// The parameters, in the order in which they were given.
    #[must_use]
    pub fn parameters(&self) -> &[(Text, Text)] {
        &self.parameters
    }

    /// One parameter's value.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
    }

    /// The value that stands for an absent one.
    #[must_use]
    pub const fn default_value(&self) -> Option<&Value> {
        self.default.as_ref()
    }

    /// The fields of a struct; none for other types.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// One field's place and schema.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields.iter().enumerate().find(|(_, field)| &*field.name == name)
    }

    /// The schema of a map's keys.
    #[must_use]
    pub const fn key_schema(&self) -> Option<&SchemaRef> {
        self.key_schema.as_ref()
    }

    /// The schema of a map's values or of an array's items.
    #[must_use]
    pub const fn value_schema(&self) -> Option<&SchemaRef> {
        self.value_schema.as_ref()
    }

    /// A builder that starts as this schema, for one that differs in a detail.
    #[must_use]
    pub fn to_builder(&self) -> SchemaBuilder {
        SchemaBuilder(self.clone())
    }
}

/// Whether two schemas are the same: by pointer first, since that is nearly always enough.
#[must_use]
pub fn same_schema(left: &SchemaRef, right: &SchemaRef) -> bool {
    Arc::ptr_eq(left, right) || left == right
}

/// Builds a [`Schema`]; each call says one more thing about it.
#[derive(Debug, Clone)]
pub struct SchemaBuilder(Schema);

impl SchemaBuilder {
    /// Lets null be a value.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.0.optional = true;
        self
    }

    /// Takes null back out (or lets it in).
    #[must_use]
    pub const fn with_optional(mut self, optional: bool) -> Self {
        self.0.optional = optional;
        self
    }

    /// Names the schema.
    #[must_use]
    pub fn name(mut self, name: impl Into<Text>) -> Self {
        self.0.name = Some(name.into());
        self
    }

    /// Says which version of the name this is.
    #[must_use]
    pub const fn version(mut self, version: i32) -> Self {
        self.0.version = Some(version);
        self
    }

    /// Describes the schema.
    #[must_use]
    pub fn doc(mut self, doc: impl Into<Text>) -> Self {
        self.0.doc = Some(doc.into());
        self
    }

    /// Adds a parameter, or replaces the one of that name.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<Text>, value: impl Into<Text>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.0.parameters.iter_mut().find(|(key, _)| *key == name) {
            Some(slot) => slot.1 = value,
            None => self.0.parameters.push((name, value)),
        }
        self
    }

    /// Gives the value that stands for an absent one.
    #[must_use]
    pub fn default_value(mut self, value: impl Into<Value>) -> Self {
        self.0.default = Some(value.into());
        self
    }

    /// Takes the default value away.
    #[must_use]
    pub fn without_default(mut self) -> Self {
        self.0.default = None;
        self
    }

    /// Adds a field to a struct schema. A second field of a name replaces the first, in its place.
    #[must_use]
    pub fn field(mut self, name: impl Into<Text>, schema: SchemaRef) -> Self {
        let name = name.into();
        match self.0.fields.iter_mut().find(|field| field.name == name) {
            Some(slot) => slot.schema = schema,
            None => self.0.fields.push(Field { name, schema }),
        }
        self
    }

    /// Ends the schema.
    #[must_use]
    pub fn build(self) -> SchemaRef {
        Arc::new(self.0)
    }
}

const TYPES: [SchemaType; 12] = [
    SchemaType::Int8,
    SchemaType::Int16,
    SchemaType::Int32,
    SchemaType::Int64,
    SchemaType::Float32,
    SchemaType::Float64,
    SchemaType::Boolean,
    SchemaType::String,
    SchemaType::Bytes,
    SchemaType::Array,
    SchemaType::Map,
    SchemaType::Struct,
];

static PLAIN: LazyLock<[SchemaRef; 12]> = LazyLock::new(|| TYPES.map(|kind| Schema::builder(kind).build()));
static PLAIN_OPTIONAL: LazyLock<[SchemaRef; 12]> =
    LazyLock::new(|| TYPES.map(|kind| Schema::builder(kind).optional().build()));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_schemas_are_shared_and_stand_at_their_own_place() {
        for kind in TYPES {
            assert_eq!(Schema::plain(kind).kind(), kind);
            assert!(Arc::ptr_eq(&Schema::plain(kind), &Schema::plain(kind)));
            assert!(Schema::plain_optional(kind).is_optional());
        }
    }

    #[test]
    fn fields_keep_their_order_and_their_place_when_replaced() {
        let schema = Schema::structure()
            .field("b", Schema::plain(SchemaType::Int32))
            .field("a", Schema::plain(SchemaType::String))
            .field("b", Schema::plain(SchemaType::Int64))
            .build();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name.to_string()).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(schema.field("b").unwrap().1.schema.kind(), SchemaType::Int64);
    }
}
