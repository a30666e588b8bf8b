//! Who runs what: the leader's decision in each round.
//!
//! Pure: claims in, shares out. What someone claims stays where it is, unless it is no longer wanted, claimed twice, or its holder
//! has more than others; what nobody claims is given to whoever has least. Connectors and tasks are balanced each by their number, and among
//! equals so that a connector's tasks spread over the workers. What is taken from one worker for another is only given out in the next
//! round, when nobody claims it any more: that round begins as soon as it has stopped. Invariants: nothing is given out that anyone
//! claims, unless fencing makes that safe; whoever has no more than its fair share keeps all of it.
//!
//! # Why some moves need one round only
//! The tasks of sources that deliver exactly once are given to the new worker in the round that takes them from the old. Both may run
//! them for a moment, but only one of the two runs counts:
//! 1. `fenced` holds only tasks of sets that the config topic says were counted for fencing (`tasks-fencing-<connector>`): all runs of them
//!    write records and offsets in transactions, under one transactional id per task. And it holds any only if every member says that
//!    it is one of ours and that its sources do so; a member of Kafka Connect does not say it, and has the next leader take for
//!    claimed twice what two members run.
//! 2. The new run initializes its producer before it reads the offset from which it goes on (`worker::opening`). That ends the old run's
//!    transaction: committed, if its commit had been asked for, and then the offset read is the one in it; else aborted. From then on
//!    the broker refuses everything of the old run. So no record is lost, and none is there twice.
//! 3. The old worker stops its run without being waited for. If it does not hear that it lost the task (its answer was lost on the
//!    way), its run fails, fenced; should it start another before it hears, that one fences the new run, which starts again: time is
//!    lost then, but no record. The next round finds both claims, and lets one of them have the task.
//!
//! Connectors, tasks of sinks, and sources at least once take two rounds: nothing fences them.

use std::collections::{BTreeMap, BTreeSet};

use crate::herder::{Assignment, TaskId};

/// What the leader tells one member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// New work.
    pub(super) assigned: Assignment,
    /// Work to be given up.
    pub(super) revoked: Assignment,
    /// What of it another gets in this round.
    pub(super) handed: Assignment,
}

/// Shares out: `claims` by member, what is `wanted`, what of it is `reserved` for a worker that may come back, and which tasks are `fenced` by
/// whoever starts them.
pub(super) fn assign(
    claims: &BTreeMap<String, Assignment>,
    wanted: &Assignment,
    reserved: &Assignment,
    fenced: &BTreeSet<TaskId>,
) -> BTreeMap<String, Given> {
    let rebalance = *reserved == Assignment::default();
    let claimed = claims.iter().map(|(member, claim)| (member.as_str(), &claim.connectors)).collect();
    let mut connectors = Spread::new(claimed, &wanted.connectors, |_| "");
    connectors.give_out(&wanted.connectors, &reserved.connectors, |_| 0);
    if rebalance {
        connectors.level(&BTreeSet::new());
    }
    let claimed = claims.iter().map(|(member, claim)| (member.as_str(), &claim.tasks)).collect();
    let mut tasks = Spread::new(claimed, &wanted.tasks, |id: &TaskId| &id.connector);
    tasks.give_out(&wanted.tasks, &reserved.tasks, |member| connectors.load(member));
    if rebalance {
        tasks.level(fenced);
    }
    let mut shares: BTreeMap<String, Given> = BTreeMap::new();
    for (member, desk) in connectors.desks {
        let given = shares.entry(member.to_owned()).or_default();
        (given.assigned.connectors, given.revoked.connectors) = (desk.given, desk.revoked);
    }
    for (member, desk) in tasks.desks {
        let given = shares.entry(member.to_owned()).or_default();
        (given.assigned.tasks, given.revoked.tasks) = (desk.given, desk.revoked);
    }
    let all = shares.values().fold(Assignment::default(), |all, given| all.union(&given.assigned));
    for given in shares.values_mut() {
        given.handed = given.revoked.intersection(&all);
    }
    shares
}

/// What lies on one member's desk.
#[derive(Debug)]
struct Desk<T> {
    kept: BTreeSet<T>,
    given: BTreeSet<T>,
    revoked: BTreeSet<T>,
    /// What it has, and what it will be given in the next round.
    load: usize,
}

