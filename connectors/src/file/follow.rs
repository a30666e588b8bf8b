//! Follows a file as it grows, is rotated or truncated, and finds it again after a restart. Blocking I/O, one step a call.
//!
//! What can become of a file that is being read:
//! * It grows: the new bytes are read.
//! * Its path names another file, or none (rotation by rename): what is open is still the old file. It is read until it has been
//!   quiet for a while, since its writer may hold on to it, and then the new one from its start.
//! * It is shorter than what was read, or its first bytes are others (truncated, written anew): it is read from its start.
//!   What was read of an unfinished last line is handed out first, with position 0: the lines before it are gone.
//! * It is missing at the start: it is waited for.
//!
//! After a restart the offset tells position and [`Identity`]. If the path's file is that one it is read on. If not, the
//! file was rotated meanwhile: the one in the same directory that it is is finished first. If there is none (deleted,
//! compressed), what it had left is out of reach, which is logged. Of several rotations meanwhile only the file
//! that was being read is found: those in between have names that cannot be known.
//! An offset without identity is Kafka Connect's; its position counts characters ([`super::foreign`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use api::Result;

use super::block::too_long;
use super::foreign::byte_position;
use super::identity::Identity;
use super::place::Place;
use super::tail::{Cut, Tail};
use super::watch::Watch;

/// How much is read at once. Whole lines of it become one block.
const READ_BYTES: u64 = 1 << 20;
/// How long a rotated file must be quiet, at most, before the new one is read.
const ROTATION_QUIET_MAX: Duration = Duration::from_secs(1);

/// Where to go on after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resume {
    pub(super) position: u64,
    /// Unknown in an offset of Kafka Connect's.
    pub(super) identity: Option<Identity>,
}

/// What a step found.
#[derive(Debug)]
pub(super) enum Step {
    /// Lines.
    Lines(Reading),
    /// Nothing new.
    Idle,
    /// There is no such file.
    Missing,
}

/// Whole lines, and what is known about their file.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) cut: Cut,
    pub(super) identity: Identity,
    /// Where to go on after the lines, if not where they end: their file begins anew.
    pub(super) position: Option<u64>,
    /// How much of the file is not read yet, in bytes.
    pub(super) behind_bytes: u64,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    tail: Tail,
    identity: Identity,
    /// When the last byte came.
    grown: Instant,
    /// The end was seen: before more is read, look whether it is the same content.
    at_end: bool,
}

/// What became of the open file since it was last read to its end.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    None,
    Renewed,
    Rotated,
}

/// Reads one file, step by step.
#[derive(Debug)]
pub(super) struct Follower {
    place: Place,
    line_bytes_max: usize,
    last_line_quiet: Duration,
    resume: Option<Resume>,
    /// That the file of the offset is gone was said once.
    loss_told: bool,
    open: Option<OpenFile>,
    /// How often a file was opened.
    files_opened: u64,
    /// The path's file is another than the open one.
    rotated: bool,
}

impl Follower {
    pub(super) const fn new(
        place: Place,
        line_bytes_max: usize,
        last_line_quiet: Duration,
        resume: Option<Resume>,
    ) -> Self {
        Self {
            place,
            line_bytes_max,
            last_line_quiet,
            resume,
            loss_told: false,
            open: None,
            files_opened: 0,
            rotated: false,
        }
    }

    /// The path that is followed.
    pub(super) fn path(&self) -> &Path {
        self.place.path()
    }

    /// The number of the file that is open, or of the last one if none is.
    pub(super) const fn files_opened(&self) -> u64 {
        self.files_opened
    }

    /// Has the system tell of whatever a step might find, from now on.
    ///
    /// # Errors
    /// As [`Watch::on`].
    pub(super) fn watch(&self) -> io::Result<Watch> {
        Watch::on(self.place.path(), self.open.as_ref().map(|open| &open.file))
    }

