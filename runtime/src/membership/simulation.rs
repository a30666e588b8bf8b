//! A group in thousands of orders of events: workers join, leave, crash, lose their proof; connectors come and go; news travels slowly.
//!
//! The coordinator and the herders are modelled, the decisions are the real ones ([`Place`], [`assign`]). What a member lost by time is
//! modelled as the heartbeats promise it: it stops before the coordinator gives it up. Whoever begins a task that is fenced shuts out all other
//! runs of it: they go on, but count for nothing, until they are stopped or begun again.

use std::collections::{BTreeMap, BTreeSet};

use super::Assignment;
use super::assignor::{Given, assign};
use super::place::Place;
use crate::herder::TaskId;
use crate::worker::Jitter;

const SEEDS: u64 = 600;
const STEPS: usize = 120;

/// A worker: its place, and its herder, which hears of it late.
#[derive(Debug, Default)]
struct Process {
    place: Place,
    running: Assignment,
    /// What of it somebody has shut out.
    shut_out: BTreeSet<TaskId>,
    /// The number and share that its herder acts on.
    heard: (u64, Assignment),
    crashed: bool,
    /// It was out, and joins again as soon as it may.
    outside: bool,
    /// The coordinator has given it up.
    expired: bool,
    leaving: bool,
}

impl Process {
    /// Its herder hears what is new, and begins at once: what it began.
    fn hear(&mut self) -> BTreeSet<TaskId> {
        if self.heard.0 != self.place.told() {
            self.heard = (self.place.told(), self.place.share().clone());
        }
        if self.leaving {
            return BTreeSet::new();
        }
        let fails = |id: &&TaskId| self.shut_out.contains(*id) || !self.running.tasks.contains(*id);
        let begun: BTreeSet<TaskId> = self.heard.1.tasks.iter().filter(fails).cloned().collect();
        self.shut_out.retain(|id| !begun.contains(id));
        self.running = self.running.union(&self.heard.1);
        begun
    }

    /// One thing that is to be stopped has stopped, or all have. Whether others wait to be told. What a worker has claimed in a round
    /// under way stays claimed until the round ends.
    fn stop_one(&mut self, in_round: bool, random: &mut Jitter) -> bool {
        let wanted = if self.leaving { Assignment::default() } else { self.heard.1.clone() };
        let stopping = self.running.without(&wanted);
        if stopping == Assignment::default() {
            return !self.leaving && !in_round && self.place.stopped(self.heard.0);
        }
        let mut one = Assignment::default();
        let nth = usize::try_from(random.below(4)).unwrap();
        match stopping.tasks.iter().nth(nth % stopping.tasks.len().max(1)) {
            Some(id) => drop(one.tasks.insert(id.clone())),
            None => one.connectors = stopping.connectors,
        }
        self.running = self.running.without(&one);
        self.shut_out.retain(|id| self.running.tasks.contains(id));
        false
    }
}

/// The group, from above.
#[derive(Debug)]
struct World {
    random: Jitter,
    processes: BTreeMap<String, Process>,
    born: u32,
    wanted: Assignment,
    /// The connectors whose tasks are fenced; none where somebody in the group does not say that he fences.
    fenced: &'static [&'static str],
    /// A round is under way, and who has come to it with which claim.
    called: Option<BTreeMap<String, Assignment>>,
    /// Shares that have not arrived yet.
    under_way: BTreeMap<String, Given>,
}

impl World {
    fn new(seed: u64) -> Self {
        let (processes, under_way) = (BTreeMap::new(), BTreeMap::new());
        let (random, wanted) = (Jitter::new(seed), Assignment::default());
        let fenced: &[&str] = if seed.is_multiple_of(3) { &[] } else { &["a", "b"] };
        Self { random, processes, born: 0, wanted, fenced, called: None, under_way }
    }

    fn is_fenced(&self, id: &TaskId) -> bool {
        self.fenced.contains(&&*id.connector)
    }

