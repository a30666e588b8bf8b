//! The options of every sink connector, beside those of every connector (Connect's `SinkConnectorConfig`).
//!
//! Read by validation and by sink tasks. Invariant: what no single option can say (topics or a pattern, but not both) is
//! said by [`SinkConfig::conflicts`], for validation and for tests alike.

use configs::{ConfigError, ConfigErrors, Props, config};

config! {
    /// Options of every sink connector.
    pub struct SinkConfig {
        /// List of topics to consume, separated by commas.
        topics: Vec<String> = default("topics", "").importance(High)
            .group("Common").order(4).width(Width::Long).display_name("Topics");
        /// Regular expression giving topics to consume; it must match the whole name. Only one of topics or topics.regex is to be set.
        topics_regex: String = default("topics.regex", "").importance(High).check(regex())
            .group("Common").order(4).width(Width::Long).display_name("Topics regex");
        /// The topic to write records to that cannot be handled by this connector, its transforms or its converters. Blank by
        /// default: such records are not kept.
        dead_letter_topic: String = default("errors.deadletterqueue.topic.name", "").importance(Medium)
            .group("Error Handling").order(6).width(Width::Medium).display_name("Dead Letter Queue Topic Name");
        /// Replication factor for the dead letter queue topic when it has to be created. The embedded broker has one replica of all.
        dead_letter_replication_factor: i16 = default("errors.deadletterqueue.topic.replication.factor", 3).importance(Medium)
            .group("Error Handling").order(7).width(Width::Medium).display_name("Dead Letter Queue Topic Replication Factor");
        /// Whether records in the dead letter queue tell in headers (`__connect.errors.*`) where they came from and what went wrong.
        dead_letter_headers: bool = default("errors.deadletterqueue.context.headers.enable", false).importance(Medium)
            .group("Error Handling").order(8).width(Width::Medium).display_name("Enable Error Context Headers");
    }
}

impl SinkConfig {
    /// What is wrong between options: neither or both of topics and topics.regex, or a dead letter queue that would be read.
    #[must_use]
    pub fn conflicts(props: &Props) -> ConfigErrors {
        let said = |name: &str| props.get(name).map_or("", |text| text.trim());
        let (topics, pattern) = (said("topics"), said("topics.regex"));
        let dead_letters = said("errors.deadletterqueue.topic.name");
        let mut errors = ConfigErrors::new();
        let mut refuse = |name: &str, reason: &str| errors.push(ConfigError::other(name, reason));
        let both = match (topics.is_empty(), pattern.is_empty()) {
            (false, false) => {
                Some("topics and topics.regex are mutually exclusive options, but both are set.")
            }
            (true, true) => Some("Must configure one of topics or topics.regex"),
            _ => None,
        };
        if let Some(reason) = both {
            refuse("topics", reason);
            refuse("topics.regex", reason);
        }
        if dead_letters.is_empty() {
            return errors;
        }
        if topics.split(',').any(|topic| topic.trim() == dead_letters) {
            let what = "may not be included in the list of topics";
            let reason = format!(
                "The DLQ topic '{dead_letters}' {what} ('topics={topics}') consumed by the connector"
            );
            refuse("topics", &reason);
        }
        if !pattern.is_empty() && whole_match(pattern, dead_letters) {
            let what = "may not be included in the regex matching the topics";
            let from = format!("('topics.regex={pattern}') consumed by the connector");
            refuse("topics.regex", &format!("The DLQ topic '{dead_letters}' {what} {from}"));
        }
        errors
    }
}

/// Whether the pattern matches the whole text. A pattern that does not compile matches nothing; its own check reports it.
fn whole_match(pattern: &str, text: &str) -> bool {
    configs::check::compile(&format!("^(?:{pattern})$"))
        .is_ok_and(|regex| regex.is_match(text).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(said: &[(&str, &str)]) -> Vec<String> {
        let props = said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        SinkConfig::conflicts(&props).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_of_topics_and_pattern() {
        assert_eq!(reasons(&[("topics", "a")]), Vec::<String>::new());
        assert_eq!(reasons(&[("topics", " "), ("topics.regex", "a.*")]), Vec::<String>::new());
        let neither = reasons(&[]);
        assert_eq!(neither.len(), 2);
        assert_eq!(neither[0], "Must configure one of topics or topics.regex");
        assert_eq!(reasons(&[("topics", "a"), ("topics.regex", "b")]).len(), 2);
    }

    #[test]
    fn a_dead_letter_queue_is_not_read() {
        let name = "errors.deadletterqueue.topic.name";
        assert!(
            reasons(&[("topics", "a, b"), (name, "b")])[0]
                .contains("The DLQ topic 'b' may not be included in the list")
        );
        assert!(
            reasons(&[("topics.regex", "r.*"), (name, "ruh.roh")])[0]
                .contains("in the regex matching the topics")
        );
        assert!(reasons(&[("topics.regex", "r"), (name, "ruh.roh")]).is_empty());
    }
}
