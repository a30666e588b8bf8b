//! Which source offsets may be committed: those whose records, and all before them, are safe in their topics.
//!
//! Between the producer and the offsets topic, once per poll batch. Every source partition has a queue of the batches that
//! touched it, each with the offset that it reached; a batch is done when everything it appended was acknowledged. Since
//! a queue gives up its front only, an offset is never ahead of what is durable (KAFKA-12226), and a slow
//! partition holds back no other. Records that were dropped count as delivered: their batch carries their offset.

use std::collections::VecDeque;
use std::sync::Arc;

use api::{FlatMap, Result, SourceOffset};

/// Whether everything that a batch appended has been acknowledged.
pub(crate) trait Acknowledged {
    /// True once it has; it stays true.
    ///
    /// # Errors
    /// When a record of the batch will never be acknowledged.
    fn is_acknowledged(&self) -> Result<bool>;
}

/// An offset to commit, and the source partition that it stands for.
pub(crate) type Committable = (Arc<FlatMap>, SourceOffset);

struct Submitted<D> {
    delivery: D,
    offset: SourceOffset,
    records: u64,
}

struct PartitionQueue<D> {
    partition: Arc<FlatMap>,
    submitted: VecDeque<Submitted<D>>,
    committable: Option<SourceOffset>,
}

/// The batches that are on their way, per source partition.
pub(crate) struct Acks<D> {
    partitions: Vec<PartitionQueue<D>>,
    batches_max: usize,
}

impl<D: Acknowledged + Clone> Acks<D> {
    /// Nothing on its way yet; at most this many batches of a partition may be.
    pub(crate) const fn new(batches_max: usize) -> Self {
        Self { partitions: Vec::new(), batches_max }
    }

    /// Notes that a batch reached an offset of a partition with this many records. Called in the order of polls.
    pub(crate) fn submit(
        &mut self,
        partition: &Arc<FlatMap>,
        offset: SourceOffset,
        delivery: D,
        records: u64,
    ) {
        self.queue(partition).submitted.push_back(Submitted { delivery, offset, records });
    }

    /// The queue of a partition: nearly always found by pointer.
    fn queue(&mut self, partition: &Arc<FlatMap>) -> &mut PartitionQueue<D> {
        let found = self.partitions.iter().position(|queue| Arc::ptr_eq(&queue.partition, partition));
        let found = found.or_else(|| self.partitions.iter().position(|queue| queue.partition == *partition));
        let index = found.unwrap_or_else(|| {
            let (submitted, committable) = (VecDeque::new(), None);
            self.partitions.push(PartitionQueue { partition: Arc::clone(partition), submitted, committable });
            self.partitions.len() - 1
        });
        &mut self.partitions[index]
    }

    /// Takes in what has been acknowledged since.
    ///
    /// # Errors
    /// When a batch failed; what is before it stays committable.
    pub(crate) fn advance(&mut self) -> Result<()> {
        for queue in &mut self.partitions {
            while let Some(batch) = queue.submitted.front() {
                if !batch.delivery.is_acknowledged()? {
                    break;
                }
                queue.committable = queue.submitted.pop_front().map(|batch| batch.offset);
            }
        }
        Ok(())
    }

    /// Takes the newest committable offset of each partition that has a new one.
    pub(crate) fn take_committable(&mut self) -> Vec<Committable> {
        let take =
            |queue: &mut PartitionQueue<D>| Some((Arc::clone(&queue.partition), queue.committable.take()?));
        let taken = self.partitions.iter_mut().filter_map(take).collect();
        // A source with ever new partitions (one per file, say) must not make this list grow without end.
        self.partitions.retain(|queue| !queue.submitted.is_empty());
        taken
    }

    /// Puts back offsets whose commit failed, unless newer ones have come.
    pub(crate) fn give_back(&mut self, offsets: Vec<Committable>) {
        for (partition, offset) in offsets {
            self.queue(&partition).committable.get_or_insert(offset);
        }
    }

    /// Records that are not known to be acknowledged: Connect's source-record-active-count.
    pub(crate) fn active_records(&self) -> u64 {
        self.partitions.iter().flat_map(|queue| &queue.submitted).map(|batch| batch.records).sum()
    }

    /// A batch that nothing of its partition is before.
    pub(crate) fn oldest(&self) -> Option<D> {
        let queue = self.partitions.iter().find(|queue| !queue.submitted.is_empty())?;
        queue.submitted.front().map(|batch| batch.delivery.clone())
    }

