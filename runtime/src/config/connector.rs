//! The options of every connector (Connect's `ConnectorConfig`), with Connect's names, types, defaults and groups.
//!
//! Read by validation, by the herder (`tasks.max`) and by tasks (errors, converters). Invariant: names, order and groups are
//! those of Kafka Connect 4.3, so that a form built from `validate` looks the same.

use configs::check::{Check, custom};
use configs::{Parsed, config, config_enum};

config_enum! {
    /// What to do with a record that cannot be handled.
    pub enum ErrorTolerance {
        /// Fail the task.
        None = "none",
        /// Skip the record (and write it to the dead letter queue, if there is one).
        All = "all",
    }
}

/// A list in which no item stands twice; Connect's words for it.
#[must_use]
pub const fn alias_list(expectation: &'static str) -> Check {
    custom(expectation, no_duplicates)
}

/// Refuses a list in which an item stands twice.
///
/// # Errors
/// Connect's reason.
pub fn no_duplicates(value: &Parsed) -> Result<(), String> {
    let Parsed::List(items) = value else { return Ok(()) };
    let mut seen = std::collections::BTreeSet::new();
    match items.iter().all(|item| seen.insert(item)) {
        true => Ok(()),
        false => Err("Duplicate alias provided.".to_owned()),
    }
}

config! {
    /// Options of every connector.
    pub struct ConnectorConfig {
        /// Globally unique name to use for this connector.
        name: String = required("name").importance(High).check(custom("non-empty string without ISO control characters", connector_name))
            .group("Common").width(Width::Medium).display_name("Connector name");
        /// Class of the connector: the Java class, its simple name (`FileStreamSinkConnector`), that name without `Connector`, or an
        /// alias that `millrace plugins` lists.
        connector_class: String = required("connector.class").importance(High)
            .group("Common").width(Width::Long).display_name("Connector class");
        /// Version of the connector. Every plugin is built in, in one version: `latest` and that version are accepted.
        connector_plugin_version: Option<String> = optional("connector.plugin.version").importance(Medium)
            .group("Common").width(Width::Medium).display_name("Connector version");
        /// Maximum number of tasks to use for this connector.
        tasks_max: u32 = default("tasks.max", 1).kind(ConfigType::Int).importance(High).check(at_least(1))
            .group("Common").width(Width::Short).display_name("Tasks max");
        /// Whether the limit `tasks.max` is enforced when a connector wants more tasks (deprecated in Kafka Connect).
        tasks_max_enforce: bool = default("tasks.max.enforce", true).importance(Low)
            .group("Common").width(Width::Short).display_name("Enforce tasks max");
        /// Converter between records and the bytes of their keys in topics. By default the worker's; if the connector names one, its
        /// settings (`key.converter.*`) are taken from the connector alone.
        key_converter: Option<String> = optional("key.converter").kind(ConfigType::Class).importance(Low)
            .group("Common").width(Width::Short).display_name("Key converter class");
        /// Version of the key converter.
        key_converter_plugin_version: Option<String> = optional("key.converter.plugin.version").importance(Low)
            .group("Common").width(Width::Short).display_name("Key converter version");
        /// Converter between records and the bytes of their values in topics. By default the worker's; if the connector names one, its
        /// settings (`value.converter.*`) are taken from the connector alone.
        value_converter: Option<String> = optional("value.converter").kind(ConfigType::Class).importance(Low)
            .group("Common").width(Width::Short).display_name("Value converter class");
        /// Version of the value converter.
        value_converter_plugin_version: Option<String> = optional("value.converter.plugin.version").importance(Low)
            .group("Common").width(Width::Short).display_name("Value converter version");
        /// Converter between headers and their bytes in topics. By default the worker's.
        header_converter: Option<String> = optional("header.converter").kind(ConfigType::Class).importance(Low)
            .group("Common").width(Width::Short).display_name("Header converter class");
        /// Version of the header converter.
        header_converter_plugin_version: Option<String> = optional("header.converter.plugin.version").importance(Low)
            .group("Common").width(Width::Short).display_name("Header converter version");
        /// Aliases for the transformations to be applied to records, in this order.
        transforms: Vec<String> = default("transforms", "").importance(Low).check(alias_list("unique transformation aliases"))
            .group("Transforms").order(12).width(Width::Long).display_name("Transforms");
        /// Aliases for the predicates used by transformations.
        predicates: Vec<String> = default("predicates", "").importance(Low).check(alias_list("unique predicate aliases"))
            .group("Predicates").order(13).width(Width::Long).display_name("Predicates");
        /// What to do when a value from a config provider changes: `restart` restarts the connector, `none` does nothing. None of the
        /// built-in providers announces changes.
        config_action_reload: String = default("config.action.reload", "restart").importance(Low).check(one_of(&["none", "restart"]))
            .group("Common").order(14).width(Width::Medium).display_name("Reload Action");
        /// How long, in milliseconds, a failed operation is tried again. 0 means not at all, -1 without end.
        errors_retry_timeout: i64 = default("errors.retry.timeout", 0).importance(Medium).check(at_least(-1))
            .group("Error Handling").width(Width::Medium).display_name("Retry Timeout for Errors");
        /// The longest wait, in milliseconds, between two tries of a failed operation. Jitter is added once it is reached.
        errors_retry_delay_max: std::time::Duration = default("errors.retry.delay.max.ms", 60_000).importance(Medium)
            .group("Error Handling").width(Width::Medium).display_name("Maximum Delay Between Retries for Errors");
        /// What to do with a record that cannot be converted, transformed or delivered: `none` fails the task, `all` skips the record.
        errors_tolerance: ErrorTolerance = default("errors.tolerance", "none").importance(Medium)
            .group("Error Handling").width(Width::Short).display_name("Error Tolerance");
        /// Whether each tolerated error is written to the log too.
        errors_log_enable: bool = default("errors.log.enable", false).importance(Medium)
            .group("Error Handling").width(Width::Short).display_name("Log Errors");
        /// Whether the log shows the record that failed. Off by default: keys, values and headers may be private.
        errors_log_include_messages: bool = default("errors.log.include.messages", false).importance(Medium)
            .group("Error Handling").width(Width::Short).display_name("Log Error Details");
    }
}

