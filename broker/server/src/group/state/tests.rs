//! Thousands of seeded orders of events against the state machine: laws after every step, and members that behave find each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{assignment::Sync, rebalance::Join},
    *,
};

/// A small generator (xorshift), so that a seed is a whole history.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn limits(delay: u64) -> GroupLimits {
    GroupLimits { initial_rebalance_delay_ms: delay, members_max: 20 }
}

fn join(
    member_id: &str,
    new_member_id: &str,
    instance: Option<&str>,
    protocols: &[&str],
    version: i16,
) -> Join {
    let metadata = Bytes::from(format!("{new_member_id}{member_id}"));
    Join {
        member_id: member_id.to_owned(),
        new_member_id: new_member_id.to_owned(),
        instance_id: instance.map(str::to_owned),
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout_ms: 100,
        rebalance_timeout_ms: 300,
        protocol_type: "consumer".to_owned(),
        protocols: protocols.iter().map(|name| ((*name).to_owned(), metadata.clone())).collect(),
        known_id_required: version >= 4 && instance.is_none(),
        can_skip_assignment: version >= 9,
    }
}

/// The requests under way, as the other side of the machine sees them.
#[derive(Default)]
struct World {
    asked: BTreeSet<Token>,
    next_token: Token,
    generation: i32,
    /// Ids that were given out, with the generation that they learnt last.
    known: Vec<(String, Option<String>, i32)>,
    history: Vec<String>,
}

impl World {
    fn token(&mut self) -> Token {
        self.next_token += 1;
        self.asked.insert(self.next_token);
        self.next_token
    }

    /// Takes the answers and checks all laws.
    fn settle(&mut self, group: &mut Group) {
        for answer in group.take_answers() {
            let token = match &answer {
                Answered::Join(token, _) | Answered::Sync(token, _) => *token,
            };
            assert!(self.asked.remove(&token), "answered twice or unasked: {answer:?}\n{:#?}", self.history);
            if let Answered::Join(_, answer) = answer
                && matches!(answer.error, ErrorCode::NONE | ErrorCode::MEMBER_ID_REQUIRED)
            {
                let instance =
                    group.members.get(&answer.member_id).and_then(|member| member.instance_id.clone());
                self.known.retain(|(id, ..)| *id != answer.member_id);
                self.known.push((answer.member_id, instance, answer.generation));
            }
        }
        self.check(group);
    }

    fn check(&mut self, group: &Group) {
        let history = || format!("{:#?}\n{group:#?}", self.history);
        let waiting: BTreeSet<Token> = group
            .members
            .values()
            .flat_map(|member| [member.waits_for_join, member.waits_for_sync])
            .flatten()
            .collect();
        assert_eq!(waiting, self.asked, "every request waits in the group or is answered\n{}", history());
        for member in group.members.values() {
            let joins = member.waits_for_join.is_some();
            assert!(!joins || group.state == GroupState::PreparingRebalance, "{}", history());
            let syncs = member.waits_for_sync.is_some();
            assert!(!syncs || group.state == GroupState::CompletingRebalance, "{}", history());
            assert!(!(joins && syncs));
        }
        if !group.members.is_empty() {
            assert!(
                group.leader.as_ref().is_some_and(|leader| group.members.contains_key(leader)),
                "{}",
                history()
            );
        }
        assert_eq!(
            group.state == GroupState::Empty,
            group.members.is_empty() && group.state != GroupState::PreparingRebalance,
            "{}",
            history()
        );
        assert!(group.generation >= self.generation, "{}", history());
        self.generation = group.generation;
        for (instance, id) in &group.instances {
            assert_eq!(group.members[id].instance_id.as_ref(), Some(instance), "{}", history());
        }
        if matches!(group.state, GroupState::CompletingRebalance | GroupState::Stable) {
            let protocol = group.protocol.as_ref().unwrap();
            assert!(group.members.values().all(|member| member.supports(protocol)), "{}", history());
        }
        let in_rebalance =
            matches!(group.state, GroupState::PreparingRebalance | GroupState::CompletingRebalance);
        assert!(
            !in_rebalance || group.next_deadline().is_some(),
            "a rebalance ends by itself\n{}",
            history()
        );
    }
}

