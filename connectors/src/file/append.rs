//! Appends to a file so that what is in it is always known: whole batches up to a length, and nothing torn. Blocking I/O.
//!
//! Before each batch the file is looked at: someone may have rotated, removed, truncated or appended to it. A batch that
//! could not be written whole is cut off again. Invariant: `length` is where our last whole batch ends; after an error the
//! file is that long again, or the next call makes it so before it writes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};

use api::{Error, Result};

use super::identity::Identity;
use super::marker::{Marker, sync_directory_of};
use super::note::{Committed, Marked, Note, Recovery, recovery};
use super::place::{MODE, Place};

/// A file that is open for appending, and locked.
#[derive(Debug)]
pub(super) struct Appender {
    place: Place,
    marker: Marker,
    file: File,
    length: u64,
    epoch: u64,
    /// Part of a batch may stand behind `length`.
    torn: bool,
    /// How many commits were prepared in this epoch.
    commits: u32,
    /// What others had committed when we began.
    by_others: u64,
}

impl Appender {
    /// Opens the file, creates it if need be, and locks it against other sinks.
    ///
    /// # Errors
    /// `BadConfig` when it may not be touched, `Retriable` when it cannot be opened or another sink has it.
    pub(super) fn open(place: Place) -> Result<Self> {
        let marker = Marker::of(place.path());
        let file = open_locked(&place)?;
        let length = length_of(&place, &file)?;
        Ok(Self { place, marker, file, length, epoch: 0, torn: false, commits: 0, by_others: 0 })
    }

    /// Brings the file in step with what was committed: see [`recovery`].
    ///
    /// # Errors
    /// `Retriable` when the file or its marker cannot be read or written.
    pub(super) fn recover(&mut self, committed: &Committed) -> Result<()> {
        self.by_others = committed.by_others;
        self.look()?;
        let length = length_of(&self.place, &self.file)?;
        let is_of_file = |identity: &Identity| identity.is_of(&self.file).unwrap_or(false);
        match recovery(length, committed, self.marker.read()?, is_of_file) {
            Recovery::CutTo { length: committed, epoch } => {
                self.cut_to(committed)?;
                (self.length, self.epoch, self.commits) = (committed, epoch, 0);
                let (file, cut) = (self.place.path().display(), length - committed);
                tracing::info!(%file, committed, cut, "The file is as long as was committed.");
                Ok(())
            }
            Recovery::Begin { epoch } => {
                if !committed.notes.is_empty() {
                    let file = self.place.path().display();
                    tracing::warn!(%file, "The file is not the one that was committed, or shorter. Appending at its end; \
                        lines since the last commit may stand in the old one, too.");
                }
                self.length = length;
                self.begin(epoch)
            }
        }
    }

    /// Appends a batch, whole or not at all.
    ///
    /// # Errors
    /// `Retriable` when it could not be written: nothing of it is in the file, or will be cut off by the next call.
    pub(super) fn append(&mut self, batch: &[u8]) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.look()?;
        if let Err(error) = self.file.write_all(batch) {
            self.torn = true;
            let cut = self.cut_to(self.length).err();
            let error = self.place.failed("append to", error);
            return Err(match cut {
                None => error,
                Some(cut) => error.context(format!("a torn line could not be cut off yet ({cut})")),
            });
        }
        self.length += batch.len() as u64;
        Ok(())
    }

    /// Makes durable what was appended and gives the note for its commit.
    ///
    /// # Errors
    /// `Fatal` when the disk does not take it: what it took is unknown from then on, so the task must begin again from the
    /// last commit, which cuts off all that is doubtful.
    pub(super) fn sync(&mut self) -> Result<Note> {
        self.sync_data()?;
        let identity = Identity::of(&self.file, self.length);
        let identity = identity.map_err(|error| self.place.failed("read", error))?;
        self.commits += 1;
        if self.commits == 2 {
            // The commit before this one has carried the epoch on.
            self.marker.remove()?;
        }
        Ok(Note { length: self.length, identity, epoch: self.epoch })
    }

    /// The last commit was made: nothing is open any more.
    ///
    /// # Errors
    /// `Retriable` when the marker cannot be removed.
    pub(super) fn settle(&mut self) -> Result<()> {
        if self.commits > 0 { self.marker.remove() } else { Ok(()) }
    }

    /// Sees to it that the file at the path is the open one, as long as it ought to be.
    fn look(&mut self) -> Result<()> {
        if self.is_replaced()? {
            self.sync_data()?;
            self.file = open_locked(&self.place)?;
            self.torn = false;
            self.length = length_of(&self.place, &self.file)?;
            let file = self.place.path().display();
            tracing::info!(%file, "The file was rotated or removed. Going on in the new one.");
            return self.begin(self.epoch + 1);
        }
        if self.torn {
            self.cut_to(self.length)?;
        }
        let length = length_of(&self.place, &self.file)?;
        if length < self.length {
            let file = self.place.path().display();
            tracing::warn!(%file, length, expected = self.length, "The file was truncated. Going on at its end.");
            self.length = length;
            return self.begin(self.epoch + 1);
        }
        // Someone else appended: what is there stays there.
        self.length = length;
        Ok(())
    }

    fn is_replaced(&self) -> Result<bool> {
        let failed = |error| self.place.failed("look at", error);
        let own = self.file.metadata().map_err(failed)?;
        match fs::metadata(self.place.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(failed(error)),
            Ok(found) => Ok((found.ino(), found.dev()) != (own.ino(), own.dev())),
        }
    }

    /// Begins an epoch at the present length.
    fn begin(&mut self, epoch: u64) -> Result<()> {
        let failed = |error| self.place.failed("read", error);
        let identity = Identity::of(&self.file, self.length).map_err(failed)?;
        let note = Note { length: self.length, identity, epoch };
        self.marker.write(Marked { note, by_others: self.by_others })?;
        (self.epoch, self.commits) = (epoch, 0);
        Ok(())
    }

    fn cut_to(&mut self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(|error| self.place.failed("truncate", error))?;
        self.torn = false;
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| {
            Error::fatal(format!("cannot make file {} durable", self.place.path().display()))
                .with_source(error)
        })
    }
}

fn open_locked(place: &Place) -> Result<File> {
    let opened = place.open(OpenOptions::new().read(true).append(true).create(true).mode(MODE))?;
    let missing = || Error::retriable(format!("file {} has no directory to lie in", place.path().display()));
    let file = opened.ok_or_else(missing)?;
    sync_directory_of(place.path()).map_err(|error| place.failed("make the directory durable of", error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::retriable(format!(
            "file {} is locked by another sink; two sinks cannot share a file, give one of them another",
            place.path().display()
        ))),
        Err(TryLockError::Error(error)) => Err(place.failed("lock", error)),
    }
}

fn length_of(place: &Place, file: &File) -> Result<u64> {
    file.metadata().map(|found| found.len()).map_err(|error| place.failed("look at", error))
}
