//! `millrace groups describe`: a group's offsets, the ends of the logs and the members' shares, joined by partition.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use broker_client::{Client, GroupDescription, GroupMember, Isolation, OffsetSpec, TopicPartition};
use clap::Args;
use serde_json::{Value, json};

use super::super::exit::{Exit, chain};
use super::super::output;
use super::super::table::{Align, Table, number};

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct DescribeArgs {
    /// The groups
    #[arg(required = true)]
    groups: Vec<String>,
    /// The members with their shares, instead of the partitions
    #[arg(long, short = 'm')]
    members: bool,
}

/// A group and its partitions.
#[derive(Debug)]
struct Described {
    group: GroupDescription,
    rows: Vec<Row>,
    shares: Vec<Vec<TopicPartition>>,
}

/// One partition that the group reads or has read.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    place: TopicPartition,
    /// The next offset to read; `None` if the group never committed.
    current: Option<i64>,
    /// Behind the last record; `None` if the topic is gone.
    end: Option<i64>,
    /// Which member reads it now, as an index.
    member: Option<usize>,
}

impl Row {
    fn lag(&self) -> Option<i64> {
        Some((self.end? - self.current?).max(0))
    }
}

pub(super) async fn run(client: &Client, arguments: &DescribeArgs, json: bool) -> Result<(), Exit> {
    let mut described = Vec::new();
    for group in &arguments.groups {
        described.push(describe(client, group).await?);
    }
    if json {
        return output::json(&described.iter().map(as_json).collect());
    }
    let text = described.iter().map(|it| as_text(it, arguments.members)).collect::<Vec<_>>();
    output::text(&text.join("\n"))
}

async fn describe(client: &Client, name: &str) -> Result<Described, Exit> {
    let group = known_group(client, name).await?;
    let committed = client.group_offsets(name).await?;
    let committed: HashMap<_, _> = committed.into_iter().map(|(place, it)| (place, it.offset)).collect();
    let mut shares = Vec::new();
    for member in &group.members {
        shares.push(share(&group, member)?);
    }
    let owners: HashMap<_, _> = shares
        .iter()
        .enumerate()
        .flat_map(|(index, share)| share.iter().map(move |place| (place.clone(), index)))
        .collect();
    let places: BTreeSet<_> = committed.keys().chain(owners.keys()).cloned().collect();
    let ends = ends(client, &places).await?;
    let row = |place: TopicPartition| Row {
        current: committed.get(&place).copied(),
        end: ends.get(&place).copied(),
        member: owners.get(&place).copied(),
        place,
    };
    let rows = places.into_iter().map(row).collect();
    Ok(Described { group, rows, shares })
}

/// A group that is there; brokers describe one that nobody knows as dead.
pub(super) async fn known_group(client: &Client, name: &str) -> Result<GroupDescription, Exit> {
    let group = client.describe_group(name).await?;
    if group.state != "Dead" {
        return Ok(group);
    }
    // A group of another kind than the classic one is dead to this question, but stands in the list.
    let mut listed = client.describe_groups().await?.into_iter();
    listed.find(|it| it.group == name).ok_or_else(|| {
        Exit::runtime(format!("group {name} does not exist; `millrace groups list` lists all"))
    })
}

/// The partitions of a member; only consumers say theirs in a form that is known.
fn share(group: &GroupDescription, member: &GroupMember) -> Result<Vec<TopicPartition>, Exit> {
    if group.protocol_type != "consumer" {
        return Ok(Vec::new());
    }
    let unreadable = |error| {
        let (name, member) = (&group.group, &member.member_id);
        Exit::runtime(format!(
            "the assignment of member {member} of group {name} cannot be read: {}",
            chain(&error)
        ))
    };
    member.partitions().map_err(unreadable)
}

/// The ends of those partitions that are still there.
async fn ends(
    client: &Client,
    places: &BTreeSet<TopicPartition>,
) -> Result<HashMap<TopicPartition, i64>, Exit> {
    let counts: BTreeMap<String, i32> =
        client.topics().await?.into_iter().map(|topic| (topic.name, topic.partitions)).collect();
    let is_there = |it: &&TopicPartition| counts.get(&*it.topic).is_some_and(|count| it.partition < *count);
    let places: Vec<_> = places.iter().filter(is_there).cloned().collect();
    let ends = client.list_offsets_of(&places, OffsetSpec::Latest, Isolation::ReadUncommitted).await?;
    Ok(places.into_iter().zip(ends).collect())
}

fn as_text(described: &Described, members: bool) -> String {
    let Described { group, rows, .. } = described;
    let lag: i64 = rows.iter().filter_map(Row::lag).sum();
    let mut text = format!(
        "Group {}: {}, {} members, {} partitions, total lag {lag}",
        group.group,
        group.state,
        group.members.len(),
        rows.len()
    );
    if !group.protocol.is_empty() {
        text += &format!(", assignor {}", group.protocol);
    }
    let table = if members { member_table(described) } else { partition_table(described) };
    format!("{text}\n{}", if table.is_empty() { String::new() } else { table.to_string() })
}

