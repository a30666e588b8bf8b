//! `millrace groups list`.

use broker_client::{Client, GroupDescription};
use serde_json::{Value, json};

use super::super::exit::Exit;
use super::super::output;
use super::super::table::{Align, Table};

pub(super) async fn run(client: &Client, json: bool) -> Result<(), Exit> {
    let groups = client.describe_groups().await?;
    if json {
        return output::json(&groups.iter().map(as_json).collect());
    }
    let mut table = Table::new(&[
        ("GROUP", Align::Left),
        ("STATE", Align::Left),
        ("PROTOCOL-TYPE", Align::Left),
        ("MEMBERS", Align::Right),
    ]);
    for group in &groups {
        let members = group.members.len().to_string();
        table.row([group.group.clone(), group.state.clone(), group.protocol_type.clone(), members]);
    }
    output::text(&table.to_string())
}

fn as_json(group: &GroupDescription) -> Value {
    json!({
        "group": group.group,
        "state": group.state,
        "protocol_type": group.protocol_type,
        "members": group.members.len(),
    })
}
