//! What the settings say about schemas, for both directions.

use super::config::AvroConverterConfig;

/// Confluent's `AvroDataConfig`.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own that users of the field know")]
pub(super) struct DataOptions {
    /// `enhanced.avro.schema.support`: enums stay enums, unions use full names.
    pub(super) enhanced: bool,
    /// `generalized.sum.type.support`: enums and unions in the form that the field's other formats share.
    pub(super) generalized: bool,
    /// `connect.meta.data`: what only Connect knows stands in properties.
    pub(super) connect_meta_data: bool,
    /// `scrub.invalid.names`.
    pub(super) scrub: bool,
    /// `discard.type.doc.default`.
    pub(super) discard_type_doc_default: bool,
    /// `allow.optional.map.keys`.
    pub(super) optional_map_keys: bool,
    /// `flatten.singleton.union`.
    pub(super) flatten_singleton_union: bool,
    /// `ignore.default.for.nullables`: a null stays null where the schema has a default.
    pub(super) ignore_default_for_nullables: bool,
}

impl DataOptions {
    /// As the options say.
    pub(super) const fn of(config: &AvroConverterConfig) -> Self {
        Self {
            enhanced: config.enhanced,
            generalized: config.generalized,
            connect_meta_data: config.connect_meta_data,
            scrub: config.scrub,
            discard_type_doc_default: config.discard_type_doc_default,
            optional_map_keys: config.optional_map_keys,
            flatten_singleton_union: config.flatten_singleton_union,
            ignore_default_for_nullables: config.ignore_default_for_nullables,
        }
    }
}

impl Default for DataOptions {
    fn default() -> Self {
        Self {
            enhanced: false,
            generalized: false,
            connect_meta_data: true,
            scrub: false,
            discard_type_doc_default: false,
            optional_map_keys: false,
            flatten_singleton_union: true,
            ignore_default_for_nullables: false,
        }
    }
}
