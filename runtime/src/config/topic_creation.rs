//! Topics that a source connector creates (KIP-158): `topic.creation.default.*` and `topic.creation.<group>.*`.
//!
//! Validation reads the definition, source tasks the rules, when they meet a topic that is not there. Invariant: the first
//! group in `topic.creation.groups` that matches a topic decides; `default` comes last and matches all.

use configs::check::{Check, custom};
use configs::{ConfigDef, ConfigErrors, Parsed, Props, config, strip_prefix};

/// The prefix of everything here.
const PREFIX: &str = "topic.creation.";

/// A count of which -1 leaves the choice to the broker.
const fn count_or_broker_default() -> Check {
    custom("Positive number, or -1 to use the broker's default", |value: &Parsed| match value.as_integer() {
        Some(number) if number != -1 && number < 1 => {
            Err(format!("Must be a positive number, or -1 to use the broker's default, not {number}"))
        }
        _ => Ok(()),
    })
}

config! {
    /// The options of the group `default`, which must say both counts.
    struct DefaultGroup {
        /// Regular expressions for the names of topics that this group is for.
        include: Vec<String> = default("include", ".*").importance(Low).check(regex()).width(Width::Long);
        /// Regular expressions for the names of topics that this group is not for, though they match `include`.
        exclude: Vec<String> = default("exclude", "").importance(Low).check(regex()).width(Width::Long);
        /// The replication factor of new topics; -1 is the broker's default.
        replication_factor: i16 = required("replication.factor").importance(Low).check(count_or_broker_default()).width(Width::Long);
        /// The number of partitions of new topics; -1 is the broker's default.
        partitions: i32 = required("partitions").importance(Low).check(count_or_broker_default()).width(Width::Long);
    }
}

config! {
    /// The options of any other group; what it does not say is said by `default`.
    pub struct TopicCreationGroup {
        /// Regular expressions for the names of topics that this group is for.
        include: Vec<String> = default("include", "").importance(Low).check(regex()).width(Width::Long);
        /// Regular expressions for the names of topics that this group is not for, though they match `include`.
        exclude: Vec<String> = default("exclude", "").importance(Low).check(regex()).width(Width::Long);
        /// The replication factor of new topics; -1 is the broker's default.
        replication_factor: Option<i16> = optional("replication.factor").importance(Low).check(count_or_broker_default()).width(Width::Long);
        /// The number of partitions of new topics; -1 is the broker's default.
        partitions: Option<i32> = optional("partitions").importance(Low).check(count_or_broker_default()).width(Width::Long);
    }
}

/// How the topics of one group are created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicCreationRule {
    /// The group's name.
    pub group: String,
    /// Patterns, one of which must match the whole name.
    pub include: Vec<String>,
    /// Patterns of which none may match the whole name.
    pub exclude: Vec<String>,
    /// Partitions, or -1 for the broker's default.
    pub partitions: i32,
    /// Replicas, or -1 for the broker's default.
    pub replication_factor: i16,
    /// Settings of the topic, such as `cleanup.policy`.
    pub configs: Props,
}

impl TopicCreationRule {
    /// Whether this group is for a topic of that name.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        let any = |patterns: &[String]| {
            patterns.iter().any(|pattern| {
                configs::check::compile(&format!("^(?:{pattern})$"))
                    .is_ok_and(|regex| regex.is_match(topic).unwrap_or(false))
            })
        };
        any(&self.include) && !any(&self.exclude)
    }
}

/// The options of every group that `props` names, or `None` when they say nothing about creating topics. A list of groups that is
/// itself wrong (an alias twice) adds nothing to its error.
#[must_use]
pub fn topic_creation_definition(props: &Props) -> Option<ConfigDef> {
    let groups = groups(props);
    let twice = groups.iter().enumerate().any(|(index, group)| groups[..index].contains(group));
    if twice || !props.keys().any(|name| name.starts_with(PREFIX)) {
        return None;
    }
    let default = DefaultGroup::definition().prefixed("topic.creation.default.").grouped("default");
    let joined = groups.iter().fold(default.open("topic.creation.default."), |definition, group| {
        let prefix = format!("{PREFIX}{group}.");
        let heading = format!("Topic Creation: {group}");
        let own = TopicCreationGroup::definition().prefixed(&prefix).grouped(&heading);
        definition.merge(&own.open(prefix))
    });
    Some(joined)
}

/// The rules of a source connector's settings, in the order in which they are asked; none when it says nothing about topics.
///
/// # Errors
/// Every option that is wrong.
pub fn topic_creation_rules(props: &Props) -> Result<Vec<TopicCreationRule>, ConfigErrors> {
    if topic_creation_definition(props).is_none() {
        return Ok(Vec::new());
    }
    let mut errors = ConfigErrors::new();
    let mut rules = Vec::new();
    let default = DefaultGroup::parse_prefixed(props, "topic.creation.default.")?;
    for group in groups(props) {
        match TopicCreationGroup::parse_prefixed(props, &format!("{PREFIX}{group}.")) {
            Ok(said) => rules.push(TopicCreationRule {
                include: said.include,
                exclude: said.exclude,
                partitions: said.partitions.unwrap_or(default.partitions),
                replication_factor: said.replication_factor.unwrap_or(default.replication_factor),
                configs: topic_configs(props, &group),
                group,
            }),
            Err(found) => errors.extend(found),
        }
    }
    rules.push(TopicCreationRule {
        include: default.include,
        exclude: default.exclude,
        partitions: default.partitions,
        replication_factor: default.replication_factor,
        configs: topic_configs(props, "default"),
        group: "default".to_owned(),
    });
    errors.into_result(rules)
}

fn groups(props: &Props) -> Vec<String> {
    let said = props.get("topic.creation.groups").map_or("", String::as_str);
    said.split(',').map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned).collect()
}

/// What a group says beyond the four options: settings of the topic itself.
fn topic_configs(props: &Props, group: &str) -> Props {
    let mut said = strip_prefix(props, &format!("{PREFIX}{group}."));
    said.retain(|name, _| DefaultGroup::definition().get(name).is_none());
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn props(said: &[(&str, &str)]) -> Props {
        said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn groups_inherit_from_default_and_are_asked_first() {
        let said = props(&[
            ("topic.creation.groups", "compacted"),
            ("topic.creation.default.partitions", "6"),
            ("topic.creation.default.replication.factor", "-1"),
            ("topic.creation.compacted.include", "state\\..*"),
            ("topic.creation.compacted.partitions", "1"),
            ("topic.creation.compacted.cleanup.policy", "compact"),
        ]);
        let rules = topic_creation_rules(&said).unwrap();
        let first = |topic: &str| rules.iter().find(|rule| rule.matches(topic)).unwrap();
        assert_eq!((first("state.a").partitions, first("state.a").replication_factor), (1, -1));
        assert_eq!(first("state.a").configs, props(&[("cleanup.policy", "compact")]));
        assert_eq!((&*first("orders").group, first("orders").partitions), ("default", 6));
    }

    #[test]
    fn the_default_group_must_say_its_counts() {
        let errors = topic_creation_rules(&props(&[("topic.creation.groups", "a")])).unwrap_err();
        assert_eq!(errors.iter().count(), 2, "{errors}");
        assert_eq!(topic_creation_rules(&props(&[("topic", "a")])), Ok(Vec::new()));
        let zero = props(&[
            ("topic.creation.default.partitions", "0"),
            ("topic.creation.default.replication.factor", "1"),
        ]);
        let text = topic_creation_rules(&zero).unwrap_err().to_string();
        assert!(text.contains("topic.creation.default.partitions: Must be a positive number"), "{text}");
    }
}
