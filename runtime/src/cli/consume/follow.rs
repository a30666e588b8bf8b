//! Reads partitions of one's choice until it is enough, or Ctrl-C.

use std::collections::HashMap;

use broker_client::{Client, ConsumerConfig, Isolation, OffsetSpec, PartitionConsumer, TopicPartition};

use super::super::asked_to_stop;
use super::super::exit::Exit;
use super::sink::Sink;

/// Where each partition is read to; nothing known means on and on.
#[derive(Debug, Default)]
pub(in super::super) struct Ends(Option<HashMap<TopicPartition, i64>>);

impl Ends {
    /// Reading goes on until Ctrl-C.
    pub(in super::super) fn never() -> Self {
        Self(None)
    }

    /// Where the partitions end now. With committed records only, that is in front of the first open transaction.
    pub(in super::super) async fn now(
        client: &Client,
        partitions: &[TopicPartition],
        isolation: Isolation,
    ) -> Result<Self, Exit> {
        let offsets = client.list_offsets_of(partitions, OffsetSpec::Latest, isolation).await?;
        Ok(Self(Some(partitions.iter().cloned().zip(offsets).collect())))
    }

    /// The offset to stop in front of.
    pub(super) fn of(&self, partition: &TopicPartition) -> Option<i64> {
        self.0.as_ref()?.get(partition).copied()
    }

    /// Whether every partition was read to its end. Markers and gaps are passed like records, so positions get there.
    pub(super) fn are_reached(&self, position: impl Fn(&TopicPartition) -> Option<i64>) -> bool {
        let Some(ends) = &self.0 else { return false };
        ends.iter().all(|(partition, end)| position(partition).is_some_and(|position| position >= *end))
    }
}

/// Prints the records from these places on.
pub(in super::super) async fn follow(
    client: &Client,
    places: Vec<(TopicPartition, i64)>,
    config: ConsumerConfig,
    ends: &Ends,
    sink: &mut Sink,
) -> Result<(), Exit> {
    let mut consumer = PartitionConsumer::assign(client, places, config);
    let stop = asked_to_stop();
    tokio::pin!(stop);
    while !sink.is_full() && !ends.are_reached(|partition| consumer.position(partition)) {
        let batches = tokio::select! {
            stopped = &mut stop => return stopped,
            batches = consumer.poll() => batches?,
        };
        for fetched in &batches {
            let place = TopicPartition { topic: fetched.topic.clone(), partition: fetched.partition };
            sink.take(fetched, ends.of(&place))?;
        }
        sink.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_reached_when_every_partition_is() {
        let place = |number| TopicPartition::new("t", number);
        let ends = Ends(Some(HashMap::from([(place(0), 5), (place(1), 0)])));
        assert!(!ends.are_reached(|_| None));
        assert!(!ends.are_reached(|it| Some(if *it == place(0) { 4 } else { 0 })));
        assert!(ends.are_reached(|it| Some(if *it == place(0) { 5 } else { 0 })));
        assert!(!Ends::never().are_reached(|_| Some(9)));
        assert_eq!((ends.of(&place(0)), ends.of(&place(7))), (Some(5), None));
    }
}