#[test]
fn no_order_of_events_breaks_the_laws() {
    let mut stable_seen = 0;
    for seed in 1..1500_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut group = Group::new(limits(random.below(2) * 50));
        let (mut world, mut now) = (World::default(), 0);
        for step in 0..80 {
            now += random.below(60);
            chaos_step(&mut random, &mut group, &mut world, now, step);
            world.settle(&mut group);
            stable_seen += u32::from(group.state == GroupState::Stable);
        }
        // Left alone, every group ends empty with all requests answered.
        for _ in 0..100 {
            now = group.next_deadline().unwrap_or(now);
            group.tick(now);
            world.settle(&mut group);
        }
        assert!(world.asked.is_empty() && group.is_idle(), "seed {seed}: {group:#?}");
    }
    assert!(stable_seen > 1000, "the histories must get somewhere: {stable_seen}");
}

fn chaos_step(random: &mut Random, group: &mut Group, world: &mut World, now: Millis, step: u32) {
    let (id, instance, generation) = match world.known.len() as u64 {
        0 => (String::new(), None, -1),
        count => world.known[usize::try_from(random.below(count)).unwrap()].clone(),
    };
    let generation = if random.below(10) == 0 { generation - 1 } else { generation };
    let action = random.below(10);
    world.history.push(format!("{now}: {action} {id} {instance:?} {generation}"));
    match action {
        0..=3 => {
            let newcomer = id.is_empty() || random.below(3) == 0;
            let instance_name = format!("i{}", random.below(3));
            let instance = if newcomer {
                (random.below(3) == 0).then_some(&*instance_name)
            } else {
                instance.as_deref()
            };
            let protocols: &[&str] = [&["range"][..], &["range", "sticky"], &["sticky", "range"]]
                [usize::try_from(random.below(3)).unwrap()];
            let version = [0, 4, 9][usize::try_from(random.below(3)).unwrap()];
            let join =
                join(if newcomer { "" } else { &id }, &format!("m{step}"), instance, protocols, version);
            let token = world.token();
            group.join(join, token, now);
        }
        4 | 5 => {
            let token = world.token();
            let claim = Claim { member_id: &id, instance_id: instance.as_deref(), generation };
            let assignments = group.members.keys().map(|id| (id.clone(), Bytes::from(id.clone()))).collect();
            group.sync(Sync { claim, protocol_type: None, protocol: None, assignments }, token, now);
        }
        6 | 7 => {
            let claim = Claim { member_id: &id, instance_id: instance.as_deref(), generation };
            let code = group.heartbeat(claim, now);
            if code == ErrorCode::NONE {
                assert!(group.members.contains_key(&id) && generation == group.generation);
            }
            if group.check_commit(claim, now) == ErrorCode::NONE && generation >= 0 {
                assert_eq!(generation, group.generation, "nobody commits for another generation");
            }
        }
        8 => {
            group.leave(&id, instance.as_deref(), now);
        }
        _ => group.tick(now),
    }
}

/// A member that does what clients do.
#[derive(Default)]
struct Client {
    id: String,
    generation: i32,
    waits: Option<Token>,
    assignment: Option<Bytes>,
}

#[test]
fn members_that_behave_find_each_other_whoever_dies() {
    for seed in 1..300_u64 {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
        let mut group = Group::new(limits(10));
        let mut clients: BTreeMap<u64, Client> = (0..5).map(|number| (number, Client::default())).collect();
        let (mut world, mut now) = (World::default(), 0);
        for round in 0..400 {
            now += 10;
            if round < 200 && random.below(40) == 0 {
                // Dies without a word and comes back as a stranger.
                let number = random.below(5);
                clients.insert(number, Client::default());
            }
            group.tick(now);
            for (number, client) in &mut clients {
                act(client, *number, round, &mut group, &mut world, now);
            }
            deliver(&mut group, &mut world, &mut clients, now);
            world.check(&group);
        }
        assert_eq!(group.state, GroupState::Stable, "seed {seed}: {group:#?}");
        assert_eq!(group.members.len(), 5, "seed {seed}");
        for client in clients.values() {
            assert_eq!(client.generation, group.generation, "seed {seed}");
            assert_eq!(
                client.assignment.as_deref(),
                Some(client.id.as_bytes()),
                "seed {seed}: everyone got its own"
            );
        }
    }
}

fn act(client: &mut Client, number: u64, round: u32, group: &mut Group, world: &mut World, now: Millis) {
    if client.waits.is_some() {
        return;
    }
    let claim = Claim { member_id: &client.id, instance_id: None, generation: client.generation };
    if client.assignment.is_some() {
        match group.heartbeat(claim, now) {
            ErrorCode::NONE => return,
            ErrorCode::UNKNOWN_MEMBER_ID => *client = Client::default(),
            _ => client.assignment = None,
        }
    }
    let token = world.token();
    client.waits = Some(token);
    group.join(join(&client.id, &format!("c{number}-{round}"), None, &["range"], 4), token, now);
}

