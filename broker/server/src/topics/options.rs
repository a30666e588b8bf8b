//! The configs that a topic may have: one table that serves checking, describing and acting on them.
//!
//! Only options that act are here. A topic's own values stand over the broker's defaults, which stand over Kafka's.

use std::collections::BTreeMap;

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

const fn option(
    name: &'static str,
    broker_name: &'static str,
    kind: OptionKind,
    default: &'static str,
    check: fn(&str) -> Result<(), String>,
    documentation: &'static str,
) -> TopicOption {
    TopicOption { name, broker_name, kind, default, documentation, check }
}

/// All of them, by name.
pub(crate) static TOPIC_OPTIONS: &[TopicOption] = {
    use OptionKind::{Boolean, Double, Int, List, Long, String};
    &[
        option(
            "cleanup.policy",
            "log.cleanup.policy",
            List,
            "delete",
            cleanup_policy,
            "How old records go: delete, compact, or both.",
        ),
        option(
            "compression.type",
            "compression.type",
            String,
            "producer",
            compression,
            "Batches keep the codec of their producer.",
        ),
        option(
            "delete.retention.ms",
            "log.cleaner.delete.retention.ms",
            Long,
            "86400000",
            at_least::<0>,
            "How long tombstones stay after compaction has seen them.",
        ),
        option(
            "max.message.bytes",
            "message.max.bytes",
            Int,
            "1048588",
            int_at_least::<0>,
            "Largest batch that producers may send.",
        ),
        option(
            "message.timestamp.type",
            "log.message.timestamp.type",
            String,
            "CreateTime",
            timestamp_type,
            "Whether records bear the producer's time or the broker's.",
        ),
        option(
            "min.cleanable.dirty.ratio",
            "log.cleaner.min.cleanable.ratio",
            Double,
            "0.5",
            ratio,
            "Share of the log that must be new before it is compacted again.",
        ),
        option(
            "min.insync.replicas",
            "min.insync.replicas",
            Int,
            "1",
            int_at_least::<1>,
            "Replicas that must have a record for acks=all; this broker is one.",
        ),
        option(
            "retention.bytes",
            "log.retention.bytes",
            Long,
            "-1",
            at_least::<-1>,
            "Size beyond which the oldest segments of a partition are deleted; -1 is no limit.",
        ),
        option(
            "retention.ms",
            "log.retention.ms",
            Long,
            "604800000",
            at_least::<-1>,
            "Age beyond which segments are deleted; -1 keeps them.",
        ),
        option(
            "segment.bytes",
            "log.segment.bytes",
            Int,
            "1073741824",
            int_at_least::<14>,
            "Size at which a segment is closed.",
        ),
        option(
            "segment.ms",
            "log.roll.ms",
            Long,
            "604800000",
            at_least::<1>,
            "Age at which a segment is closed.",
        ),
        option(
            "unclean.leader.election.enable",
            "unclean.leader.election.enable",
            Boolean,
            "false",
            boolean,
            "Always as good as false: the only replica is in sync.",
        ),
    ]
};

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
    Ok(())
}

/// What a log does with these configs over the broker's defaults (by the broker's names); both are checked already.
pub(crate) fn log_config(configs: &TopicConfigs, defaults: &TopicConfigs) -> LogConfig {
    let text = |name: &str| effective(name, configs, defaults);
    let long = |name: &str| text(name).parse::<i64>().unwrap_or(i64::MAX);
    let policy = text("cleanup.policy");
    let has = |word: &str| policy.split(',').any(|policy| policy.trim() == word);
    LogConfig {
        segment_bytes: long("segment.bytes").unsigned_abs(),
        segment_ms: long("segment.ms"),
        cleanup_policy: CleanupPolicy { delete: has("delete"), compact: has("compact") },
        retention_ms: Some(long("retention.ms")).filter(|ms| *ms >= 0),
        retention_bytes: u64::try_from(long("retention.bytes")).ok(),
        delete_retention_ms: long("delete.retention.ms"),
        min_cleanable_dirty_ratio: text("min.cleanable.dirty.ratio").parse().unwrap_or(0.5),
        max_message_bytes: usize::try_from(long("max.message.bytes")).unwrap_or(0),
        log_append_time: text("message.timestamp.type") == "LogAppendTime",
        min_insync_replicas: long("min.insync.replicas"),
    }
}

/// The value that counts: the topic's, else the broker's, else Kafka's.
pub(crate) fn effective<'a>(name: &str, configs: &'a TopicConfigs, defaults: &'a TopicConfigs) -> &'a str {
    let option = topic_option(name);
    let broker = option.and_then(|option| defaults.get(option.broker_name));
    configs.get(name).or(broker).map_or_else(|| option.map_or("", |option| option.default), String::as_str)
}

/// Checks one value.
pub(crate) fn check_option(option: &TopicOption, value: &str) -> Result<(), String> {
    (option.check)(value)
}

fn cleanup_policy(value: &str) -> Result<(), String> {
    let known = value.split(',').all(|policy| matches!(policy.trim(), "delete" | "compact"));
    if known { Ok(()) } else { Err("must be delete, compact, or both with a comma".to_owned()) }
}

fn compression(value: &str) -> Result<(), String> {
    if value == "producer" {
        Ok(())
    } else {
        Err("this broker keeps batches as they came: use producer".to_owned())
    }
}

fn timestamp_type(value: &str) -> Result<(), String> {
    match value {
        "CreateTime" | "LogAppendTime" => Ok(()),
        _ => Err("must be CreateTime or LogAppendTime".to_owned()),
    }
}

fn boolean(value: &str) -> Result<(), String> {
    if matches!(value, "true" | "false") { Ok(()) } else { Err("must be true or false".to_owned()) }
}

fn at_least<const MIN: i64>(value: &str) -> Result<(), String> {
    match value.trim().parse::<i64>() {
        Ok(number) if number >= MIN => Ok(()),
        Ok(_) => Err(format!("must be at least {MIN}")),
        Err(error) => Err(format!("not a number of type LONG: {error}")),
    }
}

fn int_at_least<const MIN: i64>(value: &str) -> Result<(), String> {
    at_least::<MIN>(value)?;
    value.trim().parse::<i32>().map(|_| ()).map_err(|error| format!("not a number of type INT: {error}"))
}

fn ratio(value: &str) -> Result<(), String> {
    match value.trim().parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(()),
        Ok(_) => Err("must be between 0 and 1".to_owned()),
        Err(error) => Err(format!("not a number of type DOUBLE: {error}")),
    }
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
