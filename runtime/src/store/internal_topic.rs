//! The worker's own topics: made with the right settings, refused with the wrong ones.
//!
//! At start, before anything is read. Invariant: a topic that is not compacted, or a config topic with more than one
//! partition, is never used: old records would vanish from the one, and changes would lose their order in the other.

use api::{Error, Result};
use broker_client::{Client, NewTopic, TopicResult};

use super::error::broker_error;
use crate::config::InternalTopic;

/// Makes the topic if it is not there; checks it if it is. `option` is the setting that names it.
///
/// # Errors
/// `BadConfig` when the topic cannot serve, with what to change; else what the broker said.
pub(crate) async fn ensure(client: &Client, topic: &InternalTopic, option: &str) -> Result<i32> {
    let name = &topic.name;
    let known = client
        .topics()
        .await
        .map_err(|error| broker_error(format!("cannot list topics to find {name}"), error))?;
    if !known.iter().any(|known| known.name == *name) {
        create(client, topic, option).await?;
    }
    check_compacted(client, name, option).await?;
    let partitions = client
        .partitions_for(name, false)
        .await
        .map_err(|error| broker_error(format!("cannot read how many partitions topic {name} has"), error))?;
    if topic.partitions == 1 && partitions != 1 {
        return Err(Error::bad_config(format!(
            "topic {name} ({option}) must have exactly 1 partition, since the order of its records counts, but has \
             {partitions}; use another topic, or delete this one and let the worker create it"
        )));
    }
    Ok(partitions)
}

async fn create(client: &Client, topic: &InternalTopic, option: &str) -> Result<()> {
    let name = &topic.name;
    let mut configs: Vec<_> = topic.configs.clone().into_iter().collect();
    configs.push(("cleanup.policy".to_owned(), "compact".to_owned()));
    let new = NewTopic {
        name: name.clone(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        configs,
    };
    let outcomes = client
        .create_topics(&[new])
        .await
        .map_err(|error| broker_error(format!("cannot create topic {name} ({option})"), error))?;
    for outcome in outcomes {
        if let TopicResult::Failed(error) = outcome.result {
            return Err(broker_error(
                format!(
                    "cannot create topic {name} ({option}) with {} partitions and replication factor {}; on a single \
                     broker set the replication factor to 1",
                    topic.partitions, topic.replication_factor
                ),
                error,
            ));
        }
    }
    tracing::info!(topic = %name, partitions = topic.partitions, "created internal topic");
    Ok(())
}

async fn check_compacted(client: &Client, name: &str, option: &str) -> Result<()> {
    let configs = client.topic_configs(name).await.map_err(|error| {
        broker_error(format!("cannot read the settings of topic {name} ({option})"), error)
    })?;
    let policy =
        configs.into_iter().find(|entry| entry.name == "cleanup.policy").and_then(|entry| entry.value);
    let policy = policy.unwrap_or_default();
    if policy == "compact" {
        return Ok(());
    }
    Err(Error::bad_config(format!(
        "topic {name} ({option}) has cleanup.policy={policy}, but must have cleanup.policy=compact, or its records would be \
         deleted; change the topic's setting, or name another topic"
    )))
}
