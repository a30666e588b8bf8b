//! The far end: what really lies in a topic, asked of the broker and counted record by record.

use std::time::Duration;

use anyhow::{Result, ensure};
use broker_client::{
    Client, ClientConfig, ConsumerConfig, Isolation, OffsetSpec, PartitionConsumer, TopicPartition,
};

use crate::wait;

/// A look at a broker's topics, through a client of its own.
#[derive(Debug)]
pub struct FarEnd(Client);

impl FarEnd {
    /// Looks at the broker at this address.
    #[must_use]
    pub fn new(bootstrap_servers: &str) -> Self {
        let bootstrap_servers = vec![bootstrap_servers.to_owned()];
        Self(Client::new(ClientConfig { bootstrap_servers, ..ClientConfig::default() }))
    }

    /// Waits until a topic holds this many offsets that readers of committed records see, so they are durable. Gives how many it
    /// holds. The ends of transactions have offsets too.
    ///
    /// # Errors
    /// When it does not within the limit.
    pub async fn holds(&self, topic: &str, records: u64, limit: Duration) -> Result<u64> {
        wait::until(&format!("{records} records in {topic}"), limit, || async {
            let held: u64 = self.ends(topic).await?.into_iter().map(|(_, end)| end).sum();
            ensure!(held >= records, "{held} records");
            Ok(held)
        })
        .await
    }

    /// Waits until as many records can be read out of a topic, by counting them, and holds that they are no more.
    ///
    /// # Errors
    /// When they are not there within the limit, or when there are more.
    pub async fn has_exactly(&self, topic: &str, records: u64, limit: Duration) -> Result<()> {
        let what = format!("{records} records in {topic}");
        let counted = wait::until(&what, limit, || async {
            let counted = self.count(topic).await?;
            ensure!(counted >= records, "{counted} records");
            Ok(counted)
        });
        let counted = counted.await?;
        ensure!(counted == records, "{counted} records are in {topic} instead of {records}");
        Ok(())
    }

    /// Reads a topic from its beginning to its end as of now, and counts the committed records.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn count(&self, topic: &str) -> Result<u64> {
        let mut count = 0;
        for (partition, end) in self.ends(topic).await? {
            count += self.count_partition(TopicPartition::new(topic, partition), i64::try_from(end)?).await?;
        }
        Ok(count)
    }

    async fn count_partition(&self, partition: TopicPartition, end: i64) -> Result<u64> {
        let start = self.0.list_offsets(&partition.topic, partition.partition, OffsetSpec::Earliest).await?;
        let config = ConsumerConfig { isolation: Isolation::ReadCommitted, ..ConsumerConfig::default() };
        let mut consumer = PartitionConsumer::assign(&self.0, vec![(partition, start)], config);
        let (mut count, mut next) = (0, start);
        while next < end {
            for fetched in consumer.poll().await? {
                count += u64::try_from(fetched.records.len())?;
                next = fetched.next_offset;
            }
        }
        Ok(count)
    }

    async fn ends(&self, topic: &str) -> Result<Vec<(i32, u64)>> {
        let mut ends = Vec::new();
        for partition in 0..self.0.partitions_for(topic, false).await? {
            let committed = Isolation::ReadCommitted;
            let end = self.0.list_offsets_isolated(topic, partition, OffsetSpec::Latest, committed).await?;
            ends.push((partition, u64::try_from(end)?));
        }
        Ok(ends)
    }
}
