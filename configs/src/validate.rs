//! The answer to "what is wrong with these settings?": each option, what was said for it, and every error.
//!
//! Pure. One reading of one option ([`read_key`]) serves both `validate` and the typed parser, so they cannot disagree.

use crate::Props;
use crate::definition::{ConfigDef, ConfigKey, DefaultValue};
use crate::error::{ConfigError, ConfigErrors};
use crate::parse::{ConfigType, Parsed};
use crate::password::HIDDEN;

/// What `validate` answers about one option (Kafka's `ConfigValueInfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigValue {
    /// The option, with its prefix.
    pub name: String,
    /// Its value as text, the default if none was given, `[hidden]` for a password; `None` for `null` and for what does not parse.
    pub value: Option<String>,
    /// Values that a form can offer.
    pub recommended_values: Vec<String>,
    /// Everything that is wrong with it.
    pub errors: Vec<String>,
    /// Whether a form should show it.
    pub visible: bool,
}

/// One option as it was said: the text, what it parses to (`None` is `null`), and all that is wrong.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) text: Option<String>,
    pub(crate) parsed: Option<Parsed>,
    pub(crate) errors: ConfigErrors,
}

/// What is said for every option of `definition`, and everything that is wrong with it, in the order of the declaration.
#[must_use]
pub fn validate(definition: &ConfigDef, props: &Props) -> Vec<ConfigValue> {
    definition.keys().iter().map(|key| answer(key, read_key(key, props, ""))).collect()
}

fn answer(key: &ConfigKey, reading: Reading) -> ConfigValue {
    let choices = key.checks.iter().flat_map(|check| check.choices());
    ConfigValue {
        name: key.name.clone().into_owned(),
        value: reading.parsed.map(|parsed| parsed.to_string()),
        recommended_values: choices.map(|choice| (*choice).to_owned()).collect(),
        errors: reading.errors.iter().map(ToString::to_string).collect(),
        visible: true,
    }
}

/// Reads one option that stands under `prefix` in `props`: its own name first, then its aliases, then its default.
pub(crate) fn read_key(key: &ConfigKey, props: &Props, prefix: &str) -> Reading {
    let name = format!("{prefix}{}", key.name);
    let said = props
        .get(&name)
        .or_else(|| key.aliases.iter().find_map(|alias| props.get(&format!("{prefix}{alias}"))));
    let text = match (said, &key.default) {
        (Some(text), _) => text.as_str(),
        (None, DefaultValue::Text(text)) => text,
        (None, DefaultValue::Null) => {
            return Reading { text: None, parsed: None, errors: ConfigErrors::new() };
        }
        (None, DefaultValue::Required) => {
            return Reading { text: None, parsed: None, errors: ConfigError::missing(&name).into() };
        }
    };
    let shown = if key.kind == ConfigType::Password { HIDDEN } else { text };
    let invalid = |reason: String| ConfigError::invalid(&name, shown, reason);
    let (parsed, errors) = match key.kind.parse(text) {
        Ok(parsed) => {
            let failed = key.checks.iter().filter_map(|check| check.test(&parsed).err());
            let errors = failed.map(invalid).collect();
            (Some(parsed), errors)
        }
        Err(reason) => (None, invalid(reason).into()),
    };
    Reading { text: Some(shown.to_owned()), parsed, errors }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{at_least, non_empty, one_of};
    use crate::definition::{default, optional, required};

    fn props(said: &[(&str, &str)]) -> Props {
        said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn definition() -> ConfigDef {
        ConfigDef::new(vec![
            required("name").check(non_empty()),
            default("tasks.max", 1).kind(ConfigType::Int).check(at_least(1)),
            optional("errors.tolerance").check(one_of(&["none", "all"])),
            required("password").kind(ConfigType::Password).alias("secret").check(one_of(&["right"])),
        ])
    }

    #[test]
    fn all_errors_at_once_in_kafkas_words() {
        let values = validate(&definition(), &props(&[("tasks.max", "0"), ("errors.tolerance", "some")]));
        let errors: Vec<&str> = values.iter().flat_map(|value| &value.errors).map(String::as_str).collect();
        assert_eq!(
            errors,
            [
                "Missing required configuration \"name\" which has no default value.",
                "Invalid value 0 for configuration tasks.max: Value must be at least 1",
                "Invalid value some for configuration errors.tolerance: String must be one of: none, all",
                "Missing required configuration \"password\" which has no default value.",
            ]
        );
    }

    #[test]
    fn values_come_back_as_kafka_writes_them() {
        let values =
            validate(&definition(), &props(&[("name", " a "), ("secret", "right"), ("tasks.max", "x")]));
        let shown: Vec<Option<&str>> = values.iter().map(|value| value.value.as_deref()).collect();
        assert_eq!(shown, [Some("a"), None, None, Some("[hidden]")]);
        assert_eq!(values[2].recommended_values, ["none", "all"]);
    }

    #[test]
    fn a_password_shows_in_no_error() {
        let values = validate(&definition(), &props(&[("name", "a"), ("password", "CANARY-3")]));
        let expected = "Invalid value [hidden] for configuration password: String must be one of: right";
        assert_eq!(values[3].errors, [expected]);
    }
}