    /// The batch to wait for before another poll, when a partition has as many on their way as it may.
    pub(crate) fn oldest_when_full(&self) -> Option<D> {
        let full = self.partitions.iter().find(|queue| queue.submitted.len() >= self.batches_max)?;
        full.submitted.front().map(|batch| batch.delivery.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::worker::backoff::Jitter;

    type Flag = Rc<Cell<bool>>;

    impl Acknowledged for Flag {
        fn is_acknowledged(&self) -> Result<bool> {
            Ok(self.get())
        }
    }

    fn take(acks: &mut Acks<Flag>) -> Vec<Committable> {
        acks.advance().unwrap();
        acks.take_committable()
    }

    fn partition(name: &str) -> Arc<FlatMap> {
        Arc::new(FlatMap::new().with("p", name))
    }

    fn offset(value: i64) -> SourceOffset {
        SourceOffset::with_counter(Arc::new(FlatMap::new()), "n", value)
    }

    fn number(offset: &SourceOffset) -> i64 {
        offset.to_map().get("n").unwrap().as_i64().unwrap()
    }

    #[test]
    fn an_offset_waits_for_every_batch_before_it() {
        let mut acks = Acks::new(10);
        let (first, second) = (Flag::default(), Flag::default());
        let a = partition("a");
        acks.submit(&a, offset(1), Rc::clone(&first), 5);
        acks.submit(&a, offset(2), Rc::clone(&second), 5);
        second.set(true);
        assert!(take(&mut acks).is_empty());
        assert_eq!(acks.active_records(), 10);
        first.set(true);
        assert_eq!(number(&take(&mut acks)[0].1), 2);
        assert_eq!(acks.active_records(), 0);
        assert!(take(&mut acks).is_empty(), "an offset is taken once");
    }

    #[test]
    fn a_slow_partition_holds_back_no_other() {
        let mut acks = Acks::new(10);
        let (slow, fast) = (Flag::default(), Flag::default());
        acks.submit(&partition("slow"), offset(1), slow, 1);
        acks.submit(&partition("fast"), offset(7), Rc::clone(&fast), 1);
        fast.set(true);
        let taken = take(&mut acks);
        assert_eq!(taken.len(), 1);
        assert_eq!((taken[0].0.get("p").unwrap().as_str(), number(&taken[0].1)), (Some("fast"), 7));
    }

    #[test]
    fn a_failed_commit_comes_back_unless_it_is_older() {
        let mut acks = Acks::new(10);
        let done = Rc::new(Cell::new(true));
        let a = partition("a");
        acks.submit(&a, offset(1), Rc::clone(&done), 1);
        let taken = take(&mut acks);
        acks.submit(&a, offset(2), done, 1);
        acks.advance().unwrap();
        acks.give_back(taken.clone());
        assert_eq!(number(&take(&mut acks)[0].1), 2);
        acks.give_back(taken);
        assert_eq!(number(&take(&mut acks)[0].1), 1);
    }

    /// Thousands of orders of submits, acknowledgements and commits: no offset is ever ahead, none goes back, and at the end
    /// all are committed.
    #[test]
    fn in_any_order_a_committed_offset_is_never_ahead_of_what_is_safe() {
        for seed in 1..2_000 {
            let mut random = Jitter::new(seed);
            let mut acks = Acks::new(1_000);
            let names: Vec<_> = ["a", "b", "c"].map(partition).to_vec();
            let mut sent: Vec<Vec<Flag>> = vec![Vec::new(); 3];
            let mut committed = [-1_i64; 3];
            let check = |acks: &mut Acks<Flag>, sent: &[Vec<Flag>], committed: &mut [i64; 3]| {
                for (name, offset) in take(acks) {
                    let at = names.iter().position(|known| *known == name).unwrap();
                    let offset = number(&offset);
                    assert!(offset > committed[at], "seed {seed}: went back to {offset}");
                    let upto = usize::try_from(offset).unwrap();
                    assert!(sent[at][..=upto].iter().all(|flag| flag.get()), "seed {seed}: ahead");
                    committed[at] = offset;
                }
            };
            for _ in 0..40 {
                let at = usize::try_from(random.below(3)).unwrap();
                match random.below(3) {
                    0 => {
                        let flag = Flag::default();
                        let number = i64::try_from(sent[at].len()).unwrap();
                        acks.submit(&names[at], offset(number), Rc::clone(&flag), 1);
                        sent[at].push(flag);
                    }
                    1 if !sent[at].is_empty() => {
                        let len = u64::try_from(sent[at].len()).unwrap();
                        sent[at][usize::try_from(random.below(len)).unwrap()].set(true);
                    }
                    _ => check(&mut acks, &sent, &mut committed),
                }
            }
            sent.iter().flatten().for_each(|flag| flag.set(true));
            check(&mut acks, &sent, &mut committed);
            for at in 0..3 {
                assert_eq!(committed[at], i64::try_from(sent[at].len()).unwrap() - 1, "seed {seed}");
            }
        }
    }
}
