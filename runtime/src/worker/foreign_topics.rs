//! What others put into topics, for connectors that take over from them or are told something by them: any topic of any Kafka-protocol
//! cluster, read once from its beginning to what is its end now, or followed.
//!
//! Beside the data path. Invariant: an answer without an error holds every committed record that
//! was in the topic when it was asked for.

mod follow;

use api::{Error, Props, Result, TopicFollower, TopicReader, async_trait};
use broker_client::{
    Client, ConsumerConfig, Isolation, OffsetReset, OffsetSpec, PartitionConsumer, TopicPartition,
};

use self::follow::{Followed, Following};
use super::settings::parse;
use crate::config::SecurityOptions;
use crate::store::broker_error;

/// A cluster that gives nothing new for so long is taken for gone.
const SILENCE_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// Reads topics for one connector.
pub(crate) struct ForeignTopics {
    client: Client,
    connector: String,
}

impl ForeignTopics {
    pub(crate) fn new(client: &Client, connector: &str) -> Self {
        Self { client: client.clone(), connector: connector.to_owned() }
    }

    fn client(&self, settings: &Props) -> Result<Client> {
        other_cluster(&self.client, &self.connector, settings)
    }
}

/// The way to the cluster that the settings name, or to our own. Nothing of the worker's own security goes to another cluster.
pub(crate) fn other_cluster(own: &Client, connector: &str, settings: &Props) -> Result<Client> {
    let brokers = settings.get("bootstrap.servers").map(|brokers| brokers.trim()).unwrap_or_default();
    if brokers.is_empty() {
        return Ok(own.clone());
    }
    let mut config = (**own.config()).clone();
    config.bootstrap_servers = brokers.split(',').map(|broker| broker.trim().to_owned()).collect();
    let security = SecurityOptions::parse(&SecurityOptions::select(settings));
    config.security = parse(connector, security.and_then(|options| options.security()))?;
    Ok(Client::new(config))
}

#[async_trait]
impl TopicReader for ForeignTopics {
    async fn read(
        &self,
        topic: &str,
        settings: &Props,
        each: &mut (dyn for<'a> FnMut(&'a [u8]) -> Result<()> + Send),
    ) -> Result<bool> {
        let client = self.client(settings)?;
        let failed = |error| broker_error(format!("cannot read topic {topic}"), error);
        let partitions = match client.partitions_for(topic, false).await {
            Err(broker_client::Error::UnknownTopic { .. }) => return Ok(false),
            other => other.map_err(failed)?,
        };
        for partition in 0..partitions {
            let isolation = Isolation::ReadCommitted;
            let start = client.list_offsets(topic, partition, OffsetSpec::Earliest).await.map_err(failed)?;
            let end = client.list_offsets_isolated(topic, partition, OffsetSpec::Latest, isolation).await;
            read_partition(&client, (topic, partition), start..end.map_err(failed)?, each).await?;
        }
        Ok(true)
    }

    fn follow(&self, topic: &str, from: Option<i64>, settings: &Props) -> Result<Box<dyn TopicFollower>> {
        let client = self.client(settings)?;
        let group = settings.get("group.id").filter(|group| !group.is_empty()).cloned();
        Ok(Box::new(Following::start(Followed { client, topic: topic.to_owned(), from, group })))
    }
}

async fn read_partition(
    client: &Client,
    (topic, partition): (&str, i32),
    offsets: std::ops::Range<i64>,
    each: &mut (dyn for<'a> FnMut(&'a [u8]) -> Result<()> + Send),
) -> Result<()> {
    let reading = ConsumerConfig {
        offset_reset: OffsetReset::Fail,
        isolation: Isolation::ReadCommitted,
        ..ConsumerConfig::default()
    };
    let place = TopicPartition::new(topic, partition);
    let mut consumer = PartitionConsumer::assign(client, vec![(place.clone(), offsets.start)], reading);
    let mut next = offsets.start;
    while next < offsets.end {
        let polled = tokio::time::timeout(SILENCE_MAX, consumer.poll()).await.map_err(|elapsed| {
            let seconds = SILENCE_MAX.as_secs();
            Error::retriable(format!("the brokers of topic {topic} gave no answer within {seconds} s"))
                .with_source(elapsed)
        })?;
        let fetched = polled.map_err(|error| broker_error(format!("cannot read topic {topic}"), error))?;
        for record in fetched.iter().flat_map(|fetched| &fetched.records) {
            if let Some(value) = record.value.as_deref().filter(|_| record.offset < offsets.end) {
                each(value)?;
            }
        }
        next = consumer.position(&place).unwrap_or(next);
    }
    Ok(())
}
