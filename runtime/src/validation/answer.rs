//! The answer of a validation: every option with its definition, value and errors, and what else is worth knowing.
//!
//! Pure data; REST writes it as Connect's `ConfigInfos`. Invariant: an error always belongs to one option, so a form can show
//! it where it arose; `error_count` counts exactly the errors that are listed.

use std::collections::BTreeMap;

use configs::{ConfigDef, ConfigErrors, ConfigKey, ConfigValue, Props};

/// A connector's settings as they were sent: JSON's `null` is kept, to be refused by name.
pub type SaidConfig = BTreeMap<String, Option<String>>;

/// One option: what it is, and what was said for it.
#[derive(Debug, Clone)]
pub struct ConfigInfo {
    /// What it is; `None` for a name that no definition has.
    pub definition: Option<ConfigKey>,
    /// What was said, and what is wrong with it.
    pub value: ConfigValue,
}

/// The whole answer.
#[derive(Debug, Clone)]
pub struct ConfigInfos {
    /// The class as it was said.
    pub name: String,
    /// The headings, in order.
    pub groups: Vec<String>,
    /// The options, in order.
    pub configs: Vec<ConfigInfo>,
    /// What is no error, but worth knowing: unknown names with a suggestion, settings without effect.
    pub warnings: Vec<String>,
}

impl ConfigInfos {
    /// What `definition` says of `props`.
    pub(super) fn of(name: &str, definition: &ConfigDef, props: &Props) -> Self {
        let mut values = configs::validate(definition, props);
        for value in &mut values {
            // The first check that fails says it all, as in Kafka: -1 is not also "below 0" when it must be at least 1.
            value.errors.truncate(1);
        }
        let infos = definition.keys().iter().zip(values);
        Self {
            name: name.to_owned(),
            groups: definition.groups().into_iter().map(str::to_owned).collect(),
            configs: infos.map(|(key, value)| ConfigInfo { definition: Some(key.clone()), value }).collect(),
            warnings: Vec::new(),
        }
    }

    /// How many errors there are.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.configs.iter().map(|info| info.value.errors.len()).sum()
    }

    /// Every error, in the order of the options.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.configs.iter().flat_map(|info| &info.value.errors).map(String::as_str)
    }

    /// Whether an option named so, or under that prefix, has an error.
    pub(super) fn has_error(&self, prefix: &str) -> bool {
        self.configs.iter().any(|info| info.value.name.starts_with(prefix) && !info.value.errors.is_empty())
    }

    /// Adds an error to an option, which is added too if no definition has it.
    pub(super) fn add(&mut self, name: &str, error: impl Into<String>) {
        self.value(name).errors.push(error.into());
    }

    /// Adds errors that know their options.
    pub(super) fn add_all(&mut self, errors: &ConfigErrors) {
        for error in errors {
            self.add(&error.name, error.to_string());
        }
    }

    /// Replaces the value that is shown for an option: `None` for what does not stand for anything.
    pub(super) fn show(&mut self, name: &str, value: Option<String>) {
        self.value(name).value = value;
    }

    /// The values that a form can offer for an option.
    pub(super) fn recommend(&mut self, name: &str, values: Vec<String>) {
        self.value(name).recommended_values = values;
    }

    /// The sentence of REST's 400 when a configuration is refused, in Connect's words.
    #[must_use]
    pub fn refusal(&self) -> String {
        let count = self.error_count();
        let mut text =
            format!("Connector configuration is invalid and contains the following {count} error(s):");
        for error in self.errors() {
            text.push('\n');
            text.push_str(error);
        }
        text.push_str(
            "\nYou can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`",
        );
        text
    }

    fn value(&mut self, name: &str) -> &mut ConfigValue {
        let found = self.configs.iter().position(|info| info.value.name == name);
        let index = found.unwrap_or_else(|| {
            let value = ConfigValue {
                name: name.to_owned(),
                value: None,
                recommended_values: Vec::new(),
                errors: Vec::new(),
                visible: true,
            };
            self.configs.push(ConfigInfo { definition: None, value });
            self.configs.len() - 1
        });
        &mut self.configs[index].value
    }
}
