//! The judgement: what clients were told, held against what the broker has. Pure.
//!
//! Every rule is one function and says what broke it: nothing acknowledged is lost or moved, nothing is there twice, nothing came
//! from nowhere, a producer's records keep their order, transactions are visible whole or not at all and as their producer was
//! told, and a reader saw exactly what is committed, without a skip.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::history::{History, Read, Sent};

/// A place in a topic.
type Place = (String, i32, i64);

/// What is to be judged.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// By the name of the producer, which is the name of its topic too.
    pub(super) producers: BTreeMap<String, History>,
    /// What was read while the broker suffered.
    pub(super) reader: History,
    /// All records of both topics.
    pub(super) all: Vec<Read>,
    /// All records that a consumer of committed records gets.
    pub(super) committed: Vec<Read>,
}

/// Everything that is wrong, a line each; the first few of a kind.
pub(super) fn judge(evidence: &Evidence) -> Vec<String> {
    let by_place: HashMap<Place, &str> =
        evidence.all.iter().map(|read| (place(read), &*read.value)).collect();
    let mut wrong = Vec::new();
    for (name, history) in &evidence.producers {
        let values: HashMap<String, Sent> =
            history.sent.iter().map(|sent| (value_of(name, *sent), *sent)).collect();
        let sequences: HashMap<u64, Sent> = history.sent.iter().map(|sent| (sent.sequence, *sent)).collect();
        let in_topic: Vec<&Read> = evidence.all.iter().filter(|read| read.topic == *name).collect();
        few(&mut wrong, lost(name, history, &sequences, &by_place));
        few(&mut wrong, refused(name, history));
        few(&mut wrong, strange(&in_topic, &values));
        few(&mut wrong, repeated_or_inverted(&in_topic, &values));
        few(&mut wrong, torn(name, history, evidence));
    }
    few(&mut wrong, reader_differs(evidence));
    wrong
}

/// Keeps a report readable: ten of a kind, and how many more.
fn few(wrong: &mut Vec<String>, found: Vec<String>) {
    let more = found.len().saturating_sub(10);
    wrong.extend(found.into_iter().take(10));
    if more > 0 {
        wrong.push(format!("... and {more} more of this kind"));
    }
}

fn place(read: &Read) -> Place {
    (read.topic.clone(), read.partition, read.offset)
}

fn value_of(name: &str, sent: Sent) -> String {
    match sent.transaction {
        None => format!("{name}-{}", sent.sequence),
        Some(transaction) => format!("{name}-{}-{transaction}", sent.sequence),
    }
}

/// Acknowledged records that are not where the producer was told they are.
fn lost(
    name: &str,
    history: &History,
    sequences: &HashMap<u64, Sent>,
    by_place: &HashMap<Place, &str>,
) -> Vec<String> {
    let mut found = Vec::new();
    for told in &history.acknowledged {
        let expected = sequences.get(&told.sequence).map(|sent| value_of(name, *sent));
        let there = by_place.get(&(name.to_owned(), told.partition, told.offset)).copied();
        if expected.as_deref() != there {
            found.push(format!("lost: {told:?} of {name}; there is {there:?}"));
        }
    }
    found
}

/// An idempotent producer must never be refused; one in a transaction may be, when the transaction is not committed.
fn refused(name: &str, history: &History) -> Vec<String> {
    let transactions: HashMap<u64, Option<u64>> =
        history.sent.iter().map(|sent| (sent.sequence, sent.transaction)).collect();
    let broken = history.refused.iter().filter(|sequence| {
        let transaction = transactions.get(sequence).copied().flatten();
        transaction.is_none_or(|number| history.committed.contains(&number))
    });
    broken.map(|sequence| format!("refused for good: {name}-{sequence}")).collect()
}

/// Records that nobody sent there.
fn strange(in_topic: &[&Read], values: &HashMap<String, Sent>) -> Vec<String> {
    let strange = in_topic
        .iter()
        .filter(|read| values.get(&read.value).is_none_or(|sent| sent.partition != read.partition));
    strange.map(|read| format!("came from nowhere: {read:?}")).collect()
}

/// Per partition, sequences must rise with the offsets: a repetition or an inversion does not.
fn repeated_or_inverted(in_topic: &[&Read], values: &HashMap<String, Sent>) -> Vec<String> {
    let mut last: BTreeMap<i32, (i64, u64)> = BTreeMap::new();
    let mut found = Vec::new();
    for read in in_topic {
        let Some(sent) = values.get(&read.value) else { continue };
        if let Some((offset, sequence)) = last.insert(read.partition, (read.offset, sent.sequence))
            && (offset >= read.offset || sequence >= sent.sequence)
        {
            found.push(format!(
                "repeated or out of order: {read:?} after offset {offset}, sequence {sequence}"
            ));
        }
    }
    found
}

