//! The configs that a topic may have: one table that serves checking, describing and acting on them.
//!
//! Only options that act are here. A topic's own values stand over the broker's defaults, which stand over Kafka's.

mod checks;
mod table;

use std::collections::BTreeMap;

use broker_protocol::batch::Compression;

pub(crate) use self::table::TOPIC_OPTIONS;
use crate::log::{CleanupPolicy, LogConfig};

/// Type of an option's value, numbered as DescribeConfigs does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionKind {
    /// true or false.
    Boolean = 1,
    /// Any text.
    String = 2,
    /// 32 bits.
    Int = 3,
    /// 64 bits.
    Long = 5,
    /// A number with a fraction.
    Double = 6,
    /// Comma-separated.
    List = 7,
}

/// One option of a topic.
#[derive(Debug)]
pub(crate) struct TopicOption {
    pub(crate) name: &'static str,
    /// The broker's option that gives the default.
    pub(crate) broker_name: &'static str,
    pub(crate) kind: OptionKind,
    /// Kafka's default.
    pub(crate) default: &'static str,
    pub(crate) documentation: &'static str,
    check: fn(&str) -> Result<(), String>,
}

/// A topic's own values, by name.
pub(crate) type TopicConfigs = BTreeMap<String, String>;

/// The option of that name.
pub(crate) fn topic_option(name: &str) -> Option<&'static TopicOption> {
    TOPIC_OPTIONS.iter().find(|option| option.name == name)
}

/// Checks a topic's configs; the answer names the first that cannot be.
pub(crate) fn check_configs(configs: &TopicConfigs) -> Result<(), String> {
    for (name, value) in configs {
        let option = topic_option(name).ok_or_else(|| format!("Unknown topic config name: {name}"))?;
        (option.check)(value)
            .map_err(|reason| format!("Invalid value {value} for configuration {name}: {reason}"))?;
    }
    let lag = |name: &str, otherwise: i64| configs.get(name).map_or(otherwise, |value| long(value));
    let (min, max) = (lag("min.compaction.lag.ms", 0), lag("max.compaction.lag.ms", i64::MAX));
    if min > max {
        return Err(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
        ));
    }
    Ok(())
}

/// What a log does with these configs over the broker's defaults (by the broker's names); both are checked already.
pub(crate) fn log_config(configs: &TopicConfigs, defaults: &TopicConfigs) -> LogConfig {
    let text = |name: &str| effective(name, configs, defaults);
    let long = |name: &str| long(text(name));
    let policy = text("cleanup.policy");
    let has = |word: &str| policy.split(',').any(|policy| policy.trim() == word);
    LogConfig {
        segment_bytes: long("segment.bytes").unsigned_abs(),
        segment_ms: long("segment.ms"),
        cleanup_policy: CleanupPolicy { delete: has("delete"), compact: has("compact") },
        retention_ms: Some(long("retention.ms")).filter(|ms| *ms >= 0),
        retention_bytes: u64::try_from(long("retention.bytes")).ok(),
        delete_retention_ms: long("delete.retention.ms"),
        min_cleanable_dirty_ratio: text("min.cleanable.dirty.ratio").trim().parse().unwrap_or(0.5),
        max_message_bytes: usize::try_from(long("max.message.bytes")).unwrap_or(0),
        log_append_time: text("message.timestamp.type") == "LogAppendTime",
        min_insync_replicas: long("min.insync.replicas"),
        compression: codec(text("compression.type")),
        timestamp_before_max_ms: long("message.timestamp.before.max.ms"),
        timestamp_after_max_ms: long("message.timestamp.after.max.ms"),
        compaction_lag_min_ms: long("min.compaction.lag.ms"),
        compaction_lag_max_ms: long("max.compaction.lag.ms"),
        file_delete_delay_ms: long("file.delete.delay.ms"),
        flush_records: long("flush.messages").unsigned_abs(),
        flush_ms: long("flush.ms"),
    }
}

/// A number that was checked before.
fn long(value: &str) -> i64 {
    value.trim().parse().unwrap_or(i64::MAX)
}

/// The value that counts: the topic's, else the broker's, else Kafka's.
pub(crate) fn effective<'a>(name: &str, configs: &'a TopicConfigs, defaults: &'a TopicConfigs) -> &'a str {
    let option = topic_option(name);
    let broker = option.and_then(|option| defaults.get(option.broker_name));
    configs.get(name).or(broker).map_or_else(|| option.map_or("", |option| option.default), String::as_str)
}

/// The codec that batches are kept in; none for that of their producer.
fn codec(name: &str) -> Option<Compression> {
    if name == "uncompressed" { Some(Compression::None) } else { Compression::from_name(name) }
}

/// Checks one value.
pub(crate) fn check_option(option: &TopicOption, value: &str) -> Result<(), String> {
    (option.check)(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(pairs: &[(&str, &str)]) -> TopicConfigs {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_default_passes_its_own_check() {
        for option in TOPIC_OPTIONS {
            assert_eq!((option.check)(option.default), Ok(()), "{}", option.name);
        }
        assert_eq!(log_config(&configs(&[]), &configs(&[])), LogConfig::default());
    }

    #[test]
    fn wrong_values_and_unknown_names_are_named() {
        let error = check_configs(&configs(&[("retention.ms", "-2")])).unwrap_err();
        assert_eq!(error, "Invalid value -2 for configuration retention.ms: must be at least -1");
        assert_eq!(check_configs(&configs(&[("x", "1")])).unwrap_err(), "Unknown topic config name: x");
        assert!(check_configs(&configs(&[("segment.bytes", "3000000000")])).is_err());
        assert!(check_configs(&configs(&[("cleanup.policy", "compact,delete")])).is_ok());
    }

    #[test]
    fn the_topic_stands_over_the_broker() {
        let defaults = configs(&[("log.retention.ms", "5"), ("log.cleanup.policy", "compact")]);
        let config = log_config(&configs(&[("retention.ms", "-1")]), &defaults);
        assert_eq!(config.retention_ms, None);
        assert!(config.cleanup_policy.compact && !config.cleanup_policy.delete);
    }
}
