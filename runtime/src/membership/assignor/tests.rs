//! Shares of small groups, said out.

use super::*;

fn work(connectors: &[&str], tasks: &[(&str, u32)]) -> Assignment {
    Assignment {
        connectors: connectors.iter().map(|name| (*name).to_owned()).collect(),
        tasks: tasks.iter().map(|(name, task)| TaskId::new(*name, *task)).collect(),
    }
}

fn tasks(connector: &str, count: u32) -> Assignment {
    Assignment {
        connectors: BTreeSet::from([connector.to_owned()]),
        tasks: (0..count).map(|task| TaskId::new(connector, task)).collect(),
    }
}

fn claims(of: &[(&str, Assignment)]) -> BTreeMap<String, Assignment> {
    of.iter().map(|(member, claim)| ((*member).to_owned(), claim.clone())).collect()
}

/// Nothing is fenced.
fn give(
    claims: &BTreeMap<String, Assignment>,
    wanted: &Assignment,
    reserved: &Assignment,
) -> BTreeMap<String, Given> {
    assign(claims, wanted, reserved, &BTreeSet::new())
}

#[test]
fn new_work_goes_to_whoever_has_least() {
    let wanted = tasks("c", 4);
    let nothing = Assignment::default();
    let shares =
        give(&claims(&[("a", work(&["c"], &[("c", 0)])), ("b", nothing.clone())]), &wanted, &nothing);
    assert_eq!(shares["a"], Given { assigned: work(&[], &[("c", 3)]), ..Given::default() });
    assert_eq!(shares["b"], Given { assigned: work(&[], &[("c", 1), ("c", 2)]), ..Given::default() });
}

#[test]
fn a_connectors_tasks_spread_when_someone_joins() {
    let wanted = tasks("c", 4).union(&tasks("d", 4));
    let nothing = Assignment::default();
    let shares = give(&claims(&[("a", wanted.clone()), ("b", nothing.clone())]), &wanted, &nothing);
    assert_eq!(shares["b"], Given::default(), "nothing is given that somebody claims");
    let revoked = &shares["a"].revoked;
    assert_eq!((revoked.connectors.len(), revoked.tasks.len()), (1, 4));
    assert_eq!(revoked.tasks.iter().filter(|id| id.connector == "c").count(), 2);
    let left = wanted.without(revoked);
    let shares = give(&claims(&[("a", left), ("b", nothing.clone())]), &wanted, &nothing);
    assert_eq!(shares["b"], Given { assigned: revoked.clone(), ..Given::default() });
    assert_eq!(shares["a"], Given::default());
}

#[test]
fn what_is_gone_or_claimed_twice_is_given_up() {
    let (wanted, nothing) = (tasks("c", 2), Assignment::default());
    let of_a = work(&["c"], &[("c", 0), ("old", 0)]);
    let of_b = work(&[], &[("c", 0), ("c", 1)]);
    let shares = give(&claims(&[("a", of_a), ("b", of_b)]), &wanted, &nothing);
    assert_eq!(shares["a"].revoked, work(&[], &[("old", 0)]));
    assert_eq!(shares["b"], Given { revoked: work(&[], &[("c", 0)]), ..Given::default() });
}

#[test]
fn what_is_reserved_waits_and_so_does_balance() {
    let wanted = tasks("c", 4);
    let reserved = work(&[], &[("c", 3)]);
    let of_a = work(&["c"], &[("c", 0), ("c", 1), ("c", 2)]);
    let shares = give(&claims(&[("a", of_a), ("b", Assignment::default())]), &wanted, &reserved);
    assert_eq!((&shares["a"], &shares["b"]), (&Given::default(), &Given::default()));
}

#[test]
fn a_balanced_group_is_left_alone() {
    let wanted = tasks("c", 3).union(&tasks("d", 2));
    let of_a = work(&["d"], &[("c", 0), ("c", 1), ("c", 2)]);
    let of_b = work(&["c"], &[("d", 0), ("d", 1)]);
    let shares = give(&claims(&[("a", of_a), ("b", of_b)]), &wanted, &Assignment::default());
    assert!(shares.values().all(|given| *given == Given::default()));
}

#[test]
fn what_is_fenced_moves_in_one_round_and_nothing_else_does() {
    let (wanted, nothing) = (tasks("c", 4).union(&tasks("d", 4)), Assignment::default());
    let fenced = tasks("c", 4).tasks;
    let shares =
        assign(&claims(&[("a", wanted.clone()), ("b", nothing.clone())]), &wanted, &nothing, &fenced);
    let (a, b) = (&shares["a"], &shares["b"]);
    assert_eq!((a.revoked.connectors.len(), a.revoked.tasks.len()), (1, 4));
    assert_eq!(b.assigned.tasks, a.revoked.tasks.intersection(&fenced).cloned().collect());
    assert_eq!((b.assigned.tasks.len(), b.assigned.connectors.len()), (2, 0));
    assert_eq!(a.handed, b.assigned, "the old worker is told that nobody waits for it");
    assert_eq!(b.handed, nothing);
    let claimed = claims(&[
        ("a", wanted.without(&a.revoked).union(&a.revoked.without(&a.handed))),
        ("b", b.assigned.clone()),
    ]);
    let again = assign(&claimed, &wanted, &nothing, &fenced);
    let still: BTreeSet<TaskId> = a.revoked.tasks.difference(&fenced).cloned().collect();
    assert_eq!(again["a"].revoked.tasks, still, "what is not fenced is waited for: {again:?}");
}
