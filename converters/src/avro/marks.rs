//! By which names and parameters a Connect schema says what it is in Avro: enum, union, fixed, decimal of so many digits.
//!
//! They are Confluent's, and whoever reads topics of its converter finds them in the schemas. Both directions go by them.

use std::fmt::Display;

use api::{Schema, SchemaType};

use crate::json::fault::Fault;

/// The name of a struct that is a union: at most one of its fields is not null.
pub(super) const UNION: &str = "io.confluent.connect.avro.Union";
/// The parameter of a text that is an enum: its full name. Each symbol has one too, behind a dot.
pub(super) const ENUM: &str = "io.confluent.connect.avro.Enum";
/// The parameter of a union in the form that several formats share.
pub(super) const GENERAL_UNION: &str = "org.apache.kafka.connect.data.Union";
/// The parameter of an enum in the form that several formats share.
pub(super) const GENERAL_ENUM: &str = "org.apache.kafka.connect.data.Enum";
/// The parameter of bytes of one size.
pub(super) const FIXED_SIZE: &str = "connect.fixed.size";
/// The parameter of a decimal that holds its number of digits.
pub(super) const PRECISION: &str = "connect.decimal.precision";
/// The parameter of a struct with its record's `doc`.
pub(super) const RECORD_DOC: &str = "io.confluent.connect.avro.record.doc";
/// The same under `discard.type.doc.default`.
pub(super) const CONNECT_RECORD_DOC: &str = "connect.record.doc";
/// Before the name of a field: the parameter of a struct with the field's `doc`.
pub(super) const FIELD_DOC: &str = "io.confluent.connect.avro.field.doc.";
/// The parameter of a field whose default stands with the field in Avro.
pub(super) const FIELD_DEFAULT: &str = "io.confluent.connect.avro.field.default";
/// Before the name of an enum: the parameter with its `doc`.
pub(super) const ENUM_DOC: &str = "io.confluent.connect.avro.enum.doc.";
/// The same under `discard.type.doc.default`.
pub(super) const CONNECT_ENUM_DOC: &str = "connect.enum.doc";
/// Before the name of an enum: the parameter with its `default`.
pub(super) const ENUM_DEFAULT: &str = "io.confluent.connect.avro.enum.default.";

/// How large a fixed may be: larger ones come from nobody who means well.
pub(super) const FIXED_BYTES_MAX: usize = 1 << 24;

/// Whether the struct is a union.
pub(super) fn is_union(schema: &Schema) -> bool {
    schema.kind() == SchemaType::Struct
        && (schema.name() == Some(UNION) || schema.parameter(GENERAL_UNION).is_some())
}

/// Whether the text is an enum.
pub(super) fn is_enum(schema: &Schema) -> bool {
    schema.kind() == SchemaType::String
        && (schema.parameter(ENUM).is_some() || schema.parameter(GENERAL_ENUM).is_some())
}

/// The symbols of an enum, in their order.
pub(super) fn symbols(schema: &Schema, mark: &str) -> Vec<String> {
    let symbol = |name: &str| name.strip_prefix(mark)?.strip_prefix('.').map(str::to_owned);
    schema.parameters().iter().filter_map(|(name, _)| symbol(name)).collect()
}

/// Whether the bytes have one size.
pub(super) fn is_fixed(schema: &Schema) -> bool {
    schema.kind() == SchemaType::Bytes && schema.name().is_some() && schema.parameter(FIXED_SIZE).is_some()
}

/// How many bytes a fixed has.
///
/// # Errors
/// When the parameter is no such number.
pub(super) fn fixed_size(schema: &Schema) -> Result<usize, Fault> {
    let text = schema.parameter(FIXED_SIZE).unwrap_or_default();
    let wrong = |what: &dyn Display| {
        Fault::new(format!(
            "the parameter {FIXED_SIZE} is {text:?}, not a number up to {FIXED_BYTES_MAX}: {what}"
        ))
    };
    match text.parse::<usize>() {
        Ok(size) if size <= FIXED_BYTES_MAX => Ok(size),
        Ok(_) => Err(wrong(&"it is more")),
        Err(cause) => Err(wrong(&cause)),
    }
}
