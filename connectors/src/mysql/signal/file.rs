//! The channel `file`: signals as lines of JSON in a file (`signal.file`), which is emptied once they were read, as Debezium does.
//!
//! The file's name comes from outside, and the file is emptied. So only a regular file is touched, and only one that holds a signal.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Signal;

/// Larger files are no signals.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A file that is looked at now and then.
#[derive(Debug)]
pub struct FileChannel {
    path: PathBuf,
    every: Duration,
    next: Instant,
    /// What was said about the file last, so that it is not said again and again.
    told: Option<String>,
}

impl FileChannel {
    /// Looks at a file this often.
    #[must_use]
    pub fn new(path: &str, every: Duration) -> Self {
        Self { path: PathBuf::from(path), every, next: Instant::now(), told: None }
    }

    /// How long until the file is to be looked at.
    #[must_use]
    pub fn due_in(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }

    /// The signals that came, if the file is to be looked at now.
    pub fn poll(&mut self, now: Instant) -> Vec<Signal> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now + self.every;
        match self.take() {
            Ok(signals) => {
                self.told = None;
                signals
            }
            Err(error) => {
                let message = error.to_string();
                if self.told.as_ref() != Some(&message) {
                    tracing::warn!(file = %self.path.display(), %message, "the file of signals cannot be read");
                    self.told = Some(message);
                }
                Vec::new()
            }
        }
    }

    fn take(&self) -> io::Result<Vec<Signal>> {
        let found = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            found => found?,
        };
        if !found.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        if found.len() == 0 {
            return Ok(Vec::new());
        }
        let mut text = String::new();
        fs::File::open(&self.path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let (signals, wrong): (Vec<_>, Vec<_>) = lines.map(Signal::of_json).partition(Result::is_ok);
        if signals.is_empty() {
            return Err(io::Error::other(
                "it holds no signal ({\"id\":..,\"type\":..,\"data\":..}); it is left as it is",
            ));
        }
        for line in wrong.into_iter().filter_map(Result::err) {
            tracing::warn!(file = %self.path.display(), %line, "a line is no signal and is passed over");
        }
        fs::OpenOptions::new().write(true).truncate(true).open(&self.path)?;
        Ok(signals.into_iter().filter_map(Result::ok).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_taken_once_and_other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signals");
        let mut channel = FileChannel::new(path.to_str().unwrap(), Duration::from_secs(1));
        let mut now = Instant::now();
        let mut poll = |now: &mut Instant| {
            *now += Duration::from_secs(2);
            channel.poll(*now)
        };
        assert_eq!(poll(&mut now), []);
        fs::write(&path, "{\"id\":\"1\",\"type\":\"log\",\"data\":{\"message\":\"m\"}}\nnonsense\n\n")
            .unwrap();
        let found = poll(&mut now);
        assert_eq!(found.len(), 1);
        assert_eq!((&*found[0].id, &*found[0].data), ("1", "{\"message\":\"m\"}"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        assert_eq!(poll(&mut now), []);
        fs::write(&path, "precious").unwrap();
        assert_eq!(poll(&mut now), []);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
