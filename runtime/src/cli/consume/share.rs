//! Reads as a member of a group: partitions come and go, what was printed is committed.
//!
//! Invariant: an offset is committed after everything in front of it was flushed to standard output; after a crash records
//! may be printed twice, never lost.

use std::collections::HashMap;
use std::time::Duration;

use broker_client::{
    AssignedPartition, ConsumerConfig, Error, GroupConfig, GroupConsumer, GroupEvent, OffsetAndMetadata,
    OffsetReset, Subscription, TopicPartition,
};
use tokio::time::Instant;

use super::super::asked_to_stop;
use super::super::connection::Connected;
use super::super::exit::{Exit, chain};
use super::ConsumeArgs;
use super::follow::Ends;
use super::sink::Sink;
use super::start::Start;
use crate::config::ConsumerOptions;

/// Between two commits while records come.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// A member at work.
struct Member<'a> {
    consumer: GroupConsumer,
    sink: &'a mut Sink,
    /// Offsets that were printed up to and not yet committed.
    printed: HashMap<TopicPartition, i64>,
    committed_at: Instant,
}

/// Prints what the group gives to this member.
pub(super) async fn run(
    connected: &Connected,
    arguments: &ConsumeArgs,
    group: String,
    options: &ConsumerOptions,
    config: ConsumerConfig,
    sink: &mut Sink,
) -> Result<(), Exit> {
    let client = &connected.client;
    for topic in &arguments.topics {
        client.partitions_for(topic, false).await?;
    }
    let isolation = config.isolation;
    let config = ConsumerConfig { offset_reset: reset(arguments, options)?, ..config };
    let group = group_config(group, options, config);
    let subscription = Subscription::Topics(arguments.topics.clone());
    let consumer = GroupConsumer::new(client, group, subscription);
    let mut member = Member { consumer, sink, printed: HashMap::new(), committed_at: Instant::now() };
    let stop = asked_to_stop();
    tokio::pin!(stop);
    let mut ends = Ends::never();
    while !member.sink.is_full() && !ends.are_reached(|it| member.consumer.position(it)) {
        let event = tokio::select! {
            stopped = &mut stop => {
                stopped?;
                break;
            }
            event = member.consumer.next() => event?,
        };
        if let GroupEvent::Assigned(partitions) = &event
            && arguments.exit_at_end
        {
            ends = Ends::now(client, &places(partitions), isolation).await?;
        }
        member.handle(event, &ends).await?;
    }
    member.commit().await?;
    member.consumer.leave().await?;
    Ok(())
}

impl Member<'_> {
    async fn handle(&mut self, event: GroupEvent, ends: &Ends) -> Result<(), Exit> {
        match event {
            GroupEvent::Assigned(_) => self.printed.clear(),
            GroupEvent::Revoked(_) => self.commit().await?,
            GroupEvent::Records(fetched) => {
                let place = TopicPartition { topic: fetched.topic.clone(), partition: fetched.partition };
                let next = self.sink.take(&fetched, ends.of(&place))?;
                self.printed.insert(place, next);
                self.sink.flush()?;
                if self.committed_at.elapsed() >= COMMIT_INTERVAL {
                    self.commit().await?;
                }
            }
        }
        Ok(())
    }

    /// Commits what was printed. That the group went on without us is no failure: others print it again.
    async fn commit(&mut self) -> Result<(), Exit> {
        let offsets: Vec<_> =
            self.printed.drain().map(|(place, next)| (place, OffsetAndMetadata::new(next))).collect();
        self.committed_at = Instant::now();
        if offsets.is_empty() {
            return Ok(());
        }
        match self.consumer.commit(&offsets).await {
            Err(error @ Error::MembershipLost { .. }) => {
                tracing::warn!("{}", chain(&error));
                Ok(())
            }
            outcome => outcome.map_err(Exit::from),
        }
    }
}

fn places(partitions: &[AssignedPartition]) -> Vec<TopicPartition> {
    partitions.iter().map(|it| TopicPartition { topic: it.topic.clone(), partition: it.partition }).collect()
}

/// Where the group has no offset yet.
fn reset(arguments: &ConsumeArgs, options: &ConsumerOptions) -> Result<OffsetReset, Exit> {
    let said = options.auto_offset_reset.as_deref().map(str::to_ascii_lowercase);
    match (arguments.offset, said.as_deref()) {
        (Some(Start::Earliest), _) => Ok(OffsetReset::Earliest),
        (Some(Start::Latest), _) => Ok(OffsetReset::Latest),
        (Some(_), _) => Err(Exit::usage(
            "a group starts where it stopped: with --group, --offset can only be earliest or latest (for the first time); `millrace groups reset-offsets` moves a group",
        )),
        (None, _) if arguments.from_beginning => Ok(OffsetReset::Earliest),
        (None, Some("earliest")) => Ok(OffsetReset::Earliest),
        (None, Some("latest")) => Ok(OffsetReset::Latest),
        (None, Some("none")) => Ok(OffsetReset::Fail),
        (None, _) if arguments.exit_at_end => Ok(OffsetReset::Earliest),
        (None, _) => Ok(OffsetReset::Latest),
    }
}

fn group_config(group: String, options: &ConsumerOptions, consumer: ConsumerConfig) -> GroupConfig {
    let defaults = GroupConfig::default();
    GroupConfig {
        group,
        session_timeout: options.session_timeout.unwrap_or(defaults.session_timeout),
        heartbeat_interval: options.heartbeat_interval.unwrap_or(defaults.heartbeat_interval),
        consumer,
        ..defaults
    }
}
