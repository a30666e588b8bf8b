//! The `cooperative-sticky` way to share out: as even as can be, with as little as possible changing hands, and nothing in two hands
//! (KIP-429). The group's leader computes it.
//!
//! Pure. Two rounds move a partition: in the first its owner is not given it any more, and nobody else is given it either; the owner
//! lets go and rejoins, and the second round gives it to its new owner. So a partition is never read by two members.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytestring::ByteString;

use super::assignor::{Shares, Wish};
use crate::types::TopicPartition;

/// Shares out `partitions` (topic and count) among members, who stand in a fixed order.
pub(super) fn share(members: &[Wish], partitions: &BTreeMap<ByteString, i32>) -> Shares {
    let mut shares = kept(members, partitions);
    give_out(members, partitions, &mut shares);
    balance(members, &mut shares);
    withhold(members, &mut shares);
    for share in shares.values_mut() {
        share.sort();
    }
    shares
}

/// What each member may keep: what it has, wants, and has by the newest claim. Of two equally new claims none counts.
fn kept(members: &[Wish], partitions: &BTreeMap<ByteString, i32>) -> Shares {
    let mut claims: HashMap<&TopicPartition, (i32, Option<&ByteString>)> = HashMap::new();
    for member in members {
        let owned: BTreeSet<&TopicPartition> = member.owned.iter().collect();
        for partition in owned {
            let claim = claims.entry(partition).or_insert((i32::MIN, None));
            match member.generation.cmp(&claim.0) {
                std::cmp::Ordering::Greater => *claim = (member.generation, Some(&member.member_id)),
                std::cmp::Ordering::Equal => claim.1 = None,
                std::cmp::Ordering::Less => {}
            }
        }
    }
    let exists = |partition: &TopicPartition| {
        partitions.get(&partition.topic).is_some_and(|count| (0..*count).contains(&partition.partition))
    };
    let mut shares = Shares::new();
    for member in members {
        let keeps = |partition: &&TopicPartition| {
            let holder = claims.get(partition).and_then(|(_generation, holder)| *holder);
            holder == Some(&member.member_id) && exists(partition) && member.topics.contains(&partition.topic)
        };
        shares.insert(member.member_id.clone(), member.owned.iter().filter(keeps).cloned().collect());
    }
    shares
}

/// Gives what nobody has to whoever wants it and has least.
fn give_out(members: &[Wish], partitions: &BTreeMap<ByteString, i32>, shares: &mut Shares) {
    let taken: BTreeSet<TopicPartition> = shares.values().flatten().cloned().collect();
    for (topic, count) in partitions {
        for partition in (0..*count).map(|partition| TopicPartition { topic: topic.clone(), partition }) {
            if taken.contains(&partition) {
                continue;
            }
            if let Some(taker) = least(members, topic, shares) {
                shares.entry(taker).or_default().push(partition);
            }
        }
    }
}

/// The member with the fewest partitions of those that want the topic.
fn least(members: &[Wish], topic: &ByteString, shares: &Shares) -> Option<ByteString> {
    let takers = members.iter().filter(|member| member.topics.contains(topic));
    takers.map(|member| &member.member_id).min_by_key(|id| shares.get(*id).map_or(0, Vec::len)).cloned()
}

/// Moves partitions from who has much to who has less by two or more. Every move makes the shares more even, so it ends.
fn balance(members: &[Wish], shares: &mut Shares) {
    loop {
        let mut by_load: Vec<ByteString> = shares.keys().cloned().collect();
        by_load.sort_by_key(|id| std::cmp::Reverse(shares.get(id).map_or(0, Vec::len)));
        let moved = by_load.iter().any(|giver| move_one(giver, members, shares));
        if !moved {
            return;
        }
    }
}

fn move_one(giver: &ByteString, members: &[Wish], shares: &mut Shares) -> bool {
    let load = shares.get(giver).map_or(0, Vec::len);
    // All partitions of a topic have the same takers.
    let topics: BTreeSet<ByteString> =
        shares.get(giver).into_iter().flatten().map(|partition| partition.topic.clone()).collect();
    for topic in topics {
        let Some(taker) = least(members, &topic, shares) else { continue };
        if shares.get(&taker).map_or(0, Vec::len) + 1 >= load {
            continue;
        }
        let Some(share) = shares.get_mut(giver) else { continue };
        let Some(last) = share.iter().rposition(|partition| partition.topic == topic) else { continue };
        let partition = share.remove(last);
        shares.entry(taker).or_default().push(partition);
        return true;
    }
    false
}