    /// A worker begins what it was told; if that is fenced, others who run it are shut out.
    fn begin(&mut self, name: &str) {
        let begun = self.processes.get_mut(name).unwrap().hear();
        let begun: Vec<TaskId> = begun.into_iter().filter(|id| self.is_fenced(id)).collect();
        for (_, other) in self.processes.iter_mut().filter(|(other, _)| *other != name) {
            other.shut_out.extend(begun.iter().filter(|id| other.running.tasks.contains(*id)).cloned());
        }
    }

    fn pick(&mut self) -> Option<String> {
        let count = u64::try_from(self.processes.len()).unwrap();
        let nth = usize::try_from(self.random.below(count)).unwrap();
        self.processes.keys().nth(nth).cloned()
    }

    /// Calls everyone to a round; shares that have not arrived never will.
    fn call(&mut self) {
        if self.called.is_none() {
            self.called = Some(BTreeMap::new());
            self.under_way.clear();
        }
    }

    fn trouble(&mut self) {
        let Some(name) = self.pick() else { return self.join() };
        match self.random.below(8) {
            0 | 1 if self.processes.len() < 5 => self.join(),
            2 => self.processes.get_mut(&name).unwrap().leaving = true,
            3 => {
                let process = self.processes.get_mut(&name).unwrap();
                process.crashed = true;
                process.running = Assignment::default();
                process.shut_out.clear();
            }
            4 => {
                let process = self.processes.get_mut(&name).unwrap();
                if process.place.may_join() {
                    process.place.lose();
                    process.outside = true;
                    if let Some(called) = &mut self.called {
                        called.remove(&name);
                    }
                    self.under_way.remove(&name);
                }
            }
            _ => self.change_wanted(),
        }
    }

    fn join(&mut self) {
        self.born += 1;
        self.processes.insert(format!("m{:02}", self.born), Process::default());
        self.call();
    }

    fn change_wanted(&mut self) {
        let name = ["a", "b", "c", "d"][usize::try_from(self.random.below(4)).unwrap()];
        self.wanted.tasks.retain(|id| id.connector != name);
        self.wanted.connectors.remove(name);
        if self.random.below(3) > 0 {
            let tasks = u32::try_from(self.random.below(6)).unwrap();
            self.wanted.connectors.insert(name.to_owned());
            self.wanted.tasks.extend((0..tasks).map(|task| TaskId::new(name, task)));
        }
        self.call();
    }

    /// Something goes on, somewhere.
    fn go_on(&mut self) {
        let Some(name) = self.pick() else { return };
        let process = self.processes.get_mut(&name).unwrap();
        let silent =
            !process.expired && !process.place.may_join() && process.running == Assignment::default();
        let expired = process.crashed || (silent && self.random.below(2) == 0);
        let left = process.leaving && process.running == Assignment::default();
        if expired || left {
            process.expired = true;
            if process.crashed || left {
                self.processes.remove(&name);
            }
            if let Some(called) = &mut self.called {
                called.remove(&name);
            }
            self.under_way.remove(&name);
            return self.call();
        }
        let in_round = self.under_way.contains_key(&name)
            || self.called.as_ref().is_some_and(|called| called.contains_key(&name));
        match self.random.below(4) {
            0 if !process.crashed => self.begin(&name),
            1 => {
                if !process.crashed && process.stop_one(in_round, &mut self.random) {
                    self.call();
                }
            }
            2 => {
                if process.outside && process.place.may_join() {
                    self.call();
                }
                self.come(&name);
            }
            _ => {
                if !process.crashed
                    && let Some(given) = self.under_way.remove(&name)
                {
                    process.place.take(&given.assigned, &given.revoked, &given.handed);
                }
            }
        }
        self.decide();
    }

    fn come(&mut self, name: &str) {
        let process = self.processes.get_mut(name).unwrap();
        if process.place.may_join()
            && !process.crashed
            && let Some(called) = &mut self.called
            && !called.contains_key(name)
        {
            (process.expired, process.outside) = (false, false);
            called.insert(name.to_owned(), process.place.claimed());
        }
    }

