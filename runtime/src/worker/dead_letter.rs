//! The dead letter queue of a sink: records that could not be handled, as they were read, with the reason in headers.
//!
//! Beside the sink's data path (KIP-298, KIP-610). Invariants: key, value, headers and timestamp are the original bytes; offsets
//! are committed only after the queue acknowledged every record that was sent to it ([`DeadLetters::flush`]); a queue that does not
//! take a record fails the task, so nothing is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use api::{Error, ErrorKind, Result, Text};
use broker_client::{ConsumerRecord, Delivery, Header, NewTopic, Producer, ProducerRecord, TopicResult};

use super::clients;
use super::pipeline::StageFailure;
use super::task::TaskSetup;
use crate::config::SinkConfig;
use crate::herder::TaskId;
use crate::metrics::TaskMetrics;
use crate::store::broker_error;

/// A connector's dead letter queue, as one of its tasks writes it.
pub(crate) struct DeadLetters {
    producer: Producer,
    topic: String,
    with_context: bool,
    id: TaskId,
    metrics: Arc<TaskMetrics>,
    delivery: Arc<Delivery>,
}

impl DeadLetters {
    /// Opens the queue that the settings name, if they name one; makes its topic if it is not there.
    ///
    /// # Errors
    /// `Retriable` when the broker cannot be asked; `Fatal` when it refuses the topic.
    pub(crate) async fn open(setup: &TaskSetup, sink: &SinkConfig, id: &TaskId) -> Result<Option<Self>> {
        let topic = sink.dead_letter_topic.trim().to_owned();
        if topic.is_empty() {
            return Ok(None);
        }
        let context = &setup.context;
        let embedded = context.config.options.bootstrap_servers.is_empty();
        let new = NewTopic {
            name: topic.clone(),
            partitions: 1,
            replication_factor: if embedded { 1 } else { sink.dead_letter_replication_factor },
            configs: Vec::new(),
        };
        let doing = || format!("cannot create the dead letter queue {topic}");
        let admin = clients::connections(
            &context.client,
            &context.config,
            &setup.connector,
            "admin.",
            &id.connector,
        )?;
        let outcomes = admin.create_topics(&[new]).await;
        for outcome in outcomes.map_err(|error| broker_error(doing(), error))? {
            if let TopicResult::Failed(error) = outcome.result {
                return Err(broker_error(doing(), error));
            }
        }
        let producer = clients::producer(&context.client, &context.config, &setup.connector, &id.connector)?;
        producer.prepare(&topic).await.map_err(|error| broker_error(doing(), error))?;
        let (metrics, delivery) = (Arc::clone(&setup.metrics), Delivery::new());
        let (with_context, id) = (sink.dead_letter_headers, id.clone());
        Ok(Some(Self { producer, topic, with_context, id, metrics, delivery }))
    }

    /// Sends a record with the reason.
    ///
    /// # Errors
    /// When the queue does not take it.
    pub(crate) async fn send(
        &self,
        topic: &Text,
        partition: i32,
        raw: &ConsumerRecord,
        failure: &StageFailure,
    ) -> Result<()> {
        let context = match self.with_context {
            true => context_headers(&self.id, topic, partition, raw.offset, failure),
            false => Vec::new(),
        };
        let original = raw.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() });
        let added = context.iter().map(|(key, value)| Header { key, value: Some(value.as_bytes()) });
        let headers: Vec<_> = original.chain(added).collect();
        let record = ProducerRecord {
            topic: &self.topic,
            partition: None,
            key: raw.key.as_deref(),
            value: raw.value.as_deref(),
            headers: headers.as_slice().into(),
            timestamp: (raw.timestamp >= 0).then_some(raw.timestamp),
        };
        self.metrics.deadletterqueue_produce_requests.fetch_add(1, Relaxed);
        self.producer.ready().await.map_err(|error| self.refused(error))?;
        self.producer.append(record, &self.delivery).map_err(|error| self.refused(error))?;
        Ok(())
    }

    /// Waits until everything that was sent is acknowledged.
    ///
    /// # Errors
    /// When something was not.
    pub(crate) async fn flush(&self) -> Result<()> {
        if self.delivery.is_complete() && self.delivery.error().is_none() {
            return Ok(());
        }
        self.producer.flush().await.map_err(|error| self.refused(error))?;
        self.delivery.wait().await.map_err(|error| self.refused(error))
    }

    fn refused(&self, error: broker_client::Error) -> Error {
        self.metrics.deadletterqueue_produce_failures.fetch_add(1, Relaxed);
        let message = format!("the dead letter queue {} does not take records", self.topic);
        Error::fatal(message).with_source(error)
    }
}

/// Connect's headers, in its order.
fn context_headers(
    id: &TaskId,
    topic: &str,
    partition: i32,
    offset: i64,
    failure: &StageFailure,
) -> Vec<(&'static str, String)> {
    vec![
        ("__connect.errors.topic", topic.to_owned()),
        ("__connect.errors.partition", partition.to_string()),
        ("__connect.errors.offset", offset.to_string()),
        ("__connect.errors.connector.name", id.connector.clone()),
        ("__connect.errors.task.id", id.task.to_string()),
        ("__connect.errors.stage", failure.stage.name().to_owned()),
        ("__connect.errors.class.name", failure.class.to_owned()),
        ("__connect.errors.exception.class.name", exception_class(&failure.error).to_owned()),
        ("__connect.errors.exception.message", failure.error.to_string()),
        ("__connect.errors.exception.stacktrace", failure.error.report()),
    ]
}

/// The exception that Connect's users look for in the header.
const fn exception_class(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Retriable { .. } => "org.apache.kafka.connect.errors.RetriableException",
        ErrorKind::BadRecord => "org.apache.kafka.connect.errors.DataException",
        ErrorKind::BadConfig | ErrorKind::Fatal => "org.apache.kafka.connect.errors.ConnectException",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::tolerance::Stage;

    #[test]
    fn the_headers_say_where_and_why_in_connects_words() {
        let error = Error::bad_record("not JSON").context("value");
        let failure = StageFailure::new(Stage::ValueConverter, "x.JsonConverter", error);
        let headers = context_headers(&TaskId::new("c", 1), "orders", 3, 42, &failure);
        let find = |name: &str| {
            headers.iter().find(|(key, _)| *key == format!("__connect.errors.{name}")).unwrap().1.clone()
        };
        assert_eq!(headers.len(), 10);
        assert_eq!(
            (find("topic"), find("partition"), find("offset")),
            ("orders".into(), "3".into(), "42".into())
        );
        assert_eq!((find("stage"), find("class.name")), ("VALUE_CONVERTER".into(), "x.JsonConverter".into()));
        assert_eq!(find("exception.class.name"), "org.apache.kafka.connect.errors.DataException");
        assert_eq!(find("exception.stacktrace"), "value\nCaused by: not JSON");
    }
}
