//! Thousands of seeded orders of requests, timeouts, kills and power failures against the pure machine, with a small world around it: a disk with the
//! records, partitions with data and markers of which the newest may not be on disk yet, a reader of what is committed, producers of which some are
//! zombies.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use broker_protocol::ErrorCode;
use bytes::Bytes;

mod disk;
mod invariants;

use self::disk::{Appended, Dice, Entry};
use super::{
    decide::{End, Ended, Initialize, Initialized, ProducerIdentity},
    records,
    transaction::{TopicPartition, Transaction, TransactionState, VERSION_EPOCH_BUMP},
};

const SEEDS: u64 = 2_000;
const STEPS: usize = 120;
const PRODUCERS: usize = 3;
const PARTITIONS: i32 = 3;

/// What became of a state that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    /// A crash came first.
    Lost,
    /// It is on disk; a crash came before the answer.
    Unanswered,
    Answered,
}

/// A producer as it sees itself.
#[derive(Clone, Copy, Debug)]
struct Producer {
    identity: Option<ProducerIdentity>,
    /// Speaks EndTxn version 5.
    bumps: bool,
    /// Its last EndTxn, perhaps unanswered.
    last_end: Option<End>,
}

struct World {
    dice: Dice,
    now_ms: i64,
    next_id: i64,
    disk: Appended<Bytes>,
    memory: Option<Transaction>,
    logs: BTreeMap<TopicPartition, Appended<Entry>>,
    /// Partitions whose markers of the last end may not be on disk, and how often a Complete record was put off until something else came.
    unsynced: BTreeSet<TopicPartition>,
    put_off: usize,
    /// What readers of committed records have been through.
    seen: BTreeMap<TopicPartition, Vec<Entry>>,
    /// Partitions that joined without a word on disk, and transactions that a start found in partitions.
    joined: usize,
    taken_in: usize,
    /// What was decided of each transaction, by its number.
    outcomes: HashMap<usize, bool>,
    transactions: usize,
    /// How often the epochs of an id were used up.
    rotations: usize,
    producers: [Producer; PRODUCERS],
    /// Who initialized last and was not fenced since.
    owner: Option<usize>,
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition { topic: "t".to_owned(), partition: number }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let producers =
            [(); PRODUCERS].map(|()| Producer { identity: None, bumps: dice.one_in(2), last_end: None });
        // Some ids are old: their epochs are about to be used up.
        let old = dice.one_in(3).then(|| Transaction {
            producer_epoch: i16::MAX - 1 - i16::try_from(dice.below(6)).unwrap(),
            ..Transaction::unused(7, 0)
        });
        let entries = old.iter().map(|old| records::encode_value(old).unwrap()).collect::<Vec<_>>();
        let disk = Appended { synced: entries.len(), entries };
        Self {
            dice,
            now_ms: 1_000,
            next_id: 100,
            disk,
            memory: old,
            logs: (0..PARTITIONS).map(|number| (partition(number), Appended::default())).collect(),
            unsynced: BTreeSet::new(),
            put_off: 0,
            seen: BTreeMap::new(),
            joined: 0,
            taken_in: 0,
            outcomes: HashMap::new(),
            transactions: 0,
            rotations: 0,
            producers,
            owner: None,
        }
    }

    /// On disk first, then in memory, unless a crash comes before or after.
    fn put(&mut self, transaction: Transaction) -> Put {
        if self.dice.one_in(40) {
            self.crash();
            return Put::Lost;
        }
        self.note(&transaction);
        self.put_off += usize::from(!self.unsynced.is_empty());
        self.sync_markers();
        self.disk.entries.push(records::encode_value(&transaction).unwrap());
        self.disk.sync();
        self.memory = Some(transaction);
        if self.dice.one_in(40) {
            self.crash();
            return Put::Unanswered;
        }
        Put::Answered
    }

    /// Checks a change and counts it.
    fn note(&mut self, transaction: &Transaction) {
        if let Some(old) = &self.memory {
            assert!(
                transaction.producer_id != old.producer_id
                    || transaction.producer_epoch >= old.producer_epoch,
                "an epoch went back: {old:?} to {transaction:?}"
            );
            assert!(
                transaction.producer_id == old.producer_id || transaction.producer_id >= 100,
                "a producer id came again: {transaction:?}"
            );
            assert!(
                old.state.is_idle() || !transaction.state.is_idle() || old.state.prepared().is_some(),
                "an open transaction vanished: {old:?} to {transaction:?}"
            );
            self.rotations += usize::from(transaction.producer_id != old.producer_id);
            if old.state.is_idle() && transaction.state == TransactionState::Ongoing {
                self.transactions += 1;
            }
            if let (TransactionState::Ongoing, Some(commit)) = (old.state, transaction.state.prepared()) {
                let before = self.outcomes.insert(self.transactions, commit);
                assert_eq!(before, None, "one outcome for each transaction");
            }
        }
    }

    /// A kill or a power failure, and a start: memory is what the disk says, what is prepared is carried out, what is open is taken in.
    fn crash(&mut self) {
        if self.dice.one_in(2) {
            self.disk.fail(&mut self.dice);
            self.logs.values_mut().for_each(|log| log.fail(&mut self.dice));
        }
        self.memory = self.disk.entries.last().map(|bytes| records::decode_value(bytes).unwrap());
        self.unsynced.clear();
        self.finish();
        self.take_in();
        for (place, log) in &self.logs {
            let before = self.seen.get(place).map_or(&[][..], Vec::as_slice);
            assert!(log.seen().starts_with(before), "{place:?}: a reader saw what is gone: {before:?}");
        }
    }

    /// Writes markers, and puts Complete off, unless a crash comes between.
    fn finish(&mut self) {
        let Some(prepared) = self.memory.clone() else { return };
        let Some(commit) = prepared.state.prepared() else { return };
        let producer = ProducerIdentity { id: prepared.producer_id, epoch: prepared.producer_epoch };
        for partition in &prepared.partitions {
            if self.dice.one_in(12) {
                return self.crash();
            }
            let log = self.logs.get_mut(partition).unwrap();
            if !prepared.is_marked_by(log.known_epoch(producer.id)) {
                log.entries.push(Entry::Marker { producer, commit });
            }
            self.look();
        }
        if self.dice.one_in(12) {
            return self.crash();
        }
        let completed = prepared.complete(self.now_ms);
        self.note(&completed);
        self.memory = Some(completed);
        self.unsynced = prepared.partitions;
    }

    fn sync_markers(&mut self) {
        for place in std::mem::take(&mut self.unsynced) {
            self.logs.get_mut(&place).unwrap().sync();
        }
    }

    /// Writes the Complete record that was put off, if nothing else has come.
    fn complete(&mut self) {
        if let Some(known) = self.memory.clone().filter(|known| known.state.is_idle()) {
            self.sync_markers();
            self.disk.entries.push(records::encode_value(&known).unwrap());
        }
    }

    /// What a start finds open under the id's epoch goes on.
    fn take_in(&mut self) {
        let Some(known) = &self.memory else { return };
        let producer = known.next_producer();
        let is_open = |log: &Appended<Entry>| {
            log.open().get(&producer.id).is_some_and(|(epoch, _)| *epoch == producer.epoch)
        };
        let found = self.logs.iter().filter(|(_, log)| is_open(log)).map(|(place, _)| place.clone());
        let found: BTreeSet<TopicPartition> = found.collect();
        if !found.is_empty()
            && let Some(ongoing) =
                known.add_partitions(producer, &found, VERSION_EPOCH_BUMP, self.now_ms).unwrap()
        {
            self.taken_in += 1;
            self.memory = Some(ongoing);
        }
    }

    /// Readers read on.
    fn look(&mut self) {
        self.seen = self.logs.iter().map(|(place, log)| (place.clone(), log.seen())).collect();
    }

    fn fresh_id(next: &mut i64) -> impl FnMut() -> Result<i64, ErrorCode> + '_ {
        || {
            *next += 1;
            Ok(*next)
        }
    }

    fn initialize(&mut self, at: usize) {
        let expected = self.producers[at].identity.filter(|_| self.dice.one_in(2));
        let request = Initialize { timeout_ms: 10, expected };
        for _ in 0..2 {
            let mut fresh_id = Self::fresh_id(&mut self.next_id);
            let decided = Transaction::initialize(self.memory.as_ref(), request, &mut fresh_id, self.now_ms);
            drop(fresh_id);
            match decided {
                Ok(Initialized::Begin(transaction)) => {
                    assert!(
                        expected.is_none() || self.owner == Some(at) || self.memory.is_none(),
                        "producer {at} went on although it was fenced: {:?}",
                        self.memory
                    );
                    let identity = transaction.next_producer();
                    assert!(identity.epoch < i16::MAX, "the last epoch is never given out");
                    let renews = self.memory.as_ref().is_none_or(|old| old.next_producer() != identity);
                    match self.put(transaction) {
                        Put::Lost => {}
                        // The producer before is fenced, and nobody has the new epoch.
                        Put::Unanswered => self.owner = self.owner.filter(|_| !renews),
                        Put::Answered => {
                            (self.owner, self.producers[at].identity) = (Some(at), Some(identity));
                            self.producers[at].last_end = None;
                        }
                    }
                    return;
                }
                Ok(Initialized::Fence(aborted)) => {
                    assert!(expected.is_none() || self.owner == Some(at), "a zombie aborts nobody");
                    self.fence(aborted);
                }
                Err(error) => {
                    let allowed = [ErrorCode::PRODUCER_FENCED, ErrorCode::CONCURRENT_TRANSACTIONS];
                    assert!(allowed.contains(&error), "{error}");
                    assert!(
                        expected.is_some() || error != ErrorCode::PRODUCER_FENCED,
                        "a new producer is welcome"
                    );
                    return;
                }
            }
        }
    }

    fn fence(&mut self, aborted: Transaction) {
        if self.put(aborted) != Put::Lost {
            self.owner = None;
        }
        self.finish();
    }

    fn check_refusal(&self, at: usize, error: ErrorCode) {
        let fencing = [
            ErrorCode::PRODUCER_FENCED,
            ErrorCode::INVALID_PRODUCER_ID_MAPPING,
            ErrorCode::CONCURRENT_TRANSACTIONS,
        ];
        assert!(
            self.owner == Some(at) || fencing.contains(&error),
            "a zombie hears that it is fenced, not {error}"
        );
    }

    fn add_partition(&mut self, at: usize) {
        let (Some(identity), Some(old)) = (self.producers[at].identity, self.memory.clone()) else { return };
        let added = BTreeSet::from([partition(i32::try_from(self.dice.below(3)).unwrap())]);
        match old.add_partitions(identity, &added, 0, self.now_ms) {
            Ok(changed) => {
                assert_eq!(self.owner, Some(at), "only the owner adds partitions");
                if let Some(changed) = changed {
                    self.put(changed);
                }
            }
            Err(error) => self.check_refusal(at, error),
        }
    }

    fn write(&mut self, at: usize) {
        let Some(producer) = self.producers[at].identity else { return };
        let place = partition(i32::try_from(self.dice.below(3)).unwrap());
        if self.producers[at].bumps {
            self.join(at, producer, &place);
        }
        let Some(known) = &self.memory else { return };
        match known.check_write(producer, &place) {
            Ok(()) => {
                assert_eq!(self.owner, Some(at), "only the owner writes");
                let transaction = self.transactions;
                let log = self.logs.get_mut(&place).unwrap();
                log.entries.push(Entry::Data { producer, transaction });
                if self.dice.one_in(2) {
                    log.sync();
                }
            }
            Err(ErrorCode::INVALID_TXN_STATE) => assert_eq!(self.owner, Some(at)),
            Err(error) => self.check_refusal(at, error),
        }
    }

    /// The partition joins, by the record that is about to be written.
    fn join(&mut self, at: usize, producer: ProducerIdentity, place: &TopicPartition) {
        let Some(old) = self.memory.clone() else { return };
        let joining = BTreeSet::from([place.clone()]);
        match old.add_partitions(producer, &joining, VERSION_EPOCH_BUMP, self.now_ms) {
            Ok(Some(changed)) if old.joins_by_records() => {
                self.note(&changed);
                self.joined += 1;
                self.memory = Some(changed);
            }
            Ok(Some(changed)) => drop(self.put(changed)),
            Ok(None) => {}
            Err(error) => self.check_refusal(at, error),
        }
    }

    fn end(&mut self, at: usize) {
        let Some(producer) = self.producers[at].identity else { return };
        if self.owner == Some(at) {
            // A producer ends its transaction when all its records are acknowledged.
            let places = self.memory.iter().flat_map(|known| &known.partitions);
            places.for_each(|place| self.logs.get_mut(place).unwrap().sync());
        }
        // A client that speaks both is odd, and must not harm anyone.
        let bumps = self.producers[at].bumps && !self.dice.one_in(8);
        let client_version = if bumps { VERSION_EPOCH_BUMP } else { 0 };
        let new = End { producer, commit: self.dice.one_in(2), client_version };
        let again = self.producers[at].last_end.filter(|_| self.dice.one_in(3));
        let request = again.unwrap_or(new);
        self.producers[at].last_end = Some(request);
        let Some(old) = self.memory.clone() else { return };
        let mut fresh_id = Self::fresh_id(&mut self.next_id);
        let decided = old.end(request, &mut fresh_id, self.now_ms);
        drop(fresh_id);
        match decided {
            Ok(Ended::Already(identity)) => {
                let outcome = old.state == TransactionState::CompleteCommit;
                assert_eq!(outcome, request.commit, "a repeated end is told its own outcome");
                assert_eq!(self.owner, Some(at), "only the owner hears of the next epoch");
                self.producers[at].identity = Some(identity);
            }
            Ok(Ended::Prepare(prepared)) => {
                assert_eq!(self.owner, Some(at), "only the owner ends");
                let identity = prepared.next_producer();
                if self.put(prepared) == Put::Answered && !self.dice.one_in(4) {
                    self.producers[at].identity = Some(identity);
                }
                self.finish();
            }
            Err(error) => self.check_refusal(at, error),
        }
    }

    fn time_out(&mut self) {
        let Some(old) = self.memory.clone() else { return };
        if old.state == TransactionState::Ongoing {
            self.fence(old.fence(self.now_ms));
        }
    }

    fn step(&mut self) {
        self.now_ms += 1;
        let at = usize::try_from(self.dice.below(PRODUCERS as u64)).unwrap();
        // Mostly the owner works; zombies try now and then.
        let at = self.owner.filter(|_| !self.dice.one_in(4)).unwrap_or(at);
        match self.dice.below(21) {
            0 | 1 => self.initialize(at),
            2..=6 => self.add_partition(at),
            7..=13 => self.write(at),
            14..=17 => self.end(at),
            18 => self.time_out(),
            19 => self.complete(),
            _ => self.crash(),
        }
        self.check();
        self.look();
    }
}

#[test]
fn every_order_of_requests_timeouts_and_crashes_keeps_transactions_whole() {
    let (mut committed, mut aborted, mut rotated) = (0, 0, 0);
    let (mut joined, mut taken_in, mut put_off) = (0, 0, 0);
    for seed in 1..=SEEDS {
        let mut world = World::new(seed);
        let told = std::panic::AssertUnwindSafe(&mut world);
        let outcome = std::panic::catch_unwind(move || {
            let world = told;
            for _ in 0..STEPS {
                world.0.step();
            }
        });
        assert!(outcome.is_ok(), "seed {seed}: {:?}", world.memory);
        committed += world.outcomes.values().filter(|commit| **commit).count();
        aborted += world.outcomes.values().filter(|commit| !**commit).count();
        rotated += world.rotations;
        joined += world.joined;
        taken_in += world.taken_in;
        put_off += world.put_off;
    }
    assert!(joined > 1_000 && taken_in > 100 && put_off > 1_000, "{joined} {taken_in} {put_off}");
    assert!(committed > 1_000 && aborted > 1_000 && rotated > 100, "{committed} {aborted} {rotated}");
}
