//! `millrace topics alter`.

use broker_client::{Client, ConfigChange};
use clap::Args;
use serde_json::json;

use super::super::exit::Exit;
use super::super::output;
use super::setting;

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct AlterArgs {
    /// The topic
    name: String,
    #[command(flatten)]
    changes: ChangeArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct ChangeArgs {
    /// A setting to make; may be said several times
    #[arg(long = "config", short = 'c', value_name = "NAME=VALUE", value_parser = setting)]
    configs: Vec<(String, String)>,
    /// A setting to put back to its default; may be said several times
    #[arg(long = "delete-config", value_name = "NAME")]
    delete_configs: Vec<String>,
    /// How many partitions it shall have, more than now. Records with keys go elsewhere from then on
    #[arg(long, short = 'p', value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
}

pub(super) async fn run(client: &Client, arguments: &AlterArgs, json: bool) -> Result<(), Exit> {
    let name = &arguments.name;
    let before = client.describe_topic(name).await?.partitions.len();
    let changes = changes(&arguments.changes);
    if !changes.is_empty() {
        client.alter_topic_configs(name, &changes).await?;
    }
    if let Some(count) = arguments.changes.partitions.filter(|count| usize::try_from(*count) != Ok(before)) {
        client.create_partitions(name, count).await?;
    }
    if json {
        let partitions = client.describe_topic(name).await?.partitions.len();
        return output::json(
            &json!({"name": name, "partitions": partitions, "configs_changed": changes.len()}),
        );
    }
    output::text(&format!("altered topic {name}\n"))
}

fn changes(arguments: &ChangeArgs) -> Vec<ConfigChange> {
    let set = arguments.configs.iter().cloned().map(|(name, value)| ConfigChange::Set { name, value });
    let delete = arguments.delete_configs.iter().cloned().map(|name| ConfigChange::Delete { name });
    set.chain(delete).collect()
}
