//! Thousands of seeded histories of a group: members come, stall, lose answers, restart and go, topics grow and vanish, the broker
//! restarts from its log; laws after every step, and in the end everyone has its share.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use broker_protocol::{ErrorCode, Uuid, group_records::key_version};
use bytes::Bytes;

use super::{
    answers::{Beat, BeatAnswer, Refused},
    member::{Assigned, ConsumerMember, MemberState, each, gather, has},
    records::LoadedConsumerGroup,
    state::{ConsumerGroup, ConsumerLimits, ConsumerState},
    target::Assignor,
    topics::TopicImage,
};

mod stories;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn limits(assignors: &[Assignor]) -> ConsumerLimits {
    ConsumerLimits {
        session_timeout_ms: 1000,
        heartbeat_interval_ms: 100,
        members_max: 10,
        assignors: assignors.to_vec(),
    }
}

fn id_of(topic: u8) -> Uuid {
    Uuid([topic; 16])
}

fn image(version: u64, topics: &BTreeMap<u8, i32>) -> TopicImage {
    TopicImage::new(version, topics.iter().map(|(topic, count)| (format!("t{topic}"), id_of(*topic), *count)))
}

/// A member's side of the protocol, as clients are written.
#[derive(Clone, Debug, Default)]
struct Client {
    id: String,
    instance: Option<String>,
    topics: BTreeSet<String>,
    regex: Option<String>,
    epoch: i32,
    holds: Assigned,
    /// An assignment that it is still busy with.
    busy_with: Option<Assigned>,
    /// It has done as it was told, and says so.
    reports: bool,
    /// It does not know what the coordinator knows.
    says_all: bool,
}

impl Client {
    fn beat(&self) -> Beat {
        let says_all = self.says_all || self.epoch == 0;
        Beat {
            member_id: self.id.clone(),
            member_epoch: self.epoch,
            instance_id: self.instance.clone(),
            rebalance_timeout_ms: says_all.then_some(5000),
            topics: says_all.then(|| self.topics.clone()),
            regex: says_all.then(|| self.regex.clone().unwrap_or_default()),
            owned: (says_all || self.reports).then(|| self.may_hold()),
            ..Beat::default()
        }
    }

    /// What it holds, and what it is about to take: if it left that out, the coordinator could not know of it after a lost answer.
    fn may_hold(&self) -> Assigned {
        gather(each(&self.holds).chain(self.busy_with.iter().flat_map(each)))
    }

    fn take(&mut self, answer: Result<BeatAnswer, Refused>) {
        match answer {
            Ok(answer) => {
                self.epoch = answer.member_epoch;
                (self.says_all, self.reports) = (false, false);
                if answer.assignment.is_some() {
                    self.busy_with = answer.assignment;
                }
            }
            Err(refused) => {
                assert!(
                    matches!(
                        refused.code,
                        ErrorCode::FENCED_MEMBER_EPOCH
                            | ErrorCode::UNKNOWN_MEMBER_ID
                            | ErrorCode::UNRELEASED_INSTANCE_ID
                            | ErrorCode::FENCED_INSTANCE_ID
                            | ErrorCode::GROUP_MAX_SIZE_REACHED
                    ),
                    "{refused:?}"
                );
                (self.epoch, self.busy_with) = (0, None);
                self.holds.clear();
            }
        }
    }

    /// Gives back and takes what it was told to.
    fn work(&mut self) {
        if let Some(assignment) = self.busy_with.take() {
            self.holds = assignment;
            self.reports = true;
        }
    }
}

struct World {
    group: ConsumerGroup,
    limits: ConsumerLimits,
    log: HashMap<Bytes, Bytes>,
    topics: BTreeMap<u8, i32>,
    version: u64,
    clients: Vec<Client>,
    now: u64,
    names: u32,
    epochs: (i32, i32),
    steps: u32,
}

impl World {
    fn new(assignor: Assignor) -> Self {
        Self {
            group: ConsumerGroup::new(),
            limits: limits(&[assignor]),
            log: HashMap::new(),
            topics: BTreeMap::from([(1, 5), (2, 3)]),
            version: 1,
            clients: Vec::new(),
            now: 0,
            names: 0,
            epochs: (0, 0),
            steps: 0,
        }
    }

