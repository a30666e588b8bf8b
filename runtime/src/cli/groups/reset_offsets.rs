//! `millrace groups reset-offsets`: a plan first; with `--execute` the plan is carried out.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use broker_client::{Client, Isolation, OffsetAndMetadata, OffsetSpec, TopicPartition};
use clap::Args;
use serde_json::{Value, json};

use super::super::consume::partitions_of;
use super::super::exit::{Exit, say};
use super::super::moment::{moment, period};
use super::super::output;
use super::super::table::{Align, Table, number};
use super::describe::known_group;
use super::reset::{Known, Target, new_offset, scope};

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct ResetOffsetsArgs {
    /// The group. It may have no members
    group: String,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    target: TargetArgs,
    /// Do it. Without this, only what would be done is shown
    #[arg(long, conflicts_with = "dry_run")]
    execute: bool,
    /// Show what would be done, which is the default
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ScopeArgs {
    /// This topic, or some of its partitions; may be said several times
    #[arg(long = "topic", short = 't', value_name = "TOPIC[:PARTITION,...]", value_parser = scope)]
    topics: Vec<(String, Vec<i32>)>,
    /// Every partition that the group has an offset in
    #[arg(long)]
    all_topics: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct TargetArgs {
    /// To the first record there is
    #[arg(long)]
    to_earliest: bool,
    /// Behind the last record
    #[arg(long)]
    to_latest: bool,
    /// To where the group is
    #[arg(long)]
    to_current: bool,
    /// To this offset
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    to_offset: Option<i64>,
    /// So many offsets forwards or (-N) backwards
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    shift_by: Option<i64>,
    /// To the first record of this moment or later: 2026-01-31T10:00:00Z, or milliseconds since 1970
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    to_datetime: Option<i64>,
    /// To the first record of so long ago or later: P1DT2H30M
    #[arg(long, value_name = "DURATION", value_parser = period)]
    by_duration: Option<i64>,
}

impl TargetArgs {
    fn target(&self, now_ms: i64) -> Target {
        let earliest = self.to_earliest.then_some(Target::Earliest);
        let latest = self.to_latest.then_some(Target::Latest);
        earliest
            .or(latest)
            .or(self.to_offset.map(Target::To))
            .or(self.shift_by.map(Target::ShiftBy))
            .or(self.to_datetime.map(Target::At))
            .or(self.by_duration.map(|millis| Target::At((now_ms - millis).max(0))))
            .unwrap_or(Target::Current)
    }
}

/// A partition's part of the plan.
#[derive(Debug)]
struct Step {
    place: TopicPartition,
    current: Option<i64>,
    new: i64,
}

pub(super) async fn run(client: &Client, arguments: &ResetOffsetsArgs, json: bool) -> Result<(), Exit> {
    let group = &arguments.group;
    check_inactive(client, group).await?;
    let steps = plan(client, arguments).await?;
    if arguments.execute && !steps.is_empty() {
        let offsets: Vec<_> =
            steps.iter().map(|step| (step.place.clone(), OffsetAndMetadata::new(step.new))).collect();
        client.commit_group_offsets(group, &offsets).await?;
    }
    if json {
        let steps: Vec<Value> = steps.iter().map(as_json).collect();
        return output::json(&json!({"group": group, "executed": arguments.execute, "partitions": steps}));
    }
    output::text(&table(group, &steps).to_string())?;
    if !arguments.execute {
        say("nothing was changed; --execute does it");
    }
    Ok(())
}

/// Offsets of a group with members would be overwritten by their next commit, so brokers refuse that.
async fn check_inactive(client: &Client, group: &str) -> Result<(), Exit> {
    let described = client.describe_group(group).await?;
    if matches!(described.state.as_str(), "Empty" | "Dead") && described.members.is_empty() {
        return Ok(());
    }
    let (state, members) = (&described.state, described.members.len());
    Err(Exit::runtime(format!(
        "group {group} is active (state {state}, {members} members): its offsets can be reset once its consumers are stopped; `millrace groups describe {group} --members` says who they are"
    )))
}

async fn plan(client: &Client, arguments: &ResetOffsetsArgs) -> Result<Vec<Step>, Exit> {
    let committed = client.group_offsets(&arguments.group).await?;
    let committed: HashMap<_, _> = committed.into_iter().map(|(place, it)| (place, it.offset)).collect();
    let places = places(client, arguments, &committed).await?;
    let target = arguments.target.target(now_ms());
    let ask = |spec| client.list_offsets_of(&places, spec, Isolation::ReadUncommitted);
    let (earliest, latest) = (ask(OffsetSpec::Earliest).await?, ask(OffsetSpec::Latest).await?);
    let moments = match target {
        Target::At(timestamp) => ask(OffsetSpec::Timestamp(timestamp)).await?,
        _ => latest.clone(),
    };
    let mut steps = Vec::new();
    for (place, ((earliest, latest), at_moment)) in
        places.iter().zip(earliest.into_iter().zip(latest).zip(moments))
    {
        let current = committed.get(place).copied();
        let new = new_offset(target, place, Known { current, earliest, latest, at_moment })
            .map_err(Exit::runtime)?;
        steps.push(Step { place: place.clone(), current, new });
    }
    Ok(steps)
}

/// The partitions to reset, in order.
async fn places(
    client: &Client,
    arguments: &ResetOffsetsArgs,
    committed: &HashMap<TopicPartition, i64>,
) -> Result<Vec<TopicPartition>, Exit> {
    if arguments.scope.all_topics {
        // Also tells a group that is not there from one without offsets.
        known_group(client, &arguments.group).await?;
        let places: BTreeSet<_> = committed.keys().cloned().collect();
        return Ok(places.into_iter().collect());
    }
    let mut places = BTreeSet::new();
    for (topic, chosen) in &arguments.scope.topics {
        places.extend(partitions_of(client, std::slice::from_ref(topic), chosen).await?);
    }
    Ok(places.into_iter().collect())
}

fn table(group: &str, steps: &[Step]) -> Table {
    let mut table = Table::new(&[
        ("GROUP", Align::Left),
        ("TOPIC", Align::Left),
        ("PARTITION", Align::Right),
        ("CURRENT-OFFSET", Align::Right),
        ("NEW-OFFSET", Align::Right),
    ]);
    for Step { place, current, new } in steps {
        let partition = place.partition.to_string();
        table.row([group.to_owned(), place.topic.to_string(), partition, number(*current), new.to_string()]);
    }
    table
}

fn as_json(step: &Step) -> Value {
    json!({
        "topic": &*step.place.topic,
        "partition": step.place.partition,
        "current_offset": step.current,
        "new_offset": step.new,
    })
}

fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}
