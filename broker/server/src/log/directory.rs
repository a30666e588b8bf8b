//! One log directory: locked to one process, marked clean at shutdown, offline after its first fsync error.
//!
//! Why the first error is final: after a failed fsync the kernel may drop the dirty pages and answer the next fsync
//! with success, so trying again would acknowledge records that are not on disk.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::{
    disk::{Disk, replace_file, sync_folder},
    error::LogError,
};
use crate::Error;

const LOCK_FILE: &str = ".lock";
const CLEAN_SHUTDOWN_FILE: &str = ".kafka_cleanshutdown";

/// A folder of partition folders that this process alone writes.
#[derive(Debug)]
pub struct LogDirectory {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    failure: OnceLock<String>,
    clean: bool,
    /// Holds the lock until [`Self::close`]; the system lets go of it however the process ends.
    lock: File,
}

impl LogDirectory {
    /// Creates the folder if needed, locks it, and takes note whether the last process closed it cleanly.
    ///
    /// # Errors
    /// [`Error::DirectoryInUse`] when another process has it, naming that process.
    pub fn open(path: &Path, disk: Arc<dyn Disk>) -> Result<Self, Error> {
        let io_error = |operation, source| Error::from(LogError::io(operation, path, source));
        fs::create_dir_all(path).map_err(|error| io_error("create log directory", error))?;
        let lock = lock(path)?;
        let marker = path.join(CLEAN_SHUTDOWN_FILE);
        let clean = match fs::remove_file(&marker) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(io_error("remove the clean-shutdown marker in", error)),
        };
        // Before anything is written: a crash from here on must not find the old marker.
        sync_folder(path).map_err(|error| io_error("sync", error))?;
        Ok(Self { path: path.to_owned(), disk, failure: OnceLock::new(), clean, lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the last process flushed everything and said so; if not, logs must be recovered.
    pub fn was_clean(&self) -> bool {
        self.clean
    }

    /// Says why the directory is offline, if it is.
    pub fn check(&self) -> Result<(), LogError> {
        match self.failure.get() {
            None => Ok(()),
            Some(reason) => Err(LogError::Offline { directory: self.path.clone(), reason: reason.clone() }),
        }
    }

    /// Writes to a file of this directory. A full disk passes; any other error takes the directory offline.
    pub(crate) fn write_at(
        &self,
        file: &File,
        path: &Path,
        slices: &[&[u8]],
        at: u64,
    ) -> Result<(), LogError> {
        self.check()?;
        match self.disk.write_at(file, slices, at).map_err(|error| LogError::io("write", path, error)) {
            Err(error @ LogError::Io { .. }) => Err(self.fail(&error)),
            other => other,
        }
    }

    /// Syncs a file of this directory; any error, a full disk included, takes the directory offline.
    pub(crate) fn sync(&self, file: &File, path: &Path) -> Result<(), LogError> {
        self.check()?;
        self.disk.sync(file).map_err(|error| {
            let error = LogError::Io { operation: "fsync", path: path.to_owned(), source: error };
            self.fail(&error)
        })
    }

    fn fail(&self, error: &LogError) -> LogError {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let reason = self.failure.get_or_init(|| {
            tracing::error!(directory = %self.path.display(), "{error}{cause}; the log directory is offline");
            format!("{error}{cause}")
        });
        LogError::Offline { directory: self.path.clone(), reason: reason.clone() }
    }

    /// Marks the directory as closed cleanly and lets go of its lock. Call last, after every log is closed: whoever still
    /// holds one (a long poll that is on its way out) finds it closed and touches nothing.
    pub fn close(&self) -> Result<(), LogError> {
        self.check()?;
        let marker = self.path.join(CLEAN_SHUTDOWN_FILE);
        replace_file(&marker, b"version=1\n").map_err(|error| LogError::io("write", marker, error))?;
        self.lock.unlock().map_err(|error| LogError::io("unlock", self.path.join(LOCK_FILE), error))
    }
}

fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK_FILE);
    let io_error = |operation, source| Error::from(LogError::io(operation, &path, source));
    let mut file = File::options()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| io_error("open", error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(|error| io_error("read", error))?;
            return Err(Error::DirectoryInUse {
                directory: directory.to_owned(),
                holder: holder.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(io_error("lock", error)),
    }
    let process = format!("{}\n", std::process::id());
    let written =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(process.as_bytes()));
    written.map_err(|error| io_error("write", error))?;
    Ok(file)
}