    /// When a step may find something though nothing changes: a last line that has been quiet for long enough, or the end of a
    /// rotated file.
    pub(super) fn due(&self) -> Option<Instant> {
        let open = self.open.as_ref()?;
        if open.tail.len() > 0 {
            return Some(open.grown + self.last_line_quiet);
        }
        self.rotated.then(|| open.grown + self.last_line_quiet.min(ROTATION_QUIET_MAX))
    }

    /// Reads on. Nothing is lost when it fails: the next step tries the same.
    pub(super) fn step(&mut self, now: Instant) -> Result<Step> {
        if self.open.is_none() {
            self.open = self.open_file(now)?;
        }
        let place = &self.place;
        let Some(open) = &mut self.open else { return Ok(Step::Missing) };
        let renewed = open.is_renewed().map_err(|error| place.failed("look at", error))?;
        if !renewed && let Some(step) = open.read(now).map_err(|error| place.failed("read", error))? {
            return open.bounded(step, self.line_bytes_max);
        }
        let change = if renewed {
            Change::Renewed
        } else {
            open.rotation(place).map_err(|e| place.failed("look at", e))?
        };
        self.at_end(&change, now)
    }

    /// Decides what a file that does not grow means.
    fn at_end(&mut self, change: &Change, now: Instant) -> Result<Step> {
        let Some(open) = &mut self.open else { return Ok(Step::Missing) };
        let quiet = now.saturating_duration_since(open.grown);
        self.rotated = *change == Change::Rotated;
        match change {
            Change::Renewed => {
                let last = open.tail.flush();
                open.begin_anew(now).map_err(|error| self.place.failed("read", error))?;
                tracing::info!(file = %self.place.path().display(), "The file was truncated. Reading it from its start.");
                Ok(open.step_of(last, Some(0)))
            }
            _ if open.tail.len() > 0 && quiet >= self.last_line_quiet => {
                let last = open.tail.flush();
                Ok(open.step_of(last, None))
            }
            Change::Rotated
                if open.tail.len() == 0 && quiet >= self.last_line_quiet.min(ROTATION_QUIET_MAX) =>
            {
                tracing::info!(file = %self.place.path().display(), "The file was rotated. Going on with the new one.");
                self.open = None;
                self.step(now)
            }
            _ => Ok(Step::Idle),
        }
    }

    fn open_file(&mut self, now: Instant) -> Result<Option<OpenFile>> {
        let found = self.place.open(OpenOptions::new().read(true))?;
        let (file, position) = match self.resume {
            None => (found, 0),
            Some(resume) => self.resumed_file(found, &resume)?,
        };
        let Some(file) = file else { return Ok(None) };
        let opened = OpenFile::at(file, position, now).map_err(|error| self.place.failed("read", error))?;
        self.resume = None;
        self.files_opened += 1;
        Ok(Some(opened))
    }

    /// The file to go on with, and where: the one of the offset, wherever it is now, else the one at the path.
    fn resumed_file(&mut self, found: Option<File>, resume: &Resume) -> Result<(Option<File>, u64)> {
        if let Some(file) = &found
            && is_same(file, resume).map_err(|error| self.place.failed("read", error))?
        {
            let position = match resume.identity {
                Some(_) => resume.position,
                None => {
                    byte_position(file, resume.position).map_err(|error| self.place.failed("read", error))?
                }
            };
            return Ok((found, position));
        }
        match self.rotated_file(resume)? {
            Some(file) => Ok((Some(file), resume.position)),
            None => {
                self.tell_loss(resume);
                Ok((found, 0))
            }
        }
    }

