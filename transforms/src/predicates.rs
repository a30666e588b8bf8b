//! Predicates: which records a transform applies to.

use api::configs::config;
use api::{Plugin, PluginKind, Predicate, Record};

use crate::java_regex::JavaRegex;
use crate::{VERSION, bad_config};

/// Records of topics whose whole name matches.
pub(crate) static TOPIC_NAME_MATCHES: Plugin = Plugin {
    class: "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
    aliases: &[],
    version: VERSION,
    documentation: "True for records whose topic's whole name matches a regular expression.",
    config: TopicNameMatchesConfig::definition,
    kind: PluginKind::Predicate(|props| {
        let config = TopicNameMatchesConfig::parse(props).map_err(bad_config)?;
        Ok(Box::new(TopicNameMatches(JavaRegex::new("pattern", &config.pattern)?)))
    }),
};

/// Records that have a header.
pub(crate) static HAS_HEADER_KEY: Plugin = Plugin {
    class: "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
    aliases: &[],
    version: VERSION,
    documentation: "True for records with at least one header of the given name.",
    config: HasHeaderKeyConfig::definition,
    kind: PluginKind::Predicate(|props| {
        Ok(Box::new(HasHeaderKey(HasHeaderKeyConfig::parse(props).map_err(bad_config)?.name)))
    }),
};

/// Records without a value.
pub(crate) static RECORD_IS_TOMBSTONE: Plugin = Plugin {
    class: "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
    aliases: &[],
    version: VERSION,
    documentation: "True for records that are tombstones: records with a null value.",
    config: RecordIsTombstoneConfig::definition,
    kind: PluginKind::Predicate(|_props| Ok(Box::new(RecordIsTombstone))),
};

config! {
    /// Options of TopicNameMatches.
    struct TopicNameMatchesConfig {
        /// A Java regular expression for matching against the name of a record's topic.
        pattern: String = required("pattern").check(non_empty()).check(regex());
    }
}

config! {
    /// Options of HasHeaderKey.
    struct HasHeaderKeyConfig {
        /// The header name.
        name: String = required("name").check(non_empty());
    }
}

config! {
    /// It has no options.
    struct RecordIsTombstoneConfig {}
}

struct TopicNameMatches(JavaRegex);

impl Predicate for TopicNameMatches {
    fn test(&self, record: &Record) -> bool {
        // An expression that takes too long on a topic's name does not match it.
        matches!(self.0.matches(&record.topic), Ok(true))
    }
}

struct HasHeaderKey(String);

impl Predicate for HasHeaderKey {
    fn test(&self, record: &Record) -> bool {
        record.headers.last(&self.0).is_some()
    }
}

struct RecordIsTombstone;

impl Predicate for RecordIsTombstone {
    fn test(&self, record: &Record) -> bool {
        record.is_tombstone()
    }
}
