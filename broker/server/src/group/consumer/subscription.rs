//! Which topics a group reads, by name and by pattern, and whether that has changed.
//!
//! Patterns are those of the regex crate, which like Kafka's RE2 takes time in proportion to the text; a pattern must match a whole name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use broker_protocol::{ErrorCode, Uuid};
use regex::{Regex, RegexBuilder};

use super::{answers::Refused, member::ConsumerMember, state::ConsumerGroup, topics::TopicImage};

/// Most bytes of a compiled pattern.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// What patterns match, as of one version of the topics.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    version: u64,
    matching: HashMap<String, BTreeSet<String>>,
}

/// Reads a pattern.
pub(super) fn compile(pattern: &str) -> Result<Regex, Refused> {
    let whole = format!("^(?:{pattern})$");
    RegexBuilder::new(&whole).size_limit(REGEX_BYTES_MAX).build().map_err(|error| {
        let message = format!("SubscribedTopicRegex `{pattern}` is not a valid regular expression: {error}");
        Refused::new(ErrorCode::INVALID_REGULAR_EXPRESSION, message)
    })
}

impl Patterns {
    /// Takes in the patterns of the members; costs nothing while neither they nor the topics change.
    fn refresh<'a>(&mut self, patterns: impl Iterator<Item = &'a String>, image: &TopicImage) {
        let patterns: BTreeSet<&String> = patterns.collect();
        let known = self.version == image.version && patterns.len() == self.matching.len();
        if known && patterns.iter().all(|pattern| self.matching.contains_key(*pattern)) {
            return;
        }
        self.version = image.version;
        self.matching =
            patterns.into_iter().map(|pattern| (pattern.clone(), matching(pattern, image))).collect();
    }
}

fn matching(pattern: &str, image: &TopicImage) -> BTreeSet<String> {
    match compile(pattern) {
        Ok(regex) => image.names().filter(|name| regex.is_match(name)).cloned().collect(),
        Err(refused) => {
            // It was accepted once, by another version of the broker perhaps.
            tracing::warn!("a group's pattern matches nothing: {}", refused.message);
            BTreeSet::new()
        }
    }
}

impl ConsumerGroup {
    /// Brings what patterns match up to date.
    pub(super) fn resolve_patterns(&mut self, image: &TopicImage) {
        self.patterns.refresh(self.members.values().filter_map(|member| member.regex.as_ref()), image);
    }

    /// Names of the topics that a member subscribes to.
    pub(crate) fn topics_of<'a>(&'a self, member: &'a ConsumerMember) -> impl Iterator<Item = &'a String> {
        let matched = member.regex.as_ref().and_then(|regex| self.patterns.matching.get(regex));
        member.topics.iter().chain(matched.into_iter().flatten())
    }

    /// Partition counts of the topics that a member subscribes to and that there are.
    pub(super) fn shapes_of(&self, member: &ConsumerMember, image: &TopicImage) -> BTreeMap<Uuid, i32> {
        let shapes = self.topics_of(member).filter_map(|name| image.get(name));
        shapes.map(|shape| (shape.id, shape.partitions)).collect()
    }

    /// Changes whenever the group reads other topics, or its topics have other partitions; 0 if it reads none.
    pub(super) fn hash_topics(&self, image: &TopicImage) -> i64 {
        let names: BTreeSet<&String> =
            self.members.values().flat_map(|member| self.topics_of(member)).collect();
        let mut hash = Fnv::default();
        let mut any = false;
        for (name, shape) in names.into_iter().filter_map(|name| image.get(name).map(|shape| (name, shape))) {
            any = true;
            hash.add(name.as_bytes());
            hash.add(&shape.id.0);
            hash.add(&shape.partitions.to_be_bytes());
        }
        if any { i64::from_be_bytes(hash.0.to_be_bytes()) } else { 0 }
    }
}

/// FNV-1a: stands in the log, so it must not change with the compiler.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        // The end of each part counts too, so that parts cannot run into each other.
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
