//! The file to which what is changed over REST is appended.
//!
//! Opened once, at the start, so that a folder that is missing is told then. Invariant: a line is written whole, by one call,
//! and only its owner may read the file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

/// The file. Clones append to the same one.
#[derive(Debug, Clone)]
pub struct AuditFile {
    file: Arc<Mutex<File>>,
}

impl AuditFile {
    /// Opens the file, and makes it if there is none.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let file = opened.map_err(|error| format!("the file cannot be written: {error}"))?;
        Ok(Self { file: Arc::new(Mutex::new(file)) })
    }

    /// Appends a line.
    ///
    /// # Errors
    /// The disk's.
    pub fn append(&self, line: &str) -> io::Result<()> {
        self.file.lock().write_all(format!("{line}\n").as_bytes())
    }
}
