//! Transforms and predicates: how one record may be changed or dropped on its way.
//!
//! They stand between a source and its converter, and between a sink's converter and the sink; one file each, [`ALL`] lists them. They
//! answer to Kafka Connect's (and Debezium's) class names and give its results and error texts. The invariant: what a transform derives
//! from a schema is derived once and kept by the schema's pointer, so a record costs only its own values.

mod cast;
mod drop_headers;
mod extract_field;
mod extract_new_record_state;
mod filter;
mod flatten;
mod header_from;
mod hoist_field;
mod insert_field;
mod insert_header;
mod java_number;
mod java_regex;
mod mask_field;
mod predicates;
mod regex_router;
mod replace_field;
mod schema;
mod set_schema_metadata;
mod side;
mod simple_date_format;
mod timestamp_converter;
mod timestamp_router;
mod value_to_key;

use api::Plugin;

/// Every transform and predicate of this crate.
pub static ALL: &[&Plugin] = &[
    &cast::KEY,
    &cast::VALUE,
    &drop_headers::PLUGIN,
    &extract_field::KEY,
    &extract_field::VALUE,
    &extract_new_record_state::PLUGIN,
    &filter::PLUGIN,
    &flatten::KEY,
    &flatten::VALUE,
    &header_from::KEY,
    &header_from::VALUE,
    &hoist_field::KEY,
    &hoist_field::VALUE,
    &insert_field::KEY,
    &insert_field::VALUE,
    &insert_header::PLUGIN,
    &mask_field::KEY,
    &mask_field::VALUE,
    &regex_router::PLUGIN,
    &replace_field::KEY,
    &replace_field::VALUE,
    &set_schema_metadata::KEY,
    &set_schema_metadata::VALUE,
    &timestamp_converter::KEY,
    &timestamp_converter::VALUE,
    &timestamp_router::PLUGIN,
    &value_to_key::PLUGIN,
    &predicates::HAS_HEADER_KEY,
    &predicates::RECORD_IS_TOMBSTONE,
    &predicates::TOPIC_NAME_MATCHES,
];

/// The version that the worker tells for them.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Every error of the settings as one.
#[allow(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn bad_config(errors: api::configs::ConfigErrors) -> api::Error {
    api::Error::bad_config(errors.to_string())
}

#[cfg(test)]
mod tests;
