//! The topics that a source task writes to: made by its rules when they are not there, and remembered.
//!
//! Asked once per topic and task, when the producer meets the topic for the first time; for all that a batch of records meets at once,
//! since a task that captures a database meets thousands. Invariant: a topic that is there is never changed.

use std::collections::HashSet;
use std::sync::Arc;

use api::{Error, Result, Text};
use broker_client::{Client, NewTopic, Producer, TopicResult};

use crate::config::TopicCreationRule;
use crate::herder::TaskId;
use crate::store::{StatusStore, broker_error};

/// So many topics are asked for by one request at most.
const TOPICS_AT_ONCE: usize = 500;
/// Brokers refuse requests that make more than 10,000 partitions at once.
const PARTITIONS_AT_ONCE: usize = 5_000;
/// As many partitions a topic may get from a broker that is to choose.
const PARTITIONS_BY_DEFAULT: usize = 100;

/// Makes and remembers the topics of one task.
pub(crate) struct TaskTopics {
    client: Client,
    rules: Vec<TopicCreationRule>,
    /// Where used topics are remembered, if they are.
    tracking: Option<Arc<StatusStore>>,
    id: TaskId,
    /// The topic of the task's own offsets, if it may not write to it.
    forbidden: Option<String>,
    /// Topics used since they were last remembered.
    used: HashSet<Text>,
    /// The last of those.
    last: Option<Text>,
}

impl TaskTopics {
    /// The topics of a task, made by these rules; without rules the broker makes them.
    pub(crate) fn new(
        client: Client,
        rules: Vec<TopicCreationRule>,
        tracking: Option<Arc<StatusStore>>,
        id: TaskId,
        forbidden: Option<String>,
    ) -> Self {
        Self { client, rules, tracking, id, forbidden, used: HashSet::new(), last: None }
    }

    /// Whether records may go to a topic. In a task's own offsets topic they could not be read before the task's transaction has ended,
    /// and the task could wait for its offsets for ever.
    ///
    /// # Errors
    /// `Fatal`.
    pub(crate) fn check(&self, topic: &str) -> Result<()> {
        match &self.forbidden {
            Some(offsets) if offsets == topic => Err(Error::fatal(format!(
                "Source tasks may not produce to their own offsets topics when exactly-once support is enabled (topic {topic})"
            ))),
            _ => Ok(()),
        }
    }

    /// Gets topics ready to be written.
    ///
    /// # Errors
    /// `Retriable` when the broker cannot be asked; `Fatal` when it refuses a topic.
    pub(crate) async fn prepare(&self, producer: &Producer, topics: &[Text]) -> Result<()> {
        for some in topics.chunks(TOPICS_AT_ONCE) {
            let names: Vec<&str> = some.iter().map(|topic| &**topic).collect();
            if !self.rules.is_empty() {
                self.create(&names).await?;
            }
            producer.prepare_all(&names).await.map_err(|error| {
                broker_error(
                    format!(
                        "cannot write to {}: it could not be found or created (create it, set topic.creation.* \
                         in the connector, or auto.create.topics.enable at the broker)",
                        shown(&names)
                    ),
                    error,
                )
            })?;
        }
        Ok(())
    }

    /// Makes those topics that are not there and that a rule is for.
    async fn create(&self, topics: &[&str]) -> Result<()> {
        let counts = self.client.partition_counts(topics, false).await;
        let counts = counts
            .map_err(|error| broker_error(format!("cannot see whether {} exists", shown(topics)), error))?;
        let missing = topics.iter().zip(counts).filter(|(_, count)| count.is_none());
        let wanted = missing.filter_map(|(topic, _)| {
            let rule = self.rules.iter().find(|rule| rule.matches(topic))?;
            Some((new_topic(topic, rule), rule))
        });
        let wanted: Vec<_> = wanted.collect();
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            let (request, later) = rest.split_at(one_request(rest));
            self.create_at_once(request).await?;
            rest = later;
        }
        Ok(())
    }

    async fn create_at_once(&self, wanted: &[(NewTopic, &TopicCreationRule)]) -> Result<()> {
        let doing = |topic: &str| {
            let found = wanted.iter().find(|(new, _)| new.name == topic);
            let group = found.map_or("default", |(_, rule)| &*rule.group);
            format!("cannot create topic {topic} by topic.creation.{group}.*")
        };
        let new: Vec<NewTopic> = wanted.iter().map(|(new, _)| new.clone()).collect();
        let outcomes = self.client.create_topics(&new).await;
        let first = new.first().map_or("", |new| &*new.name);
        for outcome in outcomes.map_err(|error| broker_error(doing(first), error))? {
            if let TopicResult::Failed(error) = outcome.result {
                return Err(Error::fatal(doing(&outcome.name)).with_source(error));
            }
        }
        for (NewTopic { name, partitions, .. }, rule) in wanted {
            tracing::info!(topic = name, partitions, group = rule.group, "created topic");
        }
        Ok(())
    }

    /// Notes that a record goes to a topic. The hot path: nearly always the topic of the record before.
    pub(crate) fn using(&mut self, topic: &Text) {
        if self.last.as_ref() == Some(topic) || self.tracking.is_none() {
            return;
        }
        self.last = Some(topic.clone());
        if !self.used.contains(topic) {
            self.used.insert(topic.clone());
        }
    }

    /// Remembers the topics that were used. Called at the interval of commits.
    pub(crate) fn remember(&mut self, now_ms: i64) {
        let Some(tracking) = &self.tracking else { return };
        self.last = None;
        for topic in self.used.drain() {
            tracking.note_topic(&self.id, &topic, now_ms);
        }
    }
}

fn new_topic(topic: &str, rule: &TopicCreationRule) -> NewTopic {
    NewTopic {
        name: topic.to_owned(),
        partitions: rule.partitions,
        replication_factor: rule.replication_factor,
        configs: rule.configs.clone().into_iter().collect(),
    }
}

/// How many of these one request may make: at least one.
fn one_request(wanted: &[(NewTopic, &TopicCreationRule)]) -> usize {
    let mut partitions = 0_usize;
    let fits = |(new, _): &&(NewTopic, &TopicCreationRule)| {
        partitions += usize::try_from(new.partitions).unwrap_or(PARTITIONS_BY_DEFAULT);
        partitions <= PARTITIONS_AT_ONCE
    };
    wanted.iter().take_while(fits).count().max(1)
}

/// Topics in an error: the broker's answer, which is its cause, tells which one it is about.
fn shown(topics: &[&str]) -> String {
    match topics {
        [topic] => format!("topic {topic}"),
        [first, .., last] => format!("one of the {} topics {first} to {last}", topics.len()),
        [] => "no topic".to_owned(),
    }
}

#[cfg(test)]
mod tests;