    fn client(&mut self, random: &mut Random) -> Client {
        self.names += 1;
        let topics = [&["t1"][..], &["t1", "t2"], &["t2", "t3"]];
        let chosen = topics[usize::try_from(random.below(3)).unwrap()];
        Client {
            id: format!("m{}", self.names),
            topics: chosen.iter().map(|topic| (*topic).to_owned()).collect(),
            regex: (random.below(4) == 0).then(|| "t[13]".to_owned()),
            ..Client::default()
        }
    }

    fn send(&mut self, beat: &Beat) -> Result<BeatAnswer, Refused> {
        let image = image(self.version, &self.topics);
        let before = self.group.clone();
        let answer = self.group.heartbeat(beat, &self.limits, &image, self.now);
        if answer.is_err() {
            assert_eq!(durable(&self.group), durable(&before), "what is refused changes nothing: {beat:?}");
        }
        self.settle();
        answer
    }

    /// Writes to the log, and checks all laws.
    fn settle(&mut self) {
        let changes = self.group.take_changes();
        for record in self.group.records("g", &changes).unwrap() {
            match record.value {
                Some(value) => self.log.insert(record.key, value),
                None => self.log.remove(&record.key),
            };
        }
        self.steps += 1;
        // Reading the whole log costs the most of all this.
        if self.steps.is_multiple_of(4) {
            assert_eq!(durable(&self.recall()), durable(&self.group), "the log says what memory holds");
        }
        self.check();
    }

    fn recall(&self) -> ConsumerGroup {
        let mut groups = HashMap::new();
        for (key, value) in &self.log {
            let version = key_version(key).unwrap();
            LoadedConsumerGroup::apply(&mut groups, version, key.clone(), Some(value.clone())).unwrap();
        }
        let loaded: Option<LoadedConsumerGroup> = groups.remove("g");
        let recalled = loaded.and_then(|loaded| loaded.recall(&self.limits, self.now));
        recalled.unwrap_or_else(ConsumerGroup::new)
    }

    fn check(&mut self) {
        let group = &self.group;
        let mut holders: BTreeMap<(Uuid, i32), &str> = BTreeMap::new();
        for member in group.members.values() {
            for partition in member.in_hands() {
                let other = holders.insert(partition, &member.id);
                assert_eq!(other, None, "{partition:?} has two owners: {group:#?}");
            }
            assert!(member.epoch <= group.target_epoch, "{group:#?}");
        }
        let known: BTreeMap<(Uuid, i32), &str> =
            group.holders.iter().map(|(partition, id)| (*partition, &**id)).collect();
        assert_eq!(known, holders);
        assert!(group.target_epoch <= group.epoch, "{group:#?}");
        assert!(group.epoch >= self.epochs.0 && group.target_epoch >= self.epochs.1);
        self.epochs = (group.epoch, group.target_epoch);
        let mut held = BTreeSet::new();
        for client in &self.clients {
            // One that was removed gives up by itself as soon as it hears of it.
            let Some(member) = group.members.get(&client.id) else { continue };
            for (topic, partition) in each(&client.holds) {
                assert!(held.insert((topic, partition)), "two clients hold {topic} {partition}");
                let may = has(&member.assigned, topic, partition) || has(&member.revoking, topic, partition);
                assert!(may, "{} holds what is not its own: {member:#?}", client.id);
            }
        }
    }
}

/// What the log must know, apart from time.
fn durable(group: &ConsumerGroup) -> impl PartialEq + std::fmt::Debug + use<> {
    let member = |member: &ConsumerMember| {
        let untimed = ConsumerMember { expires_at: 0, revokes_until: None, ..member.clone() };
        format!("{untimed:?}")
    };
    let members: Vec<String> = group.members.values().map(member).collect();
    (group.epoch, group.target_epoch, group.topics_hash, members, group.targets.clone())
}

/// Leaves for good, or for as long as a restart takes.
fn leaves(world: &mut World, random: &mut Random, at: usize) {
    let client = world.clients.swap_remove(at);
    if client.epoch > 0 {
        let back = client.instance.is_some() && random.below(2) == 0;
        let beat = Beat { member_epoch: if back { -2 } else { -1 }, ..client.beat() };
        // It may have been fenced meanwhile.
        let left = world.send(&beat);
        if back && left.is_ok() {
            world.names += 1;
            let id = format!("m{}", world.names);
            world.clients.push(Client { id, epoch: 0, holds: Assigned::new(), busy_with: None, ..client });
        }
    }
}