fn deliver(group: &mut Group, world: &mut World, clients: &mut BTreeMap<u64, Client>, now: Millis) {
    loop {
        let answers = group.take_answers();
        if answers.is_empty() {
            return;
        }
        for answer in answers {
            let (Answered::Join(token, _) | Answered::Sync(token, _)) = &answer;
            assert!(world.asked.remove(token));
            let Some(client) = clients.values_mut().find(|client| client.waits == Some(*token)) else {
                continue;
            };
            client.waits = None;
            match answer {
                Answered::Join(_, answer) => joined(client, answer, group, world, now),
                Answered::Sync(_, answer) if answer.error == ErrorCode::NONE => {
                    client.assignment = Some(answer.assignment)
                }
                Answered::Sync(_, answer) if answer.error == ErrorCode::UNKNOWN_MEMBER_ID => {
                    *client = Client::default()
                }
                Answered::Sync(..) => {}
            }
        }
    }
}

fn joined(client: &mut Client, answer: JoinAnswer, group: &mut Group, world: &mut World, now: Millis) {
    match answer.error {
        ErrorCode::NONE => {
            (client.id, client.generation) = (answer.member_id, answer.generation);
            let token = world.token();
            client.waits = Some(token);
            let claim = Claim { member_id: &client.id, instance_id: None, generation: client.generation };
            let assign = |(id, ..): &(String, Option<String>, Bytes)| (id.clone(), Bytes::from(id.clone()));
            let assignments = answer.members.iter().map(assign).collect();
            group.sync(Sync { claim, protocol_type: None, protocol: None, assignments }, token, now);
        }
        ErrorCode::MEMBER_ID_REQUIRED => client.id = answer.member_id,
        ErrorCode::UNKNOWN_MEMBER_ID => *client = Client::default(),
        _ => {}
    }
}

/// A group with one static member that is stable.
fn static_group() -> (Group, String) {
    let mut group = Group::new(limits(0));
    group.join(join("", "m1", Some("i"), &["range"], 9), 1, 0);
    assert!(
        matches!(&group.take_answers()[..], [Answered::Join(1, answer)] if answer.error == ErrorCode::NONE)
    );
    let claim = Claim { member_id: "m1", instance_id: Some("i"), generation: 1 };
    let assignments = vec![("m1".to_owned(), Bytes::from_static(b"all"))];
    group.sync(Sync { claim, protocol_type: None, protocol: None, assignments }, 2, 0);
    group.take_answers();
    (group, "m1".to_owned())
}

#[test]
fn a_static_member_that_restarts_keeps_its_assignment_without_a_rebalance() {
    let (mut group, old_id) = static_group();
    group.join(join("", "m2", Some("i"), &["range"], 9), 3, 10);
    let answers = group.take_answers();
    let [Answered::Join(3, answer)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((answer.error, answer.generation, &*answer.member_id), (ErrorCode::NONE, 1, "m2"));
    assert!(answer.skip_assignment, "the leader must not assign anew");
    assert_eq!(group.state(), GroupState::Stable);
    let former = Claim { member_id: &old_id, instance_id: Some("i"), generation: 1 };
    assert_eq!(group.heartbeat(former, 11), ErrorCode::FENCED_INSTANCE_ID);
    let claim = Claim { member_id: "m2", instance_id: Some("i"), generation: 1 };
    group.sync(Sync { claim, protocol_type: None, protocol: None, assignments: Vec::new() }, 4, 12);
    let answers = group.take_answers();
    assert!(matches!(&answers[..], [Answered::Sync(4, answer)] if answer.assignment == "all"), "{answers:?}");
}

#[test]
fn wrong_protocols_generations_and_members_get_kafkas_codes() {
    let (mut group, _) = static_group();
    let mut foreign = join("", "x", None, &["range"], 4);
    foreign.protocol_type = "connect".to_owned();
    group.join(foreign, 5, 0);
    group.join(join("", "x", None, &["other"], 4), 6, 0);
    for answer in group.take_answers() {
        assert!(
            matches!(answer, Answered::Join(_, answer) if answer.error == ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
        );
    }
    let claim = |member_id, generation| Claim { member_id, instance_id: None, generation };
    assert_eq!(group.heartbeat(claim("m1", 0), 0), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(group.heartbeat(claim("m9", 1), 0), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(group.check_commit(claim("", -1), 0), ErrorCode::UNKNOWN_MEMBER_ID, "it has members");
    assert_eq!(group.leave("", Some("i"), 0), ErrorCode::NONE);
    assert_eq!(group.check_commit(claim("", -1), 0), ErrorCode::NONE);
}
