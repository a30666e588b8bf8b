//! The topics that a source task writes to: made by its rules when they are not there, and remembered.
//!
//! Asked once per topic and task, when the producer meets the topic for the first time. Invariant: a topic that is there is
//! never changed.

use std::sync::Arc;

use api::{Error, Result};
use broker_client::{Client, NewTopic, Producer, TopicResult};

use crate::config::TopicCreationRule;
use crate::herder::TaskId;
use crate::store::{StatusStore, broker_error};

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
    used: Vec<api::Text>,
}

impl TaskTopics {
    /// The topics of a task, made by these rules; without rules the broker makes them.
    pub(crate) const fn new(
        client: Client,
        rules: Vec<TopicCreationRule>,
        tracking: Option<Arc<StatusStore>>,
        id: TaskId,
        forbidden: Option<String>,
    ) -> Self {
        Self { client, rules, tracking, id, forbidden, used: Vec::new() }
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

    /// Gets a topic ready to be written.
    ///
    /// # Errors
    /// `Retriable` when the broker cannot be asked; `Fatal` when it refuses the topic.
    pub(crate) async fn prepare(&self, producer: &Producer, topic: &str) -> Result<()> {
        if !self.rules.is_empty() {
            self.create(topic).await?;
        }
        producer.prepare(topic).await.map_err(|error| {
            broker_error(
                format!(
                    "cannot write to topic {topic}: it could not be found or created (create it, set topic.creation.* \
                     in the connector, or auto.create.topics.enable at the broker)"
                ),
                error,
            )
        })
    }

    async fn create(&self, topic: &str) -> Result<()> {
        let known = self.client.topics().await;
        let known =
            known.map_err(|error| broker_error(format!("cannot see whether topic {topic} exists"), error))?;
        if known.iter().any(|known| known.name == topic) {
            return Ok(());
        }
        let Some(rule) = self.rules.iter().find(|rule| rule.matches(topic)) else { return Ok(()) };
        let new = NewTopic {
            name: topic.to_owned(),
            partitions: rule.partitions,
            replication_factor: rule.replication_factor,
            configs: rule.configs.clone().into_iter().collect(),
        };
        let outcomes = self.client.create_topics(&[new]).await;
        let doing = || format!("cannot create topic {topic} by topic.creation.{}.*", rule.group);
        for outcome in outcomes.map_err(|error| broker_error(doing(), error))? {
            if let TopicResult::Failed(error) = outcome.result {
                return Err(Error::fatal(doing()).with_source(error));
            }
        }
        tracing::info!(topic, partitions = rule.partitions, group = rule.group, "created topic");
        Ok(())
    }

    /// Notes that a record goes to a topic. The hot path: nearly always the topic of the record before.
    pub(crate) fn using(&mut self, topic: &api::Text) {
        if self.used.last() == Some(topic) || self.tracking.is_none() {
            return;
        }
        if !self.used.contains(topic) {
            self.used.push(topic.clone());
        }
    }

    /// Remembers the topics that were used. Called at the interval of commits.
    pub(crate) fn remember(&mut self, now_ms: i64) {
        let Some(tracking) = &self.tracking else { return };
        for topic in self.used.drain(..) {
            tracking.note_topic(&self.id, &topic, now_ms);
        }
    }
}
