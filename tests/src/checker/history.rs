//! What a client of the checker was told, read from the file that it kept.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// A record that was handed to the producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) partition: i32,
    pub(super) sequence: u64,
    pub(super) transaction: Option<u64>,
}

/// A record that the broker acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) sequence: u64,
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// The value without its padding.
    pub(super) value: String,
}

/// Everything that one client was told, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    pub(super) sent: Vec<Sent>,
    pub(super) acknowledged: Vec<Acknowledged>,
    pub(super) refused: Vec<u64>,
    pub(super) committed: HashSet<u64>,
    pub(super) aborted: HashSet<u64>,
    pub(super) read: Vec<Read>,
}

impl History {
    /// Reads a history; a last line that is not complete yet is left out.
    ///
    /// # Errors
    /// When the file cannot be read, or says what no client says.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut history = Self::default();
        for line in whole.lines() {
            history.take(line).with_context(|| format!("{}: {line:?}", path.display()))?;
        }
        Ok(history)
    }

    fn take(&mut self, line: &str) -> Result<()> {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields[..] {
            ["S", partition, sequence] => {
                self.sent.push(Sent {
                    partition: partition.parse()?,
                    sequence: sequence.parse()?,
                    transaction: None,
                });
            }
            ["S", partition, sequence, transaction] => self.sent.push(Sent {
                partition: partition.parse()?,
                sequence: sequence.parse()?,
                transaction: Some(transaction.parse()?),
            }),
            ["A", partition, offset, sequence] => self.acknowledged.push(Acknowledged {
                partition: partition.parse()?,
                offset: offset.parse()?,
                sequence: sequence.parse()?,
            }),
            ["F", sequence] => self.refused.push(sequence.parse()?),
            ["C", transaction] => drop(self.committed.insert(transaction.parse()?)),
            ["X", transaction] => drop(self.aborted.insert(transaction.parse()?)),
            ["R", topic, partition, offset, value] => self.read.push(Read {
                topic: topic.to_owned(),
                partition: partition.parse()?,
                offset: offset.parse()?,
                value: value.to_owned(),
            }),
            _ => bail!("not a line of a history"),
        }
        Ok(())
    }
}
