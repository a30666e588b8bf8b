//! The side of a record that a transform works on: `$Key` or `$Value`; and Connect's words when that side is not what is needed.

use api::{Error, Record, SchemaAndValue, Value};

/// Key or value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// `$Key`.
    Key,
    /// `$Value`.
    Value,
}

impl Side {
    /// This side of a record.
    pub(crate) const fn of_mut(self, record: &mut Record) -> &mut SchemaAndValue {
        match self {
            Self::Key => &mut record.key,
            Self::Value => &mut record.value,
        }
    }
}

/// A transform that exists for keys and for values: two plugins, `Class$Key` and `Class$Value`.
macro_rules! sided_plugins {
    ($transform:ident, $config:ident, $class:literal, $documentation:literal) => {
        /// The transform of keys.
        pub(crate) static KEY: api::Plugin = api::Plugin {
            class: concat!("org.apache.kafka.connect.transforms.", $class, "$Key"),
            aliases: &[],
            version: crate::VERSION,
            documentation: concat!($documentation, " Works on the key."),
            config: $config::definition,
            kind: api::PluginKind::Transform(|props| {
                Ok(Box::new($transform::new(props, crate::side::Side::Key)?))
            }),
        };

        /// The transform of values.
        pub(crate) static VALUE: api::Plugin = api::Plugin {
            class: concat!("org.apache.kafka.connect.transforms.", $class, "$Value"),
            aliases: &[],
            version: crate::VERSION,
            documentation: concat!($documentation, " Works on the value."),
            config: $config::definition,
            kind: api::PluginKind::Transform(|props| {
                Ok(Box::new($transform::new(props, crate::side::Side::Value)?))
            }),
        };
    };
}
pub(crate) use sided_plugins;

/// `Only Struct objects supported for [purpose], found: class`.
pub(crate) fn not_a_struct(purpose: &str, found: &Value) -> Error {
    Error::bad_record(format!("Only Struct objects supported for [{purpose}], found: {}", java_class(found)))
}

/// `Only Map objects supported in absence of schema for [purpose], found: class`.
pub(crate) fn not_a_map(purpose: &str, found: &Value) -> Error {
    Error::bad_record(format!(
        "Only Map objects supported in absence of schema for [{purpose}], found: {}",
        java_class(found)
    ))
}

/// The Java class that Connect would have found.
pub(crate) const fn java_class(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "java.lang.Boolean",
        Value::Int8(_) => "java.lang.Byte",
        Value::Int16(_) => "java.lang.Short",
        Value::Int32(_) => "java.lang.Integer",
        Value::Int64(_) => "java.lang.Long",
        Value::Float32(_) => "java.lang.Float",
        Value::Float64(_) => "java.lang.Double",
        Value::String(_) => "java.lang.String",
        Value::Bytes(_) => "[B",
        Value::Array(_) => "java.util.ArrayList",
        Value::Map(_) => "java.util.HashMap",
        Value::Struct(_) => "org.apache.kafka.connect.data.Struct",
    }
}

/// Sets an entry of a schemaless map: in its place if the key is there, else at the end.
pub(crate) fn put(entries: &mut Vec<(Value, Value)>, key: &str, value: Value) {
    match entries.iter_mut().find(|(name, _)| name.as_str() == Some(key)) {
        Some(slot) => slot.1 = value,
        None => entries.push((Value::from(key), value)),
    }
}
