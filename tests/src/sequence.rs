//! Numbers without a gap and without a repeat: what the generator's orders in a topic must be, as readers of either kind see them.
//!
//! The check of exactly-once delivery. Invariant of the check: a topic is read from its beginning to where it ends at that moment for
//! this kind of reader.

use anyhow::{Context, Result, ensure};
use broker_client::{
    Client, ClientConfig, ConsumerConfig, Isolation, OffsetSpec, PartitionConsumer, TopicPartition,
};

/// A client of these brokers.
#[must_use]
pub fn client(bootstrap_servers: &str) -> Client {
    let bootstrap_servers = vec![bootstrap_servers.to_owned()];
    Client::new(ClientConfig { bootstrap_servers, ..ClientConfig::default() })
}

/// The values of a topic, partition by partition.
///
/// # Errors
/// When it cannot be read.
pub async fn values(client: &Client, topic: &str, isolation: Isolation) -> Result<Vec<Vec<u8>>> {
    let mut values = Vec::new();
    for number in 0..client.partitions_for(topic, false).await? {
        let partition = TopicPartition::new(topic.to_owned(), number);
        let end = client.list_offsets_isolated(topic, number, OffsetSpec::Latest, isolation).await?;
        let config = ConsumerConfig { isolation, ..ConsumerConfig::default() };
        let mut reader = PartitionConsumer::assign(client, vec![(partition.clone(), 0)], config);
        while reader.position(&partition).unwrap_or(0) < end {
            let records = reader.poll().await?.into_iter().flat_map(|fetched| fetched.records);
            values.extend(
                records
                    .filter(|record| record.offset < end)
                    .map(|record| record.value.unwrap_or_default().to_vec()),
            );
        }
    }
    Ok(values)
}

/// The numbers of the generator's orders in a topic, sorted.
///
/// # Errors
/// When the topic cannot be read, or holds something else.
pub async fn orders(client: &Client, topic: &str, isolation: Isolation) -> Result<Vec<i64>> {
    let mut numbers = Vec::new();
    for value in values(client, topic, isolation).await? {
        let order: serde_json::Value = serde_json::from_slice(&value)?;
        numbers.push(order["orderid"].as_i64().with_context(|| format!("no order: {order}"))?);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Whether sorted numbers are 0, 1, 2, ... each once: how many there are.
///
/// # Errors
/// The first that is missing or there twice.
pub fn unbroken(numbers: &[i64]) -> Result<usize> {
    for (expected, number) in (0..).zip(numbers) {
        ensure!(*number >= expected, "{number} is there twice");
        ensure!(*number == expected, "{expected} is missing, {number} is there");
    }
    Ok(numbers.len())
}

#[cfg(test)]
mod tests {
    use super::unbroken;

    #[test]
    fn gaps_and_repeats_are_told() {
        assert_eq!(unbroken(&[0, 1, 2]).unwrap(), 3);
        assert!(unbroken(&[0, 1, 1, 2]).unwrap_err().to_string().contains("1 is there twice"));
        assert!(unbroken(&[0, 2]).unwrap_err().to_string().contains("1 is missing"));
        assert!(unbroken(&[1]).is_err());
    }
}
