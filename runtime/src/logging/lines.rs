//! The last log lines of each connector on this worker, for whoever asks why it does what it does.
//!
//! Written by the log's layer (`layer`), read by REST. Beside the data path: a line costs one lock. Invariants: what is kept is
//! bounded in lines and bytes, for each connector and for all; whoever reads on from a line's number misses nothing
//! but what those limits have pushed out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

/// Lines that are kept of one connector.
const LINES_MAX: usize = 1_000;

/// Bytes of messages that are kept of one connector.
const BYTES_MAX: usize = 256 << 10;

/// Bytes of messages that are kept in all.
const ALL_BYTES_MAX: usize = 16 << 20;

/// Connectors of which lines are kept.
const CONNECTORS_MAX: usize = 4_096;

/// Bytes of one message.
pub(super) const MESSAGE_BYTES_MAX: usize = 8 << 10;

/// How many may follow at once.
const FOLLOWERS_MAX: usize = 64;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// It grows with each line of the connector.
    pub number: u64,
    /// When: milliseconds since 1970.
    pub time: i64,
    /// Such as `INFO`.
    pub level: &'static str,
    /// The task that it is about, if it is about one.
    pub task: Option<u32>,
    /// Who says it, such as `runtime::worker::sink`.
    pub logger: &'static str,
    /// What is said, fields included.
    pub message: String,
}

/// The last lines of all connectors. Clones share them.
#[derive(Debug, Clone)]
pub struct Logs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
    /// How many lines there were; it ends when nothing more is to come.
    added: Mutex<Option<watch::Sender<u64>>>,
    seen: watch::Receiver<u64>,
    followers: AtomicUsize,
}

#[derive(Debug, Default)]
struct Kept {
    connectors: BTreeMap<String, Ring>,
    bytes: usize,
    turn: u64,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Arc<LogLine>>,
    bytes: usize,
    next: u64,
    /// When it last grew, in lines of all.
    turn: u64,
}

/// Someone who waits for lines; counted until dropped.
#[derive(Debug)]
pub struct Follower {
    logs: Logs,
    seen: watch::Receiver<u64>,
}

impl Default for Logs {
    fn default() -> Self {
        let (added, seen) = watch::channel(0);
        let (kept, added) = (Mutex::default(), Mutex::new(Some(added)));
        Self(Arc::new(Shared { kept, added, seen, followers: AtomicUsize::new(0) }))
    }
}

