//! Signals to the running tasks of a connector, put into the topic that the connector reads them from.
//!
//! At the desk of any worker: the topic is where all meet. Invariant: a signal that was accepted is durable, and waits for the task
//! wherever it runs, or runs next.

use api::{PluginKind, SignalTopic};
use broker_client::{Client, Delivery, NewTopic, Producer, ProducerConfig, ProducerRecord, TopicResult};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use super::desk::{Desk, failed};
use super::{HerderError, HerderResult, Signal, SignalSent};
use crate::store::broker_error;
use crate::worker::{CONNECTOR_KINDS, other_cluster};

impl Desk {
    /// Puts a signal where the connector's tasks read it.
    pub(crate) async fn signal(&self, name: &str, signal: Signal) -> HerderResult<SignalSent> {
        let place = self.signal_topic(name)?;
        let client = other_cluster(&self.context.client, name, &place.client).map_err(failed)?;
        prepare(&client, &place.topic).await?;
        let id = signal.id.map_or_else(random_id, Ok)?;
        let value = json!({ "id": id, "type": signal.kind, "data": signal.data }).to_string();
        produce(&client, &place, value.as_bytes())
            .await
            .map_err(|error| failed(broker_error(format!("cannot write to topic {}", place.topic), error)))?;
        tracing::info!(connector = name, id, kind = signal.kind, topic = place.topic, "a signal was sent");
        Ok(SignalSent { id, topic: place.topic })
    }

    fn signal_topic(&self, name: &str) -> HerderResult<SignalTopic> {
        let config = self.connector(name)?.config();
        let resolved = self.context.checker.resolve(&config).map_err(failed)?;
        let class = resolved.get("connector.class").map_or("", |class| class.trim());
        let plugin = self.context.registry.find(&CONNECTOR_KINDS, class).map_err(failed)?;
        let found = match plugin.kind {
            PluginKind::Source(make) => make().signal_topic(&resolved),
            _ => None,
        };
        found.ok_or_else(|| {
            HerderError::bad_request(format!(
                "Connector {name} reads no topic of signals; with Debezium's connectors signal.enabled.channels=source,kafka has it read \
                 one"
            ))
        })
    }
}

/// Sees to it that the topic is there: brokers may not make it by themselves.
async fn prepare(client: &Client, topic: &str) -> HerderResult<()> {
    let cannot = |error| failed(broker_error(format!("cannot create the topic of signals {topic}"), error));
    match client.partitions_for(topic, false).await {
        Err(broker_client::Error::UnknownTopic { .. }) => {}
        known => return known.map(drop).map_err(cannot),
    }
    let wanted =
        NewTopic { name: topic.to_owned(), partitions: 1, replication_factor: -1, configs: Vec::new() };
    for outcome in client.create_topics(&[wanted]).await.map_err(cannot)? {
        match outcome.result {
            // What brokers say nothing of shows when the signal is written.
            TopicResult::Done | TopicResult::AlreadyExists | TopicResult::Unknown => {}
            TopicResult::Failed(error) => return Err(cannot(error)),
        }
    }
    Ok(())
}

async fn produce(client: &Client, place: &SignalTopic, value: &[u8]) -> broker_client::Result<()> {
    let producer = Producer::new(client, ProducerConfig::default());
    producer.prepare(&place.topic).await?;
    let delivery = Delivery::new();
    let record = ProducerRecord {
        topic: &place.topic,
        partition: Some(0),
        key: Some(place.key.as_bytes()),
        value: Some(value),
        ..ProducerRecord::default()
    };
    producer.append(record, &delivery)?;
    producer.flush().await?;
    delivery.wait().await
}

/// A name for a signal that has none.
fn random_id() -> HerderResult<String> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|ring::error::Unspecified| HerderError::internal("the system gives no random numbers"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