/// Things of one sort (connectors or tasks) as they lie on the members' desks.
struct Spread<'a, T, F> {
    desks: BTreeMap<&'a str, Desk<T>>,
    /// How many of a family a member has.
    families: BTreeMap<(&'a str, String), usize>,
    /// Things of one family (a connector's tasks) are spread among equals.
    family: F,
    claimed: BTreeSet<T>,
}

impl<'a, T: Ord + Clone, F: Fn(&T) -> &str> Spread<'a, T, F> {
    /// Everyone keeps what it claims, if that is wanted and nobody else has it.
    fn new(claims: BTreeMap<&'a str, &BTreeSet<T>>, wanted: &BTreeSet<T>, family: F) -> Self {
        let mut spread =
            Self { desks: BTreeMap::new(), families: BTreeMap::new(), family, claimed: BTreeSet::new() };
        for (member, claim) in claims {
            let (kept, revoked): (BTreeSet<T>, BTreeSet<T>) = claim
                .iter()
                .cloned()
                .partition(|thing| wanted.contains(thing) && !spread.claimed.contains(thing));
            spread.claimed.extend(claim.iter().cloned());
            for thing in &kept {
                spread.count(member, thing, 1);
            }
            let desk = Desk { load: kept.len(), kept, given: BTreeSet::new(), revoked };
            spread.desks.insert(member, desk);
        }
        spread
    }

    fn count(&mut self, member: &'a str, thing: &T, change: isize) {
        let family = (self.family)(thing).to_owned();
        let count = self.families.entry((member, family)).or_default();
        *count = count.saturating_add_signed(change);
    }

    fn family_load(&self, member: &'a str, thing: &T) -> usize {
        let family = (self.family)(thing).to_owned();
        self.families.get(&(member, family)).copied().unwrap_or_default()
    }

    fn load(&self, member: &str) -> usize {
        self.desks.get(member).map_or(0, |desk| desk.load)
    }

    /// Gives what nobody claims to whoever has least of it.
    fn give_out(&mut self, wanted: &BTreeSet<T>, reserved: &BTreeSet<T>, other_load: impl Fn(&str) -> usize) {
        let free: Vec<T> = wanted
            .iter()
            .filter(|thing| !self.claimed.contains(*thing) && !reserved.contains(*thing))
            .cloned()
            .collect();
        for thing in free {
            let least = self.desks.iter().min_by_key(|(member, desk)| {
                (desk.load, self.family_load(member, &thing), other_load(member))
            });
            let Some(member) = least.map(|(member, _)| *member) else { return };
            self.count(member, &thing, 1);
            if let Some(desk) = self.desks.get_mut(member) {
                desk.load += 1;
                desk.given.insert(thing);
            }
        }
    }

    /// Takes from whoever has most for whoever has least, until nobody has two more than another. What is fenced moves at once.
    fn level(&mut self, fenced: &BTreeSet<T>) {
        loop {
            let by_load = || self.desks.iter().map(|(member, desk)| (desk.load, *member));
            let (Some((least, poor)), Some((most, rich))) = (by_load().min(), by_load().max()) else {
                return;
            };
            if most <= least + 1 {
                return;
            }
            let Some(thing) = self.to_move(rich, poor) else { return };
            self.count(rich, &thing, -1);
            self.count(poor, &thing, 1);
            let mut has_begun = false;
            if let Some(desk) = self.desks.get_mut(rich) {
                desk.load -= 1;
                has_begun = desk.kept.remove(&thing);
                desk.given.remove(&thing);
                if has_begun {
                    desk.revoked.insert(thing.clone());
                }
            }
            if let Some(desk) = self.desks.get_mut(poor) {
                desk.load += 1;
                if !has_begun || fenced.contains(&thing) {
                    desk.given.insert(thing);
                }
            }
        }
    }

    /// What is best taken from one for another: what has not begun; else what the first has most relatives of, and the second fewest.
    fn to_move(&self, rich: &'a str, poor: &'a str) -> Option<T> {
        let desk = self.desks.get(rich)?;
        let gain = |thing: &&T| {
            let (here, there) = (self.family_load(rich, thing), self.family_load(poor, thing));
            (here + 1).saturating_mul(1_000) / (there + 1)
        };
        desk.given.iter().max_by_key(gain).or_else(|| desk.kept.iter().max_by_key(gain)).cloned()
    }
}

#[cfg(test)]
#[path = "assignor/tests.rs"]
mod tests;
