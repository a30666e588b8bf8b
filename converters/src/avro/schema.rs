//! Avro schemas as data: all that a schema text says, properties included.
//!
//! Between the two worlds: made of a Connect schema (`from_connect`) or of a text (`parse`), and made into either (`to_connect`, `text`).
//! A library's schema would not do: it forgets what stands beside a primitive type, which is where Connect keeps what it knows
//! (`connect.name`, `connect.parameters`). Invariant: no schema is its own part; where a text says so, [`Kind::Recursive`] stands.

use std::sync::Arc;

use serde_json::Value as Json;

/// The namespace of what Connect has no name for.
pub(super) const NAMESPACE: &str = "io.confluent.connect.avro";
/// The record of a struct without a name.
pub(super) const DEFAULT_NAME: &str = "ConnectDefault";
/// The record of an entry of a map whose keys are not text.
pub(super) const MAP_ENTRY: &str = "MapEntry";
/// The record that holds a value without a schema.
pub(super) const ANYTHING: &str = "io.confluent.connect.avro.Anything";

/// A shared schema: named types that are used twice are the same.
pub(super) type AvroRef = Arc<Avro>;

/// A type and its properties, in their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Avro {
    pub(super) kind: Kind,
    pub(super) props: Vec<(String, Json)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Record(Record),
    Enum(Enum),
    Fixed(Fixed),
    Array(AvroRef),
    Map(AvroRef),
    Union(Vec<AvroRef>),
    /// A named type within itself.
    Recursive(Name),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) name: Name,
    pub(super) doc: Option<String>,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) schema: AvroRef,
    pub(super) doc: Option<String>,
    pub(super) default: Option<Json>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Enum {
    pub(super) name: Name,
    pub(super) doc: Option<String>,
    pub(super) symbols: Vec<String>,
    pub(super) default: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fixed {
    pub(super) name: Name,
    pub(super) size: usize,
}

/// A name and its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) space: Option<String>,
    pub(super) simple: String,
}

impl Name {
    /// A name in a namespace.
    pub(super) fn new(space: &str, simple: impl Into<String>) -> Self {
        Self { space: Some(space.to_owned()), simple: simple.into() }
    }

    /// A name with the dots of its namespace.
    pub(super) fn of_full(full: &str) -> Self {
        match full.rsplit_once('.') {
            Some((space, simple)) => Self::new(space, simple),
            None => Self { space: None, simple: full.to_owned() },
        }
    }

    /// With the dots of its namespace.
    pub(super) fn full(&self) -> String {
        match &self.space {
            Some(space) => format!("{space}.{}", self.simple),
            None => self.simple.clone(),
        }
    }
}

impl Avro {
    /// A type without properties.
    pub(super) const fn plain(kind: Kind) -> Self {
        Self { kind, props: Vec::new() }
    }

    /// A property.
    pub(super) fn prop(&self, name: &str) -> Option<&Json> {
        self.props.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Adds a property, unless it is there.
    pub(super) fn add_prop(&mut self, name: &str, value: impl Into<Json>) {
        if self.prop(name).is_none() {
            self.props.push((name.to_owned(), value.into()));
        }
    }

    /// The name of a record, enum or fixed.
    pub(super) const fn name(&self) -> Option<&Name> {
        match &self.kind {
            Kind::Record(Record { name, .. })
            | Kind::Enum(Enum { name, .. })
            | Kind::Fixed(Fixed { name, .. })
            | Kind::Recursive(name) => Some(name),
            _ => None,
        }
    }

    /// Avro's word for the type.
    pub(super) const fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::String => "string",
            Kind::Record(_) | Kind::Recursive(_) => "record",
            Kind::Enum(_) => "enum",
            Kind::Fixed(_) => "fixed",
            Kind::Array(_) => "array",
            Kind::Map(_) => "map",
            Kind::Union(_) => "union",
        }
    }

    /// What messages call it: the name, or else the type.
    pub(super) fn shown(&self) -> String {
        self.name().map_or_else(
            || self.type_name().to_owned(),
            |name| format!("{} {}", self.type_name(), name.full()),
        )
    }

    /// Whether it is Connect's record for values without a schema.
    pub(super) fn is_anything(&self) -> bool {
        self.name().is_some_and(|name| name.full() == ANYTHING)
    }

    /// Whether it is an entry of a map whose keys are not text.
    pub(super) fn is_map_entry(&self) -> bool {
        let Kind::Record(record) = &self.kind else { return false };
        let named = record.name.space.as_deref() == Some(NAMESPACE) && record.name.simple == MAP_ENTRY;
        named || self.prop("connect.internal.type").and_then(Json::as_str) == Some(MAP_ENTRY)
    }
}

/// Whether a name (without its namespace) may stand in a schema.
pub(super) fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}