/// Transactions that are visible otherwise than their producer was told, or in parts.
fn torn(name: &str, history: &History, evidence: &Evidence) -> Vec<String> {
    let visible: BTreeSet<&str> =
        evidence.committed.iter().filter(|read| read.topic == name).map(|read| &*read.value).collect();
    let mut transactions: BTreeMap<Option<u64>, (usize, usize)> = BTreeMap::new();
    for sent in &history.sent {
        let (all, seen) = transactions.entry(sent.transaction).or_default();
        *all += 1;
        *seen += usize::from(visible.contains(&*value_of(name, *sent)));
    }
    let mut found = Vec::new();
    for (transaction, (all, seen)) in transactions {
        let right = match transaction {
            // Without transactions all that was sent is there once the producer has been flushed.
            None => seen == all,
            Some(number) if history.committed.contains(&number) => seen == all,
            Some(number) if history.aborted.contains(&number) => seen == 0,
            Some(_) => seen == 0 || seen == all,
        };
        if !right {
            let told = transaction.map_or("was flushed", |number| outcome(history, number));
            found.push(format!(
                "{name}, transaction {transaction:?} {told}: {seen} of {all} records are visible"
            ));
        }
    }
    found
}

fn outcome(history: &History, transaction: u64) -> &'static str {
    if history.committed.contains(&transaction) {
        "was committed"
    } else if history.aborted.contains(&transaction) {
        "was aborted"
    } else {
        "has an unknown end"
    }
}

/// The reader must have seen, per partition, exactly the first of the committed records.
fn reader_differs(evidence: &Evidence) -> Vec<String> {
    let (seen, committed) = (per_partition(&evidence.reader.read), per_partition(&evidence.committed));
    let mut found = Vec::new();
    for (partition, seen) in seen {
        let committed = committed.get(&partition).map_or(&[][..], Vec::as_slice);
        if !committed.starts_with(&seen) {
            let at = seen.iter().zip(committed).take_while(|(seen, committed)| seen == committed).count();
            found.push(format!(
                "the reader of {partition:?} saw {:?} where {:?} is committed",
                seen.get(at),
                committed.get(at)
            ));
        }
    }
    found
}

fn per_partition(reads: &[Read]) -> BTreeMap<(&str, i32), Vec<(i64, &str)>> {
    let mut partitions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for read in reads {
        partitions.entry((&*read.topic, read.partition)).or_default().push((read.offset, &*read.value));
    }
    partitions
}

#[cfg(test)]
mod tests {
    use super::super::history::Acknowledged;
    use super::*;

    fn read(offset: i64, value: &str) -> Read {
        Read { topic: "t".to_owned(), partition: 0, offset, value: value.to_owned() }
    }

    /// Two transactions of two records: the first committed, the second aborted.
    fn sound() -> Evidence {
        let sent = |sequence, transaction| Sent { partition: 0, sequence, transaction: Some(transaction) };
        let history = History {
            sent: vec![sent(0, 0), sent(1, 0), sent(2, 1), sent(3, 1)],
            acknowledged: vec![Acknowledged { partition: 0, offset: 1, sequence: 1 }],
            committed: [0].into(),
            aborted: [1].into(),
            ..History::default()
        };
        let committed = vec![read(0, "t-0-0"), read(1, "t-1-0")];
        Evidence {
            producers: [("t".to_owned(), history)].into(),
            reader: History { read: vec![read(0, "t-0-0")], ..History::default() },
            all: [committed.clone(), vec![read(3, "t-2-1"), read(4, "t-3-1")]].concat(),
            committed,
        }
    }

    #[test]
    fn what_is_right_passes() {
        assert_eq!(judge(&sound()), Vec::<String>::new());
    }

    /// Makes sound evidence wrong in one way.
    type Break = fn(&mut Evidence);

    #[test]
    fn each_wrong_is_found() {
        let broken: [(&str, Break); 8] = [
            ("lost", |evidence| drop(evidence.all.remove(1))),
            ("came from nowhere", |evidence| evidence.all.push(read(9, "t-9-9"))),
            ("repeated", |evidence| evidence.all.push(read(9, "t-1-0"))),
            ("out of order", |evidence| evidence.all.swap(2, 3)),
            ("was committed: 1 of 2", |evidence| drop(evidence.committed.pop())),
            ("was aborted: 1 of 2", |evidence| evidence.committed.push(read(3, "t-2-1"))),
            ("the reader", |evidence| evidence.reader.read.push(read(3, "t-2-1"))),
            ("refused", |evidence| {
                evidence.producers.get_mut("t").unwrap().refused.push(0);
            }),
        ];
        for (expected, breaks) in broken {
            let mut evidence = sound();
            breaks(&mut evidence);
            let wrong = judge(&evidence);
            assert!(wrong.iter().any(|line| line.contains(expected)), "{expected}: {wrong:?}");
        }
    }

    #[test]
    fn a_transaction_of_unknown_end_is_whole_or_not_there() {
        let mut evidence = sound();
        evidence.producers.get_mut("t").unwrap().aborted.clear();
        assert_eq!(judge(&evidence), Vec::<String>::new());
        evidence.committed.push(read(3, "t-2-1"));
        assert!(judge(&evidence)[0].contains("unknown end: 1 of 2"));
    }
}
