//! The files of the small world: what is appended, what of it is on disk, and what a power failure and a reader make of it.

use std::collections::HashMap;

use super::super::decide::ProducerIdentity;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Data { producer: ProducerIdentity, transaction: usize },
    Marker { producer: ProducerIdentity, commit: bool },
}

/// A file: what is appended is there at once, but only what was synced outlives a power failure for sure.
#[derive(Debug)]
pub(super) struct Appended<T> {
    pub(super) entries: Vec<T>,
    pub(super) synced: usize,
}

impl<T> Default for Appended<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), synced: 0 }
    }
}

impl<T> Appended<T> {
    pub(super) fn sync(&mut self) {
        self.synced = self.entries.len();
    }

    /// Loses part of what was not synced. What is left is found by the start, which syncs it.
    pub(super) fn fail(&mut self, dice: &mut Dice) {
        let left = dice.below((self.entries.len() - self.synced + 1) as u64);
        self.entries.truncate(self.synced + usize::try_from(left).unwrap());
        self.sync();
    }
}

impl Appended<Entry> {
    /// Transactions that are open, by their producer: its epoch, and their numbers.
    pub(super) fn open(&self) -> HashMap<i64, (i16, Vec<usize>)> {
        let mut open: HashMap<i64, (i16, Vec<usize>)> = HashMap::new();
        for entry in &self.entries {
            match *entry {
                Entry::Data { producer, transaction } => {
                    let (epoch, numbers) = open.entry(producer.id).or_default();
                    *epoch = producer.epoch;
                    numbers.push(transaction);
                }
                Entry::Marker { producer, .. } => drop(open.remove(&producer.id)),
            }
        }
        open
    }

    pub(super) fn known_epoch(&self, id: i64) -> Option<i16> {
        let producers = self.entries.iter().map(|entry| match entry {
            Entry::Data { producer, .. } | Entry::Marker { producer, .. } => producer,
        });
        producers.filter(|producer| producer.id == id).map(|producer| producer.epoch).max()
    }

    /// What a reader of committed records has been through: all before the first record that is undecided or not on disk. A marker counts
    /// although it is not on disk.
    pub(super) fn seen(&self) -> Vec<Entry> {
        let behind =
            self.entries[self.synced..].iter().take_while(|entry| matches!(entry, Entry::Marker { .. }));
        let visible = self.synced + behind.count();
        let is_open = |at: usize, producer: &ProducerIdentity| {
            let mut later = self.entries[at..visible].iter();
            !later.any(|entry| matches!(entry, Entry::Marker { producer: of, .. } if of.id == producer.id))
        };
        let undecided = self.entries[..visible].iter().enumerate().find(|(at, entry)| match entry {
            Entry::Data { producer, .. } => is_open(*at, producer),
            Entry::Marker { .. } => false,
        });
        self.entries[..undecided.map_or(visible, |(at, _)| at)].to_vec()
    }
}

/// xorshift: the same seed is the same story.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    pub(super) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}