/// Takes back what somebody else still has: it is given out once its owner has let go.
fn withhold(members: &[Wish], shares: &mut Shares) {
    let mut owners: HashMap<&TopicPartition, Vec<&ByteString>> = HashMap::new();
    for member in members {
        for partition in &member.owned {
            owners.entry(partition).or_default().push(&member.member_id);
        }
    }
    for (taker, share) in shares.iter_mut() {
        share.retain(|partition| {
            let others = owners.get(partition).into_iter().flatten();
            others.into_iter().all(|owner| *owner == taker)
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytestring::ByteString;

    use super::{Shares, Wish, share};
    use crate::types::TopicPartition;

    fn wish(member: &str, topics: &[&str], owned: &[(&str, i32)], generation: i32) -> Wish {
        Wish {
            member_id: member.into(),
            instance_id: None,
            topics: topics.iter().map(|topic| (*topic).into()).collect(),
            owned: owned.iter().map(|(topic, partition)| TopicPartition::new(*topic, *partition)).collect(),
            generation,
        }
    }

    fn counts(partitions: &[(&str, i32)]) -> BTreeMap<ByteString, i32> {
        partitions.iter().map(|(topic, count)| ((*topic).into(), *count)).collect()
    }

    fn text(shares: &Shares) -> Vec<String> {
        let one = |(member, share): (&ByteString, &Vec<TopicPartition>)| {
            let share: Vec<_> = share.iter().map(ToString::to_string).collect();
            format!("{member}: {}", share.join(" "))
        };
        shares.iter().map(one).collect()
    }

    #[test]
    fn a_newcomer_gets_its_part_in_two_rounds() {
        let counts = counts(&[("t", 4)]);
        let all = [("t", 0), ("t", 1), ("t", 2), ("t", 3)];
        let first = share(&[wish("a", &["t"], &all, 1), wish("b", &["t"], &[], -1)], &counts);
        assert_eq!(text(&first), ["a: t-0 t-1", "b: "], "what changes hands is held back");
        let second =
            share(&[wish("a", &["t"], &[("t", 0), ("t", 1)], 2), wish("b", &["t"], &[], 2)], &counts);
        assert_eq!(text(&second), ["a: t-0 t-1", "b: t-2 t-3"]);
        let third = share(&[wish("a", &["t"], &all[..2], 3), wish("b", &["t"], &all[2..], 3)], &counts);
        assert_eq!(third, second, "nothing moves without a cause");
    }

    #[test]
    fn what_a_lost_member_had_is_given_out_at_once() {
        let shares = share(&[wish("a", &["t"], &[("t", 1)], 5)], &counts(&[("t", 3)]));
        assert_eq!(text(&shares), ["a: t-0 t-1 t-2"]);
    }

    #[test]
    fn of_two_claims_the_newer_counts_and_of_equal_ones_none() {
        let counts = counts(&[("t", 2)]);
        let both = [("t", 0), ("t", 1)];
        let newer = share(&[wish("a", &["t"], &both, 3), wish("b", &["t"], &[("t", 1)], 4)], &counts);
        assert_eq!(text(&newer), ["a: t-0", "b: "], "b waits until a has let go");
        let equal = share(&[wish("a", &["t"], &[("t", 0)], 3), wish("b", &["t"], &[("t", 0)], 3)], &counts);
        assert!(!text(&equal).join("").contains("t-0"), "{equal:?}");
    }

    #[test]
    fn what_is_gone_or_no_longer_wanted_is_not_kept() {
        let shares = share(
            &[wish("a", &["t"], &[("t", 7), ("u", 0)], 1), wish("b", &["u"], &[], 1)],
            &counts(&[("t", 1), ("u", 1)]),
        );
        assert_eq!(text(&shares), ["a: t-0", "b: "], "u-0 changes hands");
    }

    /// Many groups: whatever members have and want, the shares are even, complete and disjoint after at most three rounds.
    #[test]
    fn rounds_end_in_an_even_and_complete_sharing() {
        let mut seed = 7_u64;
        let mut dice = move |limit: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % limit
        };
        for _group in 0..200 {
            let counts = counts(&[
                ("t", i32::try_from(dice(9)).unwrap() + 1),
                ("u", i32::try_from(dice(9)).unwrap() + 1),
            ]);
            let names = ["a", "b", "c", "d", "e"];
            let members = usize::try_from(dice(5)).unwrap() + 1;
            let mut wishes: Vec<_> =
                names[..members].iter().map(|name| wish(name, &["t", "u"], &[], -1)).collect();
            let first = usize::try_from(dice(u64::try_from(members).unwrap())).unwrap();
            // One of them had everything before.
            wishes[first].owned = counts
                .iter()
                .flat_map(|(topic, count)| {
                    (0..*count).map(|partition| TopicPartition::new(topic.clone(), partition))
                })
                .collect();
            for generation in 1..4 {
                let shares = share(&wishes, &counts);
                let mut seen = std::collections::BTreeSet::new();
                for wish in &mut wishes {
                    let share = &shares[&wish.member_id];
                    assert!(share.iter().all(|partition| seen.insert(partition.clone())), "given twice");
                    (wish.owned, wish.generation) = (share.clone(), generation);
                }
            }
            let sizes: Vec<_> = wishes.iter().map(|wish| wish.owned.len()).collect();
            let total: usize = counts.values().map(|count| usize::try_from(*count).unwrap()).sum();
            assert_eq!(sizes.iter().sum::<usize>(), total);
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
        }
    }
}
