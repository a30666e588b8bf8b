//! Groups on their way to the disk: records are written in the order in which the groups changed, answers go out behind them.
//!
//! Invariants: an answer is sent only when every record of its group that is older is on disk; records that could not be
//! written are kept, the latest of each key, and written before any newer one. So a member never learns of what a crash takes back.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use broker_protocol::batch::{Batch, BatchBuilder, BatchFields};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{commits::offsets_log, waiting::Due};
use crate::{
    broker::{State, now_ms},
    topics::TopicError,
};

/// Records that are written together take about this much at most.
const WRITE_BYTES: usize = 512 * 1024;
/// How long to wait before a failed write is tried again.
const RETRY_WAIT: Duration = Duration::from_secs(1);

type WriteError = Box<dyn std::error::Error + Send + Sync>;

/// A record of `__consumer_offsets`; without a value it says that the key is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupRecord {
    pub(super) key: Bytes,
    pub(super) value: Option<Bytes>,
}

/// What is to be written, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Journal {
    queue: Mutex<Queue>,
    arrived: Notify,
    /// Entries up to this number are on disk, and their answers sent.
    settled: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    last_number: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    records: Vec<GroupRecord>,
    due: Vec<Due>,
}

impl Journal {
    /// Takes what came of one step of a group. `last_entry` is the group's own memory of what it has under way.
    pub(super) fn settle(&self, last_entry: &mut u64, records: Vec<GroupRecord>, due: Vec<Due>) {
        if records.is_empty() && *last_entry <= self.settled.load(Ordering::Acquire) {
            due.into_iter().for_each(Due::deliver);
            return;
        }
        if records.is_empty() && due.is_empty() {
            return;
        }
        let mut queue = self.queue.lock();
        queue.last_number += 1;
        *last_entry = queue.last_number;
        queue.entries.push_back(Entry { number: *last_entry, records, due });
        self.arrived.notify_one();
    }

    /// The next entries, as many as are written together.
    fn take(&self) -> Vec<Entry> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        let mut queue = self.queue.lock();
        while bytes < WRITE_BYTES
            && let Some(entry) = queue.entries.pop_front()
        {
            bytes += entry.records.iter().map(GroupRecord::bytes).sum::<usize>();
            taken.push(entry);
        }
        taken
    }
}

impl GroupRecord {
    fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// Writes what the groups record until shutdown, and what they have recorded by then.
pub(crate) async fn run_journal(state: Arc<State>) {
    let journal = &state.groups.journal;
    let mut unwritten: Vec<GroupRecord> = Vec::new();
    loop {
        let entries = journal.take();
        if entries.is_empty() {
            let retry = async {
                if unwritten.is_empty() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(RETRY_WAIT).await;
            };
            // What has come by now is written still, also at shutdown.
            tokio::select! {
                biased;
                () = journal.arrived.notified() => continue,
                () = retry => {}
                () = state.shutdown.cancelled() => return,
            }
        }
        let last = entries.last().map(|entry| entry.number);
        let (mut records, mut due) = (std::mem::take(&mut unwritten), Vec::new());
        for entry in entries {
            records.extend(entry.records);
            due.extend(entry.due);
        }
        match write(&state, &records).await {
            Ok(()) => {
                if let Some(last) = last {
                    journal.settled.store(last, Ordering::Release);
                }
                due.into_iter().for_each(Due::deliver);
            }
            Err(error) => {
                tracing::warn!("cannot store the state of groups, members are told to come again: {error}");
                unwritten = latest_of_each_key(records);
                due.into_iter().for_each(Due::refuse);
            }
        }
    }
}

fn latest_of_each_key(records: Vec<GroupRecord>) -> Vec<GroupRecord> {
    let mut seen = HashSet::new();
    let mut latest: Vec<GroupRecord> =
        records.into_iter().rev().filter(|record| seen.insert(record.key.clone())).collect();
    latest.reverse();
    latest
}

/// One batch, so that a crash keeps all of it or nothing; returns once it is on disk.
async fn write(state: &Arc<State>, records: &[GroupRecord]) -> Result<(), WriteError> {
    if records.is_empty() {
        return Ok(());
    }
    let mut builder = BatchBuilder::new(1024);
    for record in records {
        builder.append(now_ms(), Some(&record.key), record.value.as_deref(), &[])?;
    }
    let (batch, _) = builder.finish(&BatchFields::default())?;
    let batch = Batch::take(&mut Bytes::from(batch))?;
    let shared = Arc::clone(state);
    let appended = tokio::task::spawn_blocking(move || -> Result<_, TopicError> {
        let log = offsets_log(&shared.topics)?;
        let appended = log.append(&batch, now_ms())?;
        Ok((log, appended))
    });
    let (log, appended) = appended.await??;
    log.durable(appended.last_offset + 1).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use broker_protocol::ErrorCode;
    use tokio::sync::oneshot;

    use super::*;

    fn record(key: &'static str, value: Option<&'static str>) -> GroupRecord {
        GroupRecord { key: Bytes::from_static(key.as_bytes()), value: value.map(|value| value.into()) }
    }

    #[test]
    fn answers_wait_for_the_records_before_them_and_only_for_those() {
        let (journal, mut mine, mut other) = (Journal::default(), 0, 0);
        journal.settle(&mut mine, vec![record("a", Some("1"))], Vec::new());
        let (sender, mut waits) = oneshot::channel();
        journal.settle(&mut mine, Vec::new(), vec![Due::Written(sender)]);
        assert!(waits.try_recv().is_err(), "its group's record is not on disk");
        let (sender, mut free) = oneshot::channel();
        journal.settle(&mut other, Vec::new(), vec![Due::Written(sender)]);
        assert_eq!(free.try_recv(), Ok(ErrorCode::NONE));
        let entries = journal.take();
        assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2]);
        for due in entries.into_iter().flat_map(|entry| entry.due) {
            due.deliver();
        }
        assert_eq!(waits.try_recv(), Ok(ErrorCode::NONE));
    }

    #[test]
    fn of_records_that_could_not_be_written_the_latest_of_each_key_is_kept() {
        let records =
            vec![record("a", Some("1")), record("b", Some("2")), record("a", None), record("c", Some("3"))];
        let kept = latest_of_each_key(records);
        assert_eq!(kept, [record("b", Some("2")), record("a", None), record("c", Some("3"))]);
    }
}