fn partition_table(described: &Described) -> Table {
    let mut table = Table::new(&[
        ("TOPIC", Align::Left),
        ("PARTITION", Align::Right),
        ("CURRENT-OFFSET", Align::Right),
        ("LOG-END-OFFSET", Align::Right),
        ("LAG", Align::Right),
        ("MEMBER-ID", Align::Left),
        ("HOST", Align::Left),
        ("CLIENT-ID", Align::Left),
    ]);
    for row in &described.rows {
        let member = row.member.and_then(|index| described.group.members.get(index));
        let word = |said: Option<&String>| said.cloned().unwrap_or_else(|| "-".to_owned());
        table.row([
            row.place.topic.to_string(),
            row.place.partition.to_string(),
            number(row.current),
            number(row.end),
            number(row.lag()),
            word(member.map(|it| &it.member_id)),
            word(member.map(|it| &it.host)),
            word(member.map(|it| &it.client_id)),
        ]);
    }
    table
}

fn member_table(described: &Described) -> Table {
    let mut table = Table::new(&[
        ("MEMBER-ID", Align::Left),
        ("HOST", Align::Left),
        ("CLIENT-ID", Align::Left),
        ("PARTITIONS", Align::Right),
        ("ASSIGNMENT", Align::Left),
    ]);
    for (member, share) in described.group.members.iter().zip(&described.shares) {
        let names: Vec<_> = share.iter().map(ToString::to_string).collect();
        let count = share.len().to_string();
        table.row([
            member.member_id.clone(),
            member.host.clone(),
            member.client_id.clone(),
            count,
            names.join(","),
        ]);
    }
    table
}

fn as_json(described: &Described) -> Value {
    let Described { group, rows, shares } = described;
    let row = |row: &Row| {
        let member = row.member.and_then(|index| group.members.get(index));
        json!({
            "topic": &*row.place.topic,
            "partition": row.place.partition,
            "current_offset": row.current,
            "log_end_offset": row.end,
            "lag": row.lag(),
            "member_id": member.map(|it| &it.member_id),
            "host": member.map(|it| &it.host),
            "client_id": member.map(|it| &it.client_id),
        })
    };
    let member = |(member, share): (&GroupMember, &Vec<TopicPartition>)| {
        let place = |it: &TopicPartition| json!({"topic": &*it.topic, "partition": it.partition});
        json!({
            "member_id": member.member_id,
            "host": member.host,
            "client_id": member.client_id,
            "assignment": share.iter().map(place).collect::<Vec<_>>(),
        })
    };
    json!({
        "group": group.group,
        "state": group.state,
        "protocol_type": group.protocol_type,
        "protocol": group.protocol,
        "members": group.members.iter().zip(shares).map(member).collect::<Vec<_>>(),
        "partitions": rows.iter().map(row).collect::<Vec<_>>(),
        "lag": rows.iter().filter_map(Row::lag).sum::<i64>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_known_where_both_offsets_are() {
        let row = |current, end| Row { place: TopicPartition::new("t", 0), current, end, member: None };
        assert_eq!(row(Some(3), Some(10)).lag(), Some(7));
        // The topic was made anew and is shorter than what was committed.
        assert_eq!(row(Some(10), Some(3)).lag(), Some(0));
        assert_eq!((row(None, Some(3)).lag(), row(Some(3), None).lag()), (None, None));
    }

    #[test]
    fn the_table_joins_members_and_partitions() {
        let member = GroupMember {
            member_id: "m-1".to_owned(),
            client_id: "c".to_owned(),
            host: "/127.0.0.1".to_owned(),
            assignment: bytes::Bytes::new(),
        };
        let group = GroupDescription {
            group: "g".to_owned(),
            state: "Stable".to_owned(),
            protocol_type: "consumer".to_owned(),
            protocol: "range".to_owned(),
            members: vec![member],
        };
        let place = TopicPartition::new("t", 0);
        let row = Row { place: place.clone(), current: Some(3), end: Some(10), member: Some(0) };
        let described = Described { group, rows: vec![row], shares: vec![vec![place]] };
        let text = as_text(&described, false);
        assert!(
            text.starts_with("Group g: Stable, 1 members, 1 partitions, total lag 7, assignor range\nTOPIC"),
            "{text}"
        );
        assert!(
            text.contains(
                "t              0               3              10    7  m-1        /127.0.0.1  c\n"
            ),
            "{text}"
        );
        assert!(as_text(&described, true).contains("t-0\n"));
        assert_eq!(as_json(&described)["partitions"][0]["lag"], 7);
    }
}
