//! Who gets which partitions: Kafka's `range`, `roundrobin` and `cooperative-sticky`, computed by the group's leader.
//!
//! Pure, and the same as Kafka's: the leader may be a member of another kind, and so may the next one.

use std::collections::{BTreeMap, BTreeSet};

use bytestring::ByteString;

use super::sticky;
use crate::config::Assignor;
use crate::types::TopicPartition;

/// A member, and the topics it wants.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) member_id: ByteString,
    /// Static members are ordered by this name, which survives restarts.
    pub(crate) instance_id: Option<ByteString>,
    pub(crate) topics: BTreeSet<ByteString>,
    /// What it has now.
    pub(crate) owned: Vec<TopicPartition>,
    /// The generation in which it got that; -1 if it does not know.
    pub(crate) generation: i32,
}

/// Partitions by member id.
pub(crate) type Shares = BTreeMap<ByteString, Vec<TopicPartition>>;

/// Shares out `partitions` (topic and count) among the members.
pub(crate) fn assign(
    assignor: Assignor,
    mut members: Vec<Wish>,
    partitions: &BTreeMap<ByteString, i32>,
) -> Shares {
    // Static members first, by name; then the others by id.
    members.sort_by_key(|member| {
        (member.instance_id.is_none(), member.instance_id.clone(), member.member_id.clone())
    });
    let mut shares: Shares = members.iter().map(|member| (member.member_id.clone(), Vec::new())).collect();
    match assignor {
        Assignor::Range => range(&members, partitions, &mut shares),
        Assignor::RoundRobin => round_robin(&members, partitions, &mut shares),
        Assignor::CooperativeSticky => shares = sticky::share(&members, partitions),
    }
    shares
}

fn range(members: &[Wish], partitions: &BTreeMap<ByteString, i32>, shares: &mut Shares) {
    for (topic, count) in partitions {
        let takers: Vec<_> = members.iter().filter(|member| member.topics.contains(topic)).collect();
        let Some(takers_count) = i32::try_from(takers.len()).ok().filter(|count| *count > 0) else {
            continue;
        };
        let (each, rest) = (count / takers_count, count % takers_count);
        let mut next = 0;
        for (index, member) in (0..).zip(takers) {
            let end = next + each + i32::from(index < rest);
            let share = (next..end).map(|partition| TopicPartition { topic: topic.clone(), partition });
            shares.entry(member.member_id.clone()).or_default().extend(share);
            next = end;
        }
    }
}

fn round_robin(members: &[Wish], partitions: &BTreeMap<ByteString, i32>, shares: &mut Shares) {
    let mut turn = members.iter().cycle();
    for (topic, count) in partitions {
        if !members.iter().any(|member| member.topics.contains(topic)) {
            continue;
        }
        for partition in 0..*count {
            // Somebody wants the topic, so the search ends.
            let Some(member) = turn.find(|member| member.topics.contains(topic)) else { return };
            let share = shares.entry(member.member_id.clone()).or_default();
            share.push(TopicPartition { topic: topic.clone(), partition });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Wish, assign};
    use crate::config::Assignor;

    fn wish(member: &str, topics: &[&str]) -> Wish {
        let topics = topics.iter().map(|topic| (*topic).into()).collect();
        Wish { member_id: member.into(), instance_id: None, topics, owned: Vec::new(), generation: -1 }
    }

    fn shares(assignor: Assignor, members: Vec<Wish>, partitions: &[(&str, i32)]) -> Vec<String> {
        let partitions = partitions.iter().map(|(topic, count)| ((*topic).into(), *count)).collect();
        let shares = assign(assignor, members, &partitions);
        let text = shares.iter().map(|(member, share)| {
            let share: Vec<_> = share.iter().map(ToString::to_string).collect();
            format!("{member}: {}", share.join(" "))
        });
        text.collect()
    }

    #[test]
    fn range_as_in_kafkas_documentation() {
        let members = vec![wish("c1", &["t0", "t1"]), wish("c0", &["t0", "t1"])];
        assert_eq!(
            shares(Assignor::Range, members, &[("t0", 3), ("t1", 3)]),
            ["c0: t0-0 t0-1 t1-0 t1-1", "c1: t0-2 t1-2"]
        );
    }

    #[test]
    fn round_robin_as_in_kafkas_documentation() {
        let members = vec![wish("c0", &["t0", "t1"]), wish("c1", &["t0", "t1"])];
        assert_eq!(
            shares(Assignor::RoundRobin, members, &[("t0", 3), ("t1", 3)]),
            ["c0: t0-0 t0-2 t1-1", "c1: t0-1 t1-0 t1-2"]
        );
        let uneven = vec![wish("c0", &["t0"]), wish("c1", &["t0", "t1"]), wish("c2", &["t0", "t1", "t2"])];
        assert_eq!(
            shares(Assignor::RoundRobin, uneven, &[("t0", 1), ("t1", 2), ("t2", 3)]),
            ["c0: t0-0", "c1: t1-0", "c2: t1-1 t2-0 t2-1 t2-2"]
        );
    }

    #[test]
    fn static_members_come_first_and_more_members_than_partitions_get_nothing() {
        let mut fixed = wish("z", &["t"]);
        fixed.instance_id = Some("name".into());
        let members = vec![wish("a", &["t"]), fixed, wish("b", &["other"])];
        assert_eq!(shares(Assignor::Range, members, &[("t", 1)]), ["a: ", "b: ", "z: t-0"]);
    }
}
