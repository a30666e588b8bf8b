//! Options of Confluent's converter that are known and not supported: said, they are refused by name when the connector is validated.
//!
//! Those that change what stands in a topic or who may read it are here: to pass over them would write something else than was asked for.
//! A value that asks for what is done anyway is taken.

use api::Props;
use api::configs::{ConfigError, ConfigErrors};

/// An option, the values of it that ask for nothing else than what is done, and what to do instead.
struct Refused(&'static str, &'static [&'static str], &'static str);

const PREFIX: &[&str] = &["io.confluent.kafka.serializers.schema.id.PrefixSchemaIdSerializer"];
const BY_PREFIX: &[&str] = &[
    "io.confluent.kafka.serializers.schema.id.PrefixSchemaIdDeserializer",
    "io.confluent.kafka.serializers.schema.id.DualSchemaIdDeserializer",
];
const IN_PREFIX: &str = "schema ids stand before the data here, not in headers; leave it out";
const DECRYPTED: &str =
    "encrypted keys and stores are not read; write the key as PEM without a password, and leave this out";
const NO_RULES: &str =
    "rules of a schema registry (encryption, validation, migration) are not applied here; leave it out";

const REFUSED: &[Refused] = &[
    Refused("key.schema.id.serializer", PREFIX, IN_PREFIX),
    Refused("value.schema.id.serializer", PREFIX, IN_PREFIX),
    Refused("key.schema.id.deserializer", BY_PREFIX, IN_PREFIX),
    Refused("value.schema.id.deserializer", BY_PREFIX, IN_PREFIX),
    Refused(
        "context.name.strategy",
        &["io.confluent.kafka.serializers.context.NullContextNameStrategy"],
        "contexts by a class of your own are not supported; say the context in schema.registry.url (/contexts/.name)",
    ),
    Refused(
        "use.latest.with.metadata",
        &[""],
        "versions are not chosen by their metadata here; say use.latest.version=true or use.schema.id",
    ),
    Refused("use.schema.guid", &[""], "schemas are not chosen by their guid here; say use.schema.id"),
    Refused("rule.executors", &[""], NO_RULES),
    Refused("rule.actions", &[""], NO_RULES),
    Refused("schema.registry.ssl.key.password", &[""], DECRYPTED),
    Refused("schema.registry.ssl.keystore.password", &[""], DECRYPTED),
    Refused("schema.registry.ssl.truststore.password", &[""], DECRYPTED),
];

/// Adds an error for each option that is said and not supported.
pub(super) fn check(props: &Props, errors: &mut ConfigErrors) {
    for Refused(name, taken, advice) in REFUSED {
        // The value is not repeated: some are passwords.
        if props.get(*name).is_some_and(|value| !taken.contains(&value.trim())) {
            errors.push(ConfigError::other(name, format!("{name}: {advice}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(said: &[(&str, &str)]) -> String {
        let props = said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut errors = ConfigErrors::new();
        check(&props, &mut errors);
        errors.to_string()
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name_without_its_value() {
        let header = "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer";
        let said = [
            ("value.schema.id.serializer", header),
            ("schema.registry.ssl.key.password", "secret"),
            ("rule.executors", "encrypt"),
            ("use.latest.with.metadata", "major=2"),
        ];
        let errors = told(&said);
        assert!(said.iter().all(|(name, _)| errors.contains(name)) && !errors.contains("secret"), "{errors}");
        let dual = "io.confluent.kafka.serializers.schema.id.DualSchemaIdDeserializer";
        assert_eq!(told(&[("key.schema.id.deserializer", dual), ("rule.executors", "")]), "");
    }
}
