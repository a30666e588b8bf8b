//! Producer ids: unique for ever, over restarts too. Blocks of ids are taken on disk before the first of them is given out.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::log::{LogError, replace_file};

const FILE: &str = "producer-ids";
/// Ids taken at a time; at most this many are skipped by a crash.
const BLOCK: i64 = 1000;

/// Gives out producer ids.
#[derive(Debug)]
pub(crate) struct ProducerIds {
    path: PathBuf,
    block: Mutex<std::ops::Range<i64>>,
}

impl ProducerIds {
    /// Reads how far ids are taken.
    pub(crate) fn open(log_directory: &Path) -> Result<Self, LogError> {
        let path = log_directory.join(FILE);
        let next = match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().parse::<i64>().map_err(|error| LogError::Corrupt {
                path: path.clone(),
                position: 0,
                reason: format!(
                    "{:?} is not a producer id: {error}; write a number above every id in use",
                    text.trim()
                ),
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(LogError::io("read", path, error)),
        };
        Ok(Self { path, block: Mutex::new(next..next) })
    }

    /// A new id. Blocks on the disk once per block.
    pub(crate) fn next(&self) -> Result<i64, LogError> {
        let mut block = self.block.lock();
        if block.is_empty() {
            let end = block.end + BLOCK;
            let written = replace_file(&self.path, format!("{end}\n").as_bytes());
            written.map_err(|error| LogError::io("write", &self.path, error))?;
            *block = block.end..end;
        }
        let id = block.start;
        block.start += 1;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_come_twice() {
        let folder = tempfile::tempdir().unwrap();
        let first = ProducerIds::open(folder.path()).unwrap();
        let ids: Vec<i64> = (0..1500).map(|_| first.next().unwrap()).collect();
        assert_eq!(ids, (0..1500).collect::<Vec<i64>>());
        drop(first);
        assert_eq!(ProducerIds::open(folder.path()).unwrap().next().unwrap(), 2000);
    }
}