/// Connect's `NonEmptyStringWithoutControlChars`, with its reasons.
fn connector_name(value: &Parsed) -> Result<(), String> {
    let Some(name) = value.as_text() else { return Ok(()) };
    if name.trim().is_empty() {
        return Err("String may not be empty".to_owned());
    }
    let control: Vec<String> =
        name.chars().filter(|c| c.is_control()).map(|c| u32::from(c).to_string()).collect();
    if control.is_empty() {
        return Ok(());
    }
    Err(format!(
        "String may not contain control sequences but had the following ASCII chars: {}",
        control.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lists_are_refused_in_connects_words() {
        let name = |text: &str| connector_name(&Parsed::String(text.to_owned()));
        assert_eq!(name(" "), Err("String may not be empty".to_owned()));
        let control = "String may not contain control sequences but had the following ASCII chars: 10, 13";
        assert_eq!(name("a\nb\r"), Err(control.to_owned()));
        assert_eq!(name("a/b ü"), Ok(()));
        let twice = Parsed::List(vec!["t".to_owned(), "t".to_owned()]);
        assert_eq!(no_duplicates(&twice), Err("Duplicate alias provided.".to_owned()));
    }

    #[test]
    fn the_order_is_connects() {
        let names: Vec<&str> = ConnectorConfig::definition().keys().iter().map(|key| &*key.name).collect();
        assert_eq!(names[..4], ["name", "connector.class", "connector.plugin.version", "tasks.max"]);
        let action = ConnectorConfig::definition().get("config.action.reload").unwrap();
        assert_eq!((action.group.as_deref(), action.order), (Some("Common"), 14));
        let last = ConnectorConfig::definition().get("errors.log.include.messages").unwrap();
        assert_eq!(last.order, 5);
    }
}
