//! A file of secrets that is read again when it changes.
//!
//! Between the login and the files that `rest.users.file` and `rest.tokens.file` name. Invariants: what is in force is a file that could
//! be read as a whole; one that cannot be is reported, once, and what was in force before stays so.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How a file is read.
type Read<T> = fn(&Path) -> Result<T, String>;

/// What a file says, as of its last change. Clones watch it together.
#[derive(Debug)]
pub struct Watched<T> {
    path: Arc<Path>,
    read: Read<T>,
    now: Arc<Mutex<Now<T>>>,
}

#[derive(Debug)]
struct Now<T> {
    value: Arc<T>,
    /// Of what was last tried, whether it could be read or not.
    stamp: Option<Stamp>,
    looked: Instant,
    version: u64,
}

/// What changes with a file: also when it is replaced by one of the same length within the same tick of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self { path: Arc::clone(&self.path), read: self.read, now: Arc::clone(&self.now) }
    }
}

impl<T> Watched<T> {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn open(path: &Path, read: Read<T>) -> Result<Self, String> {
        let stamp = stamp(path);
        let now = Now { value: Arc::new(read(path)?), stamp, looked: Instant::now(), version: 0 };
        Ok(Self { path: path.into(), read, now: Arc::new(Mutex::new(now)) })
    }

    /// What is in force, and a number that grows whenever that changes. May read the file: not for where that harms anybody.
    #[must_use]
    pub fn current(&self) -> (Arc<T>, u64) {
        let mut now = self.now.lock();
        if now.looked.elapsed() >= LOOK_EVERY {
            now.looked = Instant::now();
            self.look(&mut now);
        }
        (Arc::clone(&now.value), now.version)
    }

    fn look(&self, now: &mut Now<T>) {
        let found = stamp(&self.path);
        if found == now.stamp {
            return;
        }
        now.stamp = found;
        match (self.read)(&self.path) {
            Ok(value) => {
                (now.value, now.version) = (Arc::new(value), now.version + 1);
                tracing::info!("{} was changed and counts from now on", self.path.display());
            }
            Err(reason) => {
                tracing::error!(
                    "{} was changed, but cannot be used; what it said before stays in force: {reason}",
                    PathBuf::from(&*self.path).display()
                );
            }
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    Some(Stamp {
        inode: found.ino(),
        length: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> Result<String, String> {
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text) }
    }

    #[test]
    fn a_change_counts_and_one_that_cannot_be_read_does_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "one").unwrap();
        let watched = Watched::open(file.path(), text).unwrap();
        let seen = |content: Option<&str>| {
            match content {
                Some(content) => fs::write(file.path(), content).unwrap(),
                None => fs::remove_file(file.path()).unwrap(),
            }
            // As if the time had come to look again.
            watched.now.lock().looked = Instant::now().checked_sub(LOOK_EVERY).unwrap();
            let (value, version) = watched.current();
            (value.as_str().to_owned(), version)
        };
        assert_eq!(seen(Some("one")).0, "one");
        let (value, version) = seen(Some("two"));
        assert_eq!(value, "two");
        assert_eq!(seen(Some("")), ("two".to_owned(), version));
        assert_eq!(seen(Some("six")), ("six".to_owned(), version + 1));
        assert_eq!(seen(None), ("six".to_owned(), version + 1));
    }

    #[test]
    fn a_file_that_is_wrong_at_the_start_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Watched::open(file.path(), text).unwrap_err(), "it is empty");
    }
}
