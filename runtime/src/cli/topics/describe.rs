//! `millrace topics describe`: what the cluster knows of a topic, from four questions, as one answer.

use std::collections::HashMap;

use broker_client::{
    Client, ConfigEntry, ErrorCode, Isolation, OffsetSpec, PartitionDetails, TopicDetails, TopicPartition,
};
use clap::Args;
use serde_json::{Value, json};

use super::super::exit::{Exit, chain};
use super::super::output;
use super::super::table::{Align, Table, number, numbers, size};

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct DescribeArgs {
    /// The topics; all that are not internal, if none is named
    names: Vec<String>,
}

/// A topic and all that was found out.
#[derive(Debug)]
struct Described {
    topic: TopicDetails,
    partitions: Vec<DescribedPartition>,
    /// Settings that somebody made.
    configs: Vec<ConfigEntry>,
}

/// A partition; the offsets are unknown while it has no leader.
#[derive(Debug)]
struct DescribedPartition {
    details: PartitionDetails,
    earliest: Option<i64>,
    latest: Option<i64>,
    /// On disk; `None` if the brokers do not tell.
    bytes: Option<i64>,
}

pub(super) async fn run(client: &Client, arguments: &DescribeArgs, json: bool) -> Result<(), Exit> {
    let mut names = arguments.names.clone();
    if names.is_empty() {
        names.extend(client.topics().await?.into_iter().filter(|it| !it.is_internal).map(|it| it.name));
    }
    let mut described = Vec::new();
    for name in &names {
        described.push(describe(client, name).await?);
    }
    if json {
        return output::json(&described.iter().map(as_json).collect());
    }
    output::text(&described.iter().map(as_text).collect::<Vec<_>>().join("\n"))
}

async fn describe(client: &Client, name: &str) -> Result<Described, Exit> {
    let topic = client.describe_topic(name).await?;
    let led = topic.partitions.iter().filter(|it| it.leader.is_some());
    let places: Vec<_> = led.map(|it| TopicPartition::new(name, it.partition)).collect();
    let isolation = Isolation::ReadUncommitted;
    let earliest = client.list_offsets_of(&places, OffsetSpec::Earliest, isolation).await?;
    let latest = client.list_offsets_of(&places, OffsetSpec::Latest, isolation).await?;
    let offset = |offsets: &[i64], partition| {
        let index = places.iter().position(|place| place.partition == partition)?;
        offsets.get(index).copied()
    };
    let numbers: Vec<_> = topic.partitions.iter().map(|it| it.partition).collect();
    let bytes = match client.partition_bytes(name, &numbers).await {
        // Who may read a topic need not be allowed to look at the brokers' disks.
        Err(error) if error.code() == Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => {
            tracing::warn!("sizes are left out: {}", chain(&error));
            HashMap::new()
        }
        found => found?,
    };
    let partitions = topic.partitions.iter().map(|details| DescribedPartition {
        bytes: bytes.get(&details.partition).copied(),
        earliest: offset(&earliest, details.partition),
        latest: offset(&latest, details.partition),
        details: details.clone(),
    });
    let partitions = partitions.collect();
    let mut configs = client.topic_configs(name).await?;
    configs.retain(|entry| !entry.is_default);
    Ok(Described { topic, partitions, configs })
}

fn as_text(described: &Described) -> String {
    let Described { topic, partitions, configs } = described;
    let internal = if topic.is_internal { ", internal" } else { "" };
    let id = if topic.id.is_empty() { String::new() } else { format!(", id {}", topic.id) };
    let records: i64 = partitions.iter().filter_map(|it| Some(it.latest? - it.earliest?)).sum();
    let mut text =
        format!("Topic {}: {} partitions, {records} offsets{id}{internal}\n", topic.name, partitions.len());
    text += &partition_table(partitions).to_string();
    if !configs.is_empty() {
        let mut table =
            Table::new(&[("CONFIG", Align::Left), ("VALUE", Align::Left), ("SOURCE", Align::Left)]);
        for entry in configs {
            table.row([entry.name.clone(), shown_value(entry), entry.source.name().to_owned()]);
        }
        text += &format!("\n{table}");
    }
    text
}

fn partition_table(partitions: &[DescribedPartition]) -> Table {
    let mut table = Table::new(&[
        ("PARTITION", Align::Right),
        ("LEADER", Align::Right),
        ("REPLICAS", Align::Left),
        ("IN-SYNC", Align::Left),
        ("EARLIEST", Align::Right),
        ("LATEST", Align::Right),
        ("SIZE", Align::Right),
    ]);
    for DescribedPartition { details, earliest, latest, bytes } in partitions {
        table.row([
            details.partition.to_string(),
            number(details.leader),
            numbers(&details.replicas),
            numbers(&details.in_sync),
            number(*earliest),
            number(*latest),
            number(bytes.map(size)),
        ]);
    }
    table
}

fn shown_value(entry: &ConfigEntry) -> String {
    match &entry.value {
        Some(value) => value.clone(),
        None if entry.is_sensitive => "(hidden)".to_owned(),
        None => String::new(),
    }
}

fn as_json(described: &Described) -> Value {
    let Described { topic, partitions, configs } = described;
    let partition = |DescribedPartition { details, earliest, latest, bytes }: &DescribedPartition| {
        json!({
            "partition": details.partition,
            "leader": details.leader,
            "replicas": details.replicas,
            "in_sync": details.in_sync,
            "earliest": earliest,
            "latest": latest,
            "bytes": bytes,
        })
    };
    let config = |entry: &ConfigEntry| json!({"name": entry.name, "value": entry.value, "source": entry.source.name()});
    json!({
        "name": topic.name,
        "id": (!topic.id.is_empty()).then_some(&topic.id),
        "internal": topic.is_internal,
        "partitions": partitions.iter().map(partition).collect::<Vec<_>>(),
        "configs": configs.iter().map(config).collect::<Vec<_>>(),
    })
}
