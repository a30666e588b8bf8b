//! Leading a round: reads what everyone claims, decides, writes what everyone gets, and says why.
//!
//! Between the group's talk and the assignor. Invariant: work is given out by a config topic that was read at least as far as any
//! member has; if that cannot be done in time, nobody is given or loses anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use api::{Bytes, Text};
use broker_client::JoinedGroup;
use tokio::time::timeout;

use super::assignor::{Given, assign};
use super::protocol::{self, CONFIG_MISMATCH, Claim, Malformed, Protocol, Share};
use super::reserve::Reserve;
use super::{Assignment, Owners};
use crate::config::GroupOptions;
use crate::herder::TaskId;
use crate::store::ConfigStore;

/// How many names a log line lists.
const LISTED_MAX: usize = 10;

/// What a leader remembers from round to round.
#[derive(Debug, Default)]
pub(super) struct Leading {
    reserve: Reserve,
    /// The workers of the last round, by member id.
    workers: BTreeMap<String, String>,
    /// What there was to be run in the last round.
    wanted: Assignment,
}

/// A round that was led.
#[derive(Debug, Default)]
pub(super) struct Led {
    /// Everyone's share, in bytes.
    pub(super) shares: Vec<(Text, Bytes)>,
    /// Who has what from now on.
    pub(super) owners: Owners,
}

impl Leading {
    /// Shares out.
    pub(super) async fn share_out(
        &mut self,
        joined: &JoinedGroup,
        configs: &Arc<ConfigStore>,
        url: &str,
        options: &GroupOptions,
    ) -> Result<Led, Malformed> {
        let protocol = Protocol::of_name(&joined.protocol).unwrap_or(Protocol::Default);
        let mut claims = BTreeMap::new();
        for (member, metadata) in &joined.members {
            claims.insert(member.to_string(), protocol::decode_claim(metadata.clone())?);
        }
        let furthest = claims.values().map(|claim| claim.config_offset).max().unwrap_or_default();
        if configs.state().offset() < furthest {
            let read = timeout(options.worker_sync_timeout, configs.read_to_end()).await;
            if !matches!(read, Ok(Ok(()))) {
                tracing::warn!("the config topic could not be read to its end while leading: {read:?}");
            }
        }
        let state = configs.state();
        let share = Share {
            leader: joined.leader.to_string(),
            leader_url: url.to_owned(),
            config_offset: state.offset().max(furthest),
            ..Share::default()
        };
        if state.offset() < furthest {
            let share = Share { error: CONFIG_MISMATCH, ..share };
            let everyone = claims.into_keys().map(|member| (member, Given::default()));
            return Ok(Led { shares: encode(protocol, &share, everyone)?, owners: Owners::default() });
        }
        let held =
            claims.iter().map(|(member, claim)| (member.clone(), claim.current.assigned.clone())).collect();
        let wanted = Assignment::everything(&state);
        let fenced =
            if claims.values().all(|claim| claim.fences) { state.fenced_tasks() } else { BTreeSet::new() };
        let (given, delay_ms) = self.decide(joined.generation, &held, (&wanted, &fenced), options);
        self.explain(joined.generation, &claims, &wanted, &given);
        let owners = owners(&claims, &held, &given);
        let share = Share { delay_ms, ..share };
        Ok(Led { shares: encode(protocol, &share, given.into_iter())?, owners })
    }