    /// When everyone has come, the leader decides.
    fn decide(&mut self) {
        let processes = &self.processes;
        let everyone = |called: &BTreeMap<String, Assignment>| {
            let came = |(name, process): (&String, &Process)| process.expired || called.contains_key(name);
            !called.is_empty() && processes.iter().all(came)
        };
        let Some(claims) = self.called.take_if(|called| everyone(called)) else { return };
        let fenced = self.wanted.tasks.iter().filter(|id| self.is_fenced(id)).cloned().collect();
        let given = assign(&claims, &self.wanted, &Assignment::default(), &fenced);
        check_decision(&claims, &self.wanted, &given, &fenced);
        self.under_way = given;
    }

    fn check(&self, seed: u64) {
        let mut seen = BTreeSet::new();
        for (name, process) in &self.processes {
            let mut unclaimed = process.running.without(&process.place.claimed());
            unclaimed.tasks.retain(|id| !self.is_fenced(id));
            assert_eq!(unclaimed, Assignment::default(), "seed {seed}: {name} runs what it does not claim");
            for id in process.running.tasks.difference(&process.shut_out) {
                assert!(seen.insert(id), "seed {seed}: {id} runs twice");
            }
        }
    }

    fn is_quiet(&self) -> bool {
        self.called.is_none()
            && self.under_way.is_empty()
            && self.processes.values().all(|process| {
                !process.crashed
                    && !process.leaving
                    && process.place.may_join()
                    && !process.outside
                    && !process.place.is_waiting()
                    && process.shut_out.is_empty()
                    && process.running.without(&process.heard.1) == Assignment::default()
                    && process.heard.0 == process.place.told()
            })
    }

    fn check_quiet(&self, seed: u64) {
        let all = self.processes.values().fold(Assignment::default(), |all, it| all.union(&it.running));
        assert_eq!(all, self.wanted, "seed {seed}");
        for count in [|it: &Assignment| it.tasks.len(), |it: &Assignment| it.connectors.len()] {
            let counts: Vec<usize> = self.processes.values().map(|process| count(&process.running)).collect();
            let (most, least) = (counts.iter().max().unwrap(), counts.iter().min().unwrap());
            assert!(most - least <= 1, "seed {seed}: {counts:?}");
        }
    }
}

/// Nothing is given that somebody claims, but for what is fenced and handed over; whoever has no more than its fair share loses nothing that is wanted.
fn check_decision(
    claims: &BTreeMap<String, Assignment>,
    wanted: &Assignment,
    given: &BTreeMap<String, Given>,
    fenced: &BTreeSet<TaskId>,
) {
    let handed = given.values().fold(Assignment::default(), |all, given| all.union(&given.handed));
    assert!(handed.connectors.is_empty() && handed.tasks.is_subset(fenced), "{handed:?}");
    let claimed = claims.values().fold(Assignment::default(), |all, claim| all.union(claim));
    let fair = wanted.tasks.len() / claims.len();
    for (member, given) in given {
        assert_eq!(given.assigned.intersection(&claimed).without(&handed), Assignment::default());
        assert_eq!(given.revoked.without(&claims[member]), Assignment::default());
        // What two claim, since one did not hear that it was handed over, only one of them keeps.
        let others = claims.iter().filter(|(other, _)| *other != member);
        let others = others.fold(Assignment::default(), |all, (_, claim)| all.union(claim));
        let held = claims[member].intersection(wanted).without(&others).tasks.len();
        let lost = given.revoked.intersection(wanted).without(&others).tasks.len();
        let kept = claims[member].intersection(wanted).without(&given.revoked).tasks.len();
        assert!(lost == 0 || kept >= fair, "{member} holds {held} of fair {fair} and loses {lost}");
    }
}

#[test]
fn in_any_order_of_events_everything_runs_at_most_once_and_in_the_end_once() {
    for seed in 1..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            match world.random.below(8) {
                0 => world.trouble(),
                _ => world.go_on(),
            }
            world.check(seed);
        }
        // Trouble ends; there is at least one worker.
        world.join();
        for _ in 0..20_000 {
            world.go_on();
            world.check(seed);
            if world.is_quiet() {
                break;
            }
        }
        assert!(world.is_quiet(), "seed {seed} never becomes quiet: {world:?}");
        world.check_quiet(seed);
    }
}
