//! `millrace topics list`.

use broker_client::{Client, TopicDescription};
use clap::Args;
use serde_json::{Value, json};

use super::super::exit::Exit;
use super::super::output;
use super::super::table::{Align, Table};

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The broker's own topics too
    #[arg(long)]
    internal: bool,
}

pub(super) async fn run(client: &Client, arguments: &ListArgs, json: bool) -> Result<(), Exit> {
    let mut topics = client.topics().await?;
    topics.retain(|topic| arguments.internal || !topic.is_internal);
    if json { output::json(&as_json(&topics)) } else { output::text(&table(&topics).to_string()) }
}

fn table(topics: &[TopicDescription]) -> Table {
    let mut table =
        Table::new(&[("NAME", Align::Left), ("PARTITIONS", Align::Right), ("REPLICAS", Align::Right)]);
    for topic in topics {
        table.row([topic.name.clone(), topic.partitions.to_string(), topic.replication_factor.to_string()]);
    }
    table
}

fn as_json(topics: &[TopicDescription]) -> Value {
    let topic = |topic: &TopicDescription| {
        json!({
            "name": topic.name,
            "partitions": topic.partitions,
            "replication_factor": topic.replication_factor,
            "internal": topic.is_internal,
        })
    };
    topics.iter().map(topic).collect()
}