impl Logs {
    /// Keeps a line; its number is given here.
    pub fn add(&self, connector: &str, line: LogLine) {
        self.0.kept.lock().add(connector, line);
        if let Some(added) = &*self.0.added.lock() {
            added.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// The last so many lines of a connector, oldest first.
    #[must_use]
    pub fn tail(&self, connector: &str, count: usize) -> Vec<Arc<LogLine>> {
        let kept = self.0.kept.lock();
        let Some(ring) = kept.connectors.get(connector) else { return Vec::new() };
        ring.lines.iter().skip(ring.lines.len().saturating_sub(count)).cloned().collect()
    }

    /// The lines of a connector from this number on.
    #[must_use]
    pub fn since(&self, connector: &str, number: u64) -> Vec<Arc<LogLine>> {
        let kept = self.0.kept.lock();
        let Some(ring) = kept.connectors.get(connector) else { return Vec::new() };
        ring.lines.iter().filter(|line| line.number >= number).cloned().collect()
    }

    /// The number that the connector's next line will have.
    #[must_use]
    pub fn next_number(&self, connector: &str) -> u64 {
        self.0.kept.lock().connectors.get(connector).map_or(0, |ring| ring.next)
    }

    /// Begins to follow; `None` when too many do already.
    #[must_use]
    pub fn follow(&self) -> Option<Follower> {
        let taken = self
            .0
            .followers
            .fetch_update(SeqCst, SeqCst, |count| (count < FOLLOWERS_MAX).then_some(count + 1));
        taken.is_ok().then(|| Follower { logs: self.clone(), seen: self.0.seen.clone() })
    }

    /// Ends all following: the worker stops.
    pub fn close(&self) {
        *self.0.added.lock() = None;
    }
}

impl Follower {
    /// Waits until there may be more lines. `false` when there will be none.
    pub async fn more(&mut self) -> bool {
        self.seen.changed().await.is_ok()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.logs.0.followers.fetch_sub(1, SeqCst);
    }
}

impl Kept {
    fn add(&mut self, connector: &str, mut line: LogLine) {
        self.turn += 1;
        let end = line.message.floor_char_boundary(MESSAGE_BYTES_MAX);
        line.message.truncate(end);
        if !self.connectors.contains_key(connector) {
            self.connectors.insert(connector.to_owned(), Ring::default());
        }
        let Some(ring) = self.connectors.get_mut(connector) else { return };
        let before = ring.bytes;
        line.number = ring.next;
        ring.next += 1;
        ring.turn = self.turn;
        ring.bytes += line.message.len();
        ring.lines.push_back(Arc::new(line));
        while ring.lines.len() > LINES_MAX || ring.bytes > BYTES_MAX {
            let Some(oldest) = ring.lines.pop_front() else { break };
            ring.bytes -= oldest.message.len();
        }
        self.bytes = self.bytes + ring.bytes - before;
        while self.bytes > ALL_BYTES_MAX || self.connectors.len() > CONNECTORS_MAX {
            self.forget_quietest();
        }
    }

    /// Forgets the connector that was silent for the longest time.
    fn forget_quietest(&mut self) {
        let quietest = self.connectors.iter().min_by_key(|(_, ring)| ring.turn).map(|(name, _)| name.clone());
        let forgotten = quietest.and_then(|name| self.connectors.remove(&name));
        self.bytes -= forgotten.map_or(0, |ring| ring.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> LogLine {
        let message = message.to_owned();
        LogLine { number: 0, time: 0, level: "INFO", task: None, logger: "l", message }
    }

    #[test]
    fn the_last_lines_are_kept_and_numbered() {
        let logs = Logs::default();
        for number in 0..LINES_MAX + 5 {
            logs.add("a", line(&number.to_string()));
        }
        assert_eq!(logs.tail("a", usize::MAX).len(), LINES_MAX);
        let last: Vec<_> = logs.tail("a", 2).iter().map(|line| line.message.clone()).collect();
        assert_eq!(last, ["1003", "1004"]);
        let number = logs.next_number("a");
        logs.add("a", line("new"));
        assert_eq!(logs.since("a", number).len(), 1);
        assert!(logs.tail("b", 5).is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_and_connectors() {
        let logs = Logs::default();
        for connector in 0..200 {
            for _ in 0..40 {
                logs.add(&connector.to_string(), line(&"x".repeat(100_000)));
            }
        }
        let kept = logs.0.kept.lock();
        let sum: usize = kept.connectors.values().map(|ring| ring.bytes).sum();
        assert_eq!(sum, kept.bytes);
        assert!(sum <= ALL_BYTES_MAX);
        assert!(kept.connectors.values().all(|ring| ring.bytes <= BYTES_MAX));
        assert!(kept.connectors.contains_key("199") && !kept.connectors.contains_key("0"));
    }

    #[tokio::test]
    async fn followers_hear_of_lines_and_of_the_end_and_are_few() {
        let logs = Logs::default();
        let mut follower = logs.follow().unwrap();
        logs.add("a", line("x"));
        assert!(follower.more().await);
        let others: Vec<_> = (1..FOLLOWERS_MAX).map(|_| logs.follow().unwrap()).collect();
        assert!(logs.follow().is_none());
        drop(others);
        assert!(logs.follow().is_some());
        logs.close();
        assert!(!follower.more().await);
    }
}