fn chaos_step(world: &mut World, random: &mut Random) {
    let count = world.clients.len() as u64;
    let at = usize::try_from(random.below(count.max(1))).unwrap();
    match random.below(20) {
        0 | 1 if count < 6 => {
            let mut client = world.client(random);
            client.instance = (random.below(3) == 0).then(|| format!("i{}", random.below(3)));
            world.clients.push(client);
        }
        2 if count > 0 => {
            // Dies without a word.
            world.clients.swap_remove(at);
        }
        3 if count > 0 => leaves(world, random, at),
        4 => {
            let topic = u8::try_from(1 + random.below(3)).unwrap();
            match random.below(4) {
                0 => {
                    world.topics.remove(&topic);
                }
                _ => *world.topics.entry(topic).or_insert(0) += 1,
            }
            world.version += 1;
        }
        5 => world.group = world.recall(),
        6 if count > 0 => {
            let topics = world.client(random).topics;
            (world.clients[at].topics, world.clients[at].says_all) = (topics, true);
        }
        7 => {
            world.now += random.below(700);
            world.group.tick(world.now);
            world.settle();
        }
        _ if count > 0 => {
            world.now += random.below(60);
            if random.below(3) > 0 {
                world.clients[at].work();
            }
            let beat = world.clients[at].beat();
            let fate = random.below(10);
            if fate == 0 {
                // Lost on its way.
                world.clients[at].says_all = true;
                return;
            }
            let answer = world.send(&beat);
            if fate == 1 {
                // The answer is lost.
                world.clients[at].says_all = true;
            } else {
                world.clients[at].take(answer);
            }
        }
        _ => {}
    }
    world.settle();
}

fn settle_down(world: &mut World, seed: u64) {
    for round in 0..45 {
        world.now += 100;
        world.group.tick(world.now);
        world.settle();
        for at in 0..world.clients.len() {
            world.clients[at].work();
            let beat = world.clients[at].beat();
            let answer = world.send(&beat);
            world.clients[at].take(answer);
        }
        let in_group = world.clients.iter().all(|client| world.group.members.contains_key(&client.id));
        if round > 12 && in_group && world.group.state() == ConsumerState::Stable {
            break;
        }
    }
    world.clients.iter_mut().for_each(Client::work);
    // Of clients with one instance id, one has it; the others were told so.
    world.clients.retain(|client| world.group.members.contains_key(&client.id));
    let group = &world.group;
    assert!(
        matches!(group.state(), ConsumerState::Stable | ConsumerState::Empty),
        "seed {seed}: {:?} {group:#?}",
        group.state()
    );
    let mut owned: BTreeSet<(Uuid, i32)> = BTreeSet::new();
    for client in &world.clients {
        assert_eq!(client.epoch, group.epoch, "seed {seed}");
        assert_eq!(client.holds, group.members[&client.id].assigned, "seed {seed}");
        owned.extend(each(&client.holds));
    }
    let image = image(world.version, &world.topics);
    let wanted: BTreeSet<(Uuid, i32)> = group
        .members
        .values()
        .flat_map(|member| group.shapes_of(member, &image))
        .flat_map(|(topic, count)| (0..count).map(move |partition| (topic, partition)))
        .collect();
    assert_eq!(
        owned, wanted,
        "seed {seed}: everything that is read has an owner, and nothing else: {group:#?}"
    );
}

#[test]
fn no_history_gives_a_partition_two_owners_and_every_history_ends_well() {
    let mut moved = 0;
    for seed in 1..250_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut world = World::new(if seed % 2 == 0 { Assignor::Uniform } else { Assignor::Range });
        for _ in 0..100 {
            chaos_step(&mut world, &mut random);
            moved +=
                u32::from(world.group.members.values().any(|member| member.state == MemberState::Unrevoked));
        }
        settle_down(&mut world, seed);
    }
    assert!(moved > 1000, "partitions must have moved between members: {moved}");
}
