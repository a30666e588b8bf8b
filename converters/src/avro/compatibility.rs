//! Whether data of our schema can be read with another: what `latest.compatibility.strict` and `id.compatibility.strict` ask.
//!
//! Avro's rules, as the library for Avro knows them. Off the hot path: once a schema and subject.

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;

use super::registry::Answer;
use crate::json::fault::Fault;

/// Checks that data written with `own` can be read with the registry's schema.
///
/// # Errors
/// Why not, and which option leaves the check out.
pub(super) fn check(own: &str, theirs: &Answer) -> Result<(), Fault> {
    let told = |cause: &dyn std::fmt::Display| {
        Fault::new(format!(
            "Incompatible schema: schema {} of the registry cannot read what the record's schema writes: {cause}. Set \
             latest.compatibility.strict=false (or id.compatibility.strict=false) to disable this check",
            theirs.id
        ))
    };
    let writer = Schema::parse_str(own).map_err(|cause| told(&cause))?;
    let reader = match theirs.references.is_empty() {
        true => Schema::parse_str(&theirs.text).map_err(|cause| told(&cause))?,
        false => {
            let referenced = theirs.references.iter().map(String::as_str).collect::<Vec<_>>();
            Schema::parse_str_with_list(&theirs.text, referenced).map_err(|cause| told(&cause))?.0
        }
    };
    SchemaCompatibility::can_read(&writer, &reader).map(drop).map_err(|cause| told(&cause))
}
