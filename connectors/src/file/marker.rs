//! The marker beside a sink's file: where an epoch began, until a commit says how far it got.
//!
//! Offsets carry notes only from the first commit on. If the process is killed before that, the lines that are in the file
//! come again, and only the marker tells where they start. For `/data/out.txt` it is `/data/.out.txt.millrace`.
//! Invariant: the marker is durable before the first byte of its epoch is written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use api::{Error, Result};

use super::note::Marked;
use super::place::MODE;

/// No marker is larger.
const BYTES_MAX: u64 = 4096;

/// The marker of one file.
#[derive(Debug, Clone)]
pub(super) struct Marker {
    path: PathBuf,
}

impl Marker {
    /// The marker of the file at this path.
    pub(super) fn of(file: &Path) -> Self {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Self { path: file.with_file_name(format!(".{name}.millrace")) }
    }

    /// What stands in it, if there is one.
    ///
    /// # Errors
    /// `Retriable` when it cannot be read, `Fatal` when it is no marker.
    pub(super) fn read(&self) -> Result<Option<Marked>> {
        let failed = |error: io::Error| self.failed("read", error);
        let found = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(failed)?,
        };
        if !found.is_file() || found.len() > BYTES_MAX {
            return Err(Error::fatal(format!("{} is in the way: it is no marker", self.path.display())));
        }
        let text = fs::read_to_string(&self.path).map_err(failed)?;
        Marked::parse(&text)
            .map(Some)
            .map_err(|error| error.context(format!("reading {}", self.path.display())))
    }

    /// Writes it, durably.
    ///
    /// # Errors
    /// `Retriable` when it cannot be written.
    pub(super) fn write(&self, marked: Marked) -> Result<()> {
        let written = || -> io::Result<()> {
            let temporary = self.path.with_extension("millrace-new");
            // Made anew, so that it cannot be a link to somewhere else that another user has put there.
            remove_if_there(&temporary)?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&temporary)?;
            file.write_all(marked.to_text().as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &self.path)?;
            sync_directory_of(&self.path)
        };
        written().map_err(|error| self.failed("write", error))
    }

    /// Removes it, if there is one.
    ///
    /// # Errors
    /// `Retriable` when it cannot be removed.
    pub(super) fn remove(&self) -> Result<()> {
        remove_if_there(&self.path).map_err(|error| self.failed("remove", error))
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        Error::retriable(format!("cannot {what} the marker {}", self.path.display())).with_source(error)
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes the names in a file's directory durable.
pub(super) fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
