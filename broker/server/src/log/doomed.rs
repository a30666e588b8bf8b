//! Files of expired segments: out of use at once under another name, and gone after `file.delete.delay.ms`.
//!
//! A crash in between leaves files that end in `.deleted`; opening the log removes them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    LogError, PartitionLog,
    segment::{INDEX_EXTENSIONS, file_path, remove_file},
};

/// What the names of such files end in.
pub(super) const SUFFIX: &str = "deleted";

/// Files that are to be removed at a time, in ms since 1970.
#[derive(Debug)]
pub(super) struct Doomed {
    due_ms: i64,
    files: Vec<PathBuf>,
}

impl PartitionLog {
    /// Takes a segment's files out of use; they are removed once `delay_ms` have passed.
    pub(super) fn doom(&self, base_offset: i64, now_ms: i64, delay_ms: i64) -> Result<(), LogError> {
        let files = put_aside(&self.folder, base_offset)?;
        self.doomed.lock().push(Doomed { due_ms: now_ms.saturating_add(delay_ms), files });
        self.remove_doomed(now_ms)
    }

    /// Removes the files whose time has come. Blocks on the disk.
    pub fn remove_doomed(&self, now_ms: i64) -> Result<(), LogError> {
        let due: Vec<Doomed> = self.doomed.lock().extract_if(.., |doomed| doomed.due_ms <= now_ms).collect();
        due.iter().flat_map(|doomed| &doomed.files).try_for_each(|path| remove_file(path))
    }
}

/// Renames a segment's files, the log last: what has a log is a segment.
fn put_aside(folder: &Path, base_offset: i64) -> Result<Vec<PathBuf>, LogError> {
    let mut files = Vec::new();
    for extension in INDEX_EXTENSIONS.iter().chain(&["snapshot", "log"]) {
        let path = file_path(folder, base_offset, extension);
        let aside = path.with_added_extension(SUFFIX);
        match fs::rename(&path, &aside) {
            Ok(()) => files.push(aside),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(LogError::io("rename", path, error)),
        }
    }
    Ok(files)
}