    /// The file that the offset speaks of, under another name in the same directory.
    fn rotated_file(&self, resume: &Resume) -> Result<Option<File>> {
        let Some(identity) = resume.identity else { return Ok(None) };
        let path = self.place.path();
        let directory = path.parent().filter(|path| !path.as_os_str().is_empty());
        let entries = match fs::read_dir(directory.unwrap_or(Path::new("."))) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.place.failed("look for the rotated", error)),
        };
        for entry in entries.flatten() {
            let candidate =
                entry.metadata().is_ok_and(|found| found.is_file() && found.ino() == identity.inode());
            if candidate
                && let Ok(file) = File::open(entry.path())
                && is_same(&file, resume).unwrap_or(false)
            {
                tracing::info!(file = %path.display(), rotated = %entry.path().display(), position = resume.position,
                    "The file was rotated meanwhile. Finishing the old one first.");
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    fn tell_loss(&mut self, resume: &Resume) {
        if !std::mem::replace(&mut self.loss_told, true) {
            tracing::warn!(file = %self.place.path().display(), position = resume.position,
                "The file of the stored position is truncated, replaced or gone, and no file in its directory is that \
                 one: what it had after the position is out of reach. Reading from the start of the new one.");
        }
    }
}

/// Whether the file is the one of the offset, and still has what was read.
fn is_same(file: &File, resume: &Resume) -> io::Result<bool> {
    let long_enough = file.metadata()?.len() >= resume.position;
    Ok(long_enough && resume.identity.map_or(Ok(true), |identity| identity.is_of(file))?)
}

impl OpenFile {
    fn at(file: File, position: u64, now: Instant) -> io::Result<Self> {
        let mut before = [0; 1];
        if position > 0 {
            file.read_exact_at(&mut before, position - 1)?;
        }
        let identity = Identity::of(&file, position)?;
        let tail = Tail::new(position, (position > 0).then_some(before[0]));
        Ok(Self { file, tail, identity, grown: now, at_end: true })
    }

    fn begin_anew(&mut self, now: Instant) -> io::Result<()> {
        let file = self.file.try_clone()?;
        *self = Self::at(file, 0, now)?;
        Ok(())
    }

    /// Whether what was read is not there any more.
    fn is_renewed(&self) -> io::Result<bool> {
        if self.file.metadata()?.len() < self.tail.end() {
            return Ok(true);
        }
        Ok(self.at_end && !self.identity.has_head(&self.file)?)
    }

    /// Reads what is there, up to a limit. `None` at the end.
    fn read(&mut self, now: Instant) -> io::Result<Option<Step>> {
        let length = self.file.metadata()?.len();
        let available = length.saturating_sub(self.tail.end()).min(READ_BYTES);
        if available == 0 {
            self.at_end = true;
            return Ok(None);
        }
        let (mut file, position) = (&self.file, self.tail.end());
        let read = move |buffer: &mut Vec<u8>| {
            file.seek(SeekFrom::Start(position))?;
            file.take(available).read_to_end(buffer)
        };
        let cut = self.tail.extend(usize::try_from(available).unwrap_or(0), read)?;
        (self.grown, self.at_end) = (now, false);
        if !self.identity.is_complete() {
            self.identity = Identity::of(&self.file, self.tail.end())?;
        }
        Ok(Some(self.step_of(cut, None)))
    }

    fn step_of(&self, cut: Option<Cut>, position: Option<u64>) -> Step {
        let length = self.file.metadata().map_or(0, |found| found.len());
        let behind_bytes = length.saturating_sub(self.tail.start());
        let identity = self.identity;
        cut.map_or(Step::Idle, |cut| Step::Lines(Reading { cut, identity, position, behind_bytes }))
    }

    /// Refuses a tail that grows beyond the longest line, once the lines before it are handed out.
    fn bounded(&self, step: Step, line_bytes_max: usize) -> Result<Step> {
        match step {
            Step::Lines(_) => Ok(step),
            _ if self.tail.len() > line_bytes_max => Err(too_long(self.tail.start(), line_bytes_max)),
            _ => Ok(step),
        }
    }

    fn rotation(&self, place: &Place) -> io::Result<Change> {
        match fs::metadata(place.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Change::None),
            Err(error) => Err(error),
            Ok(found) => {
                let own = self.file.metadata()?;
                let same = (found.ino(), found.dev()) == (own.ino(), own.dev());
                Ok(if same { Change::None } else { Change::Rotated })
            }
        }
    }
}
