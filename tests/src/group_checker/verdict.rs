//! Whether numbers are all there, each once: the judgement on a topic or a file.

use std::collections::BTreeMap;

/// How many wrong things of a kind are listed.
const LISTED_MAX: usize = 10;

/// What is wrong with these numbers, of which there should be `0`, `1`, `2`, ... of each of `tasks` tasks: task k of n has those that leave k
/// when divided by n. Tasks need not be equally far.
pub(super) fn gaps_and_repeats(place: &str, numbers: &[i64], tasks: i64) -> Vec<String> {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for number in numbers {
        *counts.entry(*number).or_default() += 1;
    }
    let repeats = counts.iter().filter(|(_, count)| **count > 1);
    let mut wrong: Vec<String> =
        few(repeats.map(|(number, count)| format!("{place}: {number} is there {count} times")));
    for task in 0..tasks {
        let last = counts.keys().rev().find(|number| *number % tasks == task);
        let Some(last) = last else {
            wrong.push(format!("{place}: nothing of task {task} is there"));
            continue;
        };
        let expected = (0..=last / tasks).map(|turn| turn * tasks + task);
        wrong.extend(few(expected
            .filter(|number| !counts.contains_key(number))
            .map(|number| format!("{place}: {number} is missing"))));
    }
    wrong
}

/// What one holds and the other does not, or not as often.
pub(super) fn differences(one: (&str, &[i64]), other: (&str, &[i64])) -> Vec<String> {
    let mut balance: BTreeMap<i64, isize> = BTreeMap::new();
    one.1.iter().for_each(|number| *balance.entry(*number).or_default() += 1);
    other.1.iter().for_each(|number| *balance.entry(*number).or_default() -= 1);
    few(balance.into_iter().filter(|(_, balance)| *balance != 0).map(|(number, balance)| {
        let (more, less) = if balance > 0 { (one.0, other.0) } else { (other.0, one.0) };
        format!("{number} is in {more} {} more often than in {less}", balance.unsigned_abs())
    }))
}

pub(super) fn few(found: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = found.collect();
    let more = found.len().saturating_sub(LISTED_MAX);
    found.truncate(LISTED_MAX);
    if more > 0 {
        found.push(format!("... and {more} more of this kind"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_passes_however_far_each_task_is() {
        assert!(gaps_and_repeats("t", &[4, 0, 2, 1], 2).is_empty());
        assert!(differences(("a", &[1, 2]), ("b", &[2, 1])).is_empty());
    }

    #[test]
    fn each_wrong_is_found() {
        assert_eq!(gaps_and_repeats("t", &[0, 1, 1, 2], 1), ["t: 1 is there 2 times"]);
        assert_eq!(gaps_and_repeats("t", &[0, 4, 1], 2), ["t: 2 is missing"]);
        assert_eq!(gaps_and_repeats("t", &[0], 2), ["t: nothing of task 1 is there"]);
        assert_eq!(differences(("a", &[1]), ("b", &[1, 1])), ["1 is in b 1 more often than in a"]);
        let many: Vec<i64> = (0..50).flat_map(|number| [number, number]).collect();
        assert_eq!(gaps_and_repeats("t", &many, 1).len(), LISTED_MAX + 1);
    }
}
