//! Single stories of the consumer protocol, told step by step: newcomers, wrong epochs, static members, patterns.

use super::*;

/// One member that has everything, in its epoch.
fn lone() -> (World, Client) {
    let mut world = World::new(Assignor::Uniform);
    let mut client =
        Client { id: "m".to_owned(), topics: BTreeSet::from(["t1".to_owned()]), ..Client::default() };
    let answer = world.send(&client.beat());
    client.take(answer);
    client.work();
    (world, client)
}

#[test]
fn a_newcomer_gets_partitions_only_after_they_were_given_back() {
    let (mut world, mut old) = lone();
    assert_eq!(old.holds[&id_of(1)].len(), 5);
    let mut new = Client { id: "n".to_owned(), topics: old.topics.clone(), ..Client::default() };
    let answer = world.send(&new.beat());
    new.take(answer);
    new.work();
    assert!(new.holds.is_empty(), "all are in the hands of the other");
    assert_eq!(world.group.state(), ConsumerState::Reconciling);
    let answer = world.send(&old.beat()).unwrap();
    assert_eq!(answer.member_epoch, 1, "it stays in its epoch until it has given back");
    old.take(Ok(answer));
    let kept = old.busy_with.clone().unwrap();
    assert_eq!(kept[&id_of(1)].len(), 3);
    // It has not given back yet.
    old.says_all = true;
    let answer = world.send(&Beat { owned: Some(old.holds.clone()), ..old.beat() });
    old.take(answer);
    let answer = world.send(&new.beat());
    new.take(answer);
    assert!(new.holds.is_empty());
    old.work();
    let answer = world.send(&old.beat()).unwrap();
    assert_eq!(answer.member_epoch, 2);
    old.take(Ok(answer));
    let answer = world.send(&new.beat());
    new.take(answer);
    new.work();
    assert_eq!(new.holds[&id_of(1)].len(), 2);
    assert_eq!(world.group.state(), ConsumerState::Stable);
}

#[test]
fn who_speaks_of_a_wrong_epoch_is_fenced_unless_its_answer_was_lost() {
    let (mut world, old) = lone();
    let code = |world: &mut World, beat: &Beat| world.send(beat).map_err(|refused| refused.code);
    let new = Client { id: "n".to_owned(), topics: old.topics.clone(), ..Client::default() };
    assert!(world.send(&new.beat()).is_ok());
    let full = |epoch, owned: &Assigned| Beat {
        member_epoch: epoch,
        owned: Some(owned.clone()),
        ..Client { says_all: true, ..old.clone() }.beat()
    };
    assert_eq!(code(&mut world, &full(9, &old.holds)), Err(ErrorCode::FENCED_MEMBER_EPOCH));
    let kept = world.send(&full(1, &old.holds)).unwrap().assignment.unwrap();
    let told = world.send(&full(1, &kept)).unwrap();
    assert_eq!(told.member_epoch, 2);
    // The answer with epoch 2 was lost: the same again is understood, but not with what it may not hold.
    assert_eq!(world.send(&full(1, &kept)).unwrap().member_epoch, 2);
    assert_eq!(code(&mut world, &full(1, &old.holds)), Err(ErrorCode::FENCED_MEMBER_EPOCH));
    let unknown = Beat { member_id: "x".to_owned(), ..full(1, &kept) };
    assert_eq!(code(&mut world, &unknown), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(world.group.check_offsets("m", 1, true), ErrorCode::STALE_MEMBER_EPOCH);
    assert_eq!(world.group.check_offsets("m", 2, true), ErrorCode::NONE);
    assert_eq!(world.group.check_offsets("", -1, true), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(world.group.check_offsets("", -1, false), ErrorCode::NONE, "tools may look");
}

#[test]
fn a_static_member_that_comes_back_has_its_partitions_without_a_new_epoch() {
    let mut world = World::new(Assignor::Uniform);
    let joins = |id: &str| Client {
        id: id.to_owned(),
        instance: Some("i".to_owned()),
        topics: BTreeSet::from(["t1".to_owned()]),
        ..Client::default()
    };
    let first = world.send(&joins("a").beat()).unwrap();
    let refused = world.send(&joins("b").beat()).unwrap_err();
    assert_eq!(refused.code, ErrorCode::UNRELEASED_INSTANCE_ID);
    let leaves = Beat { member_epoch: -2, ..joins("a").beat() };
    assert_eq!(world.send(&leaves).unwrap().member_epoch, -2);
    let back = world.send(&joins("b").beat()).unwrap();
    assert_eq!((back.member_epoch, &back.assignment), (first.member_epoch, &first.assignment));
    let former = Beat { member_epoch: 1, ..joins("a").beat() };
    assert_eq!(world.send(&former).unwrap_err().code, ErrorCode::FENCED_INSTANCE_ID);
}

#[test]
fn a_member_that_does_not_give_back_in_time_is_removed() {
    let (mut world, mut old) = lone();
    let new = Client { id: "n".to_owned(), topics: old.topics.clone(), ..Client::default() };
    assert!(world.send(&new.beat()).is_ok());
    for _ in 0..60 {
        let answer = world.send(&old.beat());
        let Ok(answer) = answer else {
            assert!(world.now >= 5000, "it has its rebalance timeout: {}", world.now);
            let mut answers =
                (0..2).map(|_| world.send(&Beat { member_epoch: world.group.epoch, ..new.beat() }));
            assert!(answers.any(|answer| answer.is_ok()));
            return;
        };
        old.take(Ok(answer));
        world.now += 100;
        world.group.tick(world.now);
        assert!(world.send(&Beat { owned: Some(Assigned::new()), ..new.beat() }).is_ok());
    }
    panic!("it holds for ever: {:#?}", world.group);
}

#[test]
fn a_pattern_follows_the_topics_and_must_make_sense() {
    let (mut world, _) = lone();
    let client = Client { id: "p".to_owned(), regex: Some("t[3-9]".to_owned()), ..Client::default() };
    assert_eq!(world.send(&client.beat()).unwrap().assignment, Some(Assigned::new()));
    world.topics.insert(4, 2);
    world.topics.insert(40, 2);
    world.version += 1;
    let beat = Beat { member_epoch: 2, topics: None, regex: None, owned: None, ..client.beat() };
    let assigned = world.send(&beat).unwrap().assignment.unwrap();
    assert_eq!(assigned.keys().collect::<Vec<_>>(), [&id_of(4)], "the whole name must match");
    let broken = Beat { member_id: "q".to_owned(), regex: Some("(".to_owned()), ..client.beat() };
    assert_eq!(world.send(&broken).unwrap_err().code, ErrorCode::INVALID_REGULAR_EXPRESSION);
}