    fn decide(
        &mut self,
        generation: i32,
        held: &BTreeMap<String, Assignment>,
        (wanted, fenced): (&Assignment, &BTreeSet<TaskId>),
        options: &GroupOptions,
    ) -> (BTreeMap<String, Given>, i32) {
        let claimed = held.values().fold(Assignment::default(), |all, claim| all.union(claim));
        let (reserved, delay) =
            self.reserve.keep(generation, wanted, &claimed, options.rebalance_delay_max, Instant::now());
        let given = assign(held, wanted, &reserved, fenced);
        let left = given.values().fold(claimed.union(&reserved), |out, given| out.without(&given.revoked));
        let out = given.values().fold(left, |out, given| out.union(&given.assigned));
        self.reserve.note(generation, out);
        if reserved != Assignment::default() {
            tracing::info!(
                "{} wait for their worker to come back, for {delay:?} at most (scheduled.rebalance.max.delay.ms)",
                listed(&reserved)
            );
        }
        (given, i32::try_from(delay.as_millis()).unwrap_or(i32::MAX))
    }

    /// Says what changed since the last round, and what follows.
    fn explain(
        &mut self,
        generation: i32,
        claims: &BTreeMap<String, Claim>,
        wanted: &Assignment,
        given: &BTreeMap<String, Given>,
    ) {
        let workers: BTreeMap<String, String> =
            claims.iter().map(|(member, claim)| (member.clone(), claim.url.clone())).collect();
        let missing = |from: &BTreeMap<String, String>, in_: &BTreeMap<String, String>| {
            from.iter()
                .filter(|(member, _)| !in_.contains_key(*member))
                .map(|(_, url)| url.clone())
                .collect::<Vec<_>>()
        };
        let (came, went) = (missing(&workers, &self.workers), missing(&self.workers, &workers));
        let mut reasons = Vec::new();
        if !came.is_empty() {
            reasons.push(format!("{} joined", came.join(", ")));
        }
        if !went.is_empty() {
            reasons.push(format!("{} went", went.join(", ")));
        }
        if self.wanted != *wanted {
            reasons.push("connectors or tasks changed".to_owned());
        }
        if reasons.is_empty() {
            reasons.push("what was given up is free, or a worker asked".to_owned());
        }
        let given_out: Vec<String> = given
            .iter()
            .filter(|(_, given)| **given != Given::default())
            .map(|(member, given)| {
                let worker = workers.get(member).unwrap_or(member);
                format!("{worker} gets {} and gives up {}", listed(&given.assigned), listed(&given.revoked))
            })
            .collect();
        let given_out = if given_out.is_empty() { "nothing moves".to_owned() } else { given_out.join("; ") };
        tracing::info!(
            generation,
            workers = workers.len(),
            "leading the group: {}: {given_out}",
            reasons.join(", ")
        );
        (self.workers, self.wanted) = (workers, wanted.clone());
    }
}

fn encode(
    protocol: Protocol,
    share: &Share,
    given: impl Iterator<Item = (String, Given)>,
) -> Result<Vec<(Text, Bytes)>, Malformed> {
    let encoded = given.map(|(member, Given { assigned, revoked, handed })| {
        let share = Share { assigned, revoked, handed, ..share.clone() };
        Ok((Text::from(member), protocol::encode_share(protocol, &share)?))
    });
    encoded.collect()
}

/// Where everything runs after the round.
fn owners(
    claims: &BTreeMap<String, Claim>,
    held: &BTreeMap<String, Assignment>,
    given: &BTreeMap<String, Given>,
) -> Owners {
    let mut owners = Owners::default();
    for (member, claim) in claims {
        let (Some(held), Some(given)) = (held.get(member), given.get(member)) else { continue };
        let has = held.without(&given.revoked).union(&given.assigned);
        owners.connectors.extend(has.connectors.into_iter().map(|name| (name, claim.url.clone())));
        owners.tasks.extend(has.tasks.into_iter().map(|id| (id, claim.url.clone())));
    }
    owners
}

/// Work for a log line.
pub(super) fn listed(work: &Assignment) -> String {
    let connectors = work.connectors.iter().map(ToString::to_string);
    let mut names: Vec<String> = connectors.chain(work.tasks.iter().map(ToString::to_string)).collect();
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let more = names.len().saturating_sub(LISTED_MAX);
    names.truncate(LISTED_MAX);
    let names = names.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}
