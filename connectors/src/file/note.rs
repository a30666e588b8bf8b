//! What the file sink remembers with its offsets, and what it makes of it after a restart. Pure, but for the text form.
//!
//! A [`Note`] says how long the file was when everything up to the offsets beside it was in it, and nothing else of ours.
//! Notes are numbered by epoch: a new one begins whenever the sink goes on in a file that no note speaks of (a first
//! start, offsets that a user set, a file that was rotated or truncated). The epoch's first length stands in the marker
//! beside the file (see `marker`) until a commit carries it on, so that a note of an older epoch is never mistaken for one of
//! this content. It counts only as long as nobody else has committed since: what another sink of the same group (a Kafka Connect to
//! which the connector was given back) has appended and committed must never be cut off.

use api::{Error, Result};
use serde_json::{Value, json};

use super::identity::Identity;

/// A length of a file that a commit or a marker vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note {
    /// The committed length in bytes.
    pub(super) length: u64,
    /// Which file.
    pub(super) identity: Identity,
    /// Which stretch of its life.
    pub(super) epoch: u64,
}

impl Note {
    /// The text form: `{"length":4711,"identity":"131842-256-9f86d081884c7d65","epoch":1}`.
    pub(super) fn to_text(self) -> String {
        let Self { length, identity, epoch } = self;
        json!({ "length": length, "identity": identity.to_string(), "epoch": epoch }).to_string()
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// `Fatal` when it is something else.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let unreadable = || Error::fatal(format!("{text:?} is not a note of the file sink"));
        let value: Value = serde_json::from_str(text).map_err(|error| unreadable().with_source(error))?;
        let number = |name: &str| value.get(name).and_then(Value::as_u64).ok_or_else(unreadable);
        let identity = value.get("identity").and_then(Value::as_str).ok_or_else(unreadable)?;
        Ok(Self {
            length: number("length")?,
            identity: identity.parse().map_err(|reason: String| unreadable().with_source(reason))?,
            epoch: number("epoch")?,
        })
    }
}

/// What was committed for the partitions that a sink is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Committed {
    /// The notes of our own commits.
    pub(super) notes: Vec<Note>,
    /// Which offsets somebody else committed, as a hash of them; 0 for none.
    pub(super) by_others: u64,
}

/// What stands in the marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marked {
    /// Where the epoch began.
    pub(super) note: Note,
    /// What others had committed then: see [`Committed::by_others`].
    pub(super) by_others: u64,
}

impl Marked {
    /// The text form: that of the note, with `"by_others":"<hash>"`.
    pub(super) fn to_text(self) -> String {
        let Note { length, identity, epoch } = self.note;
        let by_others = format!("{:016x}", self.by_others);
        json!({ "length": length, "identity": identity.to_string(), "epoch": epoch, "by_others": by_others })
            .to_string()
    }

    /// Reads the text form. A marker of an earlier version does not say what others had committed: nothing, then.
    ///
    /// # Errors
    /// `Fatal` when it is something else.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let note = Note::parse(text)?;
        let unreadable = || Error::fatal(format!("{text:?} is not a marker of the file sink"));
        let value: Value = serde_json::from_str(text).map_err(|error| unreadable().with_source(error))?;
        let by_others = match value.get("by_others") {
            None => 0,
            Some(said) => {
                let hash = said.as_str().ok_or_else(unreadable)?;
                u64::from_str_radix(hash, 16).map_err(|error| unreadable().with_source(error))?
            }
        };
        Ok(Self { note, by_others })
    }
}

/// How to bring a file in step with the committed offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recovery {
    /// Cut off what is behind the length: no commit covers it, so it is delivered again.
    CutTo { length: u64, epoch: u64 },
    /// Nothing is known about the file as it is: go on at its end.
    Begin { epoch: u64 },
}

/// Decides for a file of this length. `marked` is the marker beside the file; `is_of_file` says whether an identity is that of the
/// file.
///
/// Every commit covers all open partitions with one length, so of several notes the longest is of the last commit.
pub(super) fn recovery(
    file_length: u64,
    committed: &Committed,
    marked: Option<Marked>,
    is_of_file: impl Fn(&Identity) -> bool,
) -> Recovery {
    let Committed { notes, by_others } = committed;
    let fits = |note: &&Note| note.length <= file_length && is_of_file(&note.identity);
    let is_stale = |marked: &Marked| notes.is_empty() && marked.by_others != *by_others;
    let marker = marked.map(|marked| marked.note);
    let marker_fits =
        marker.as_ref().filter(|_| marked.as_ref().is_none_or(|marked| !is_stale(marked))).filter(fits);
    let current = |note: &&Note| marker_fits.is_none_or(|marker| marker.epoch == note.epoch);
    let last = notes.iter().filter(current).filter(fits).max_by_key(|note| (note.epoch, note.length));
    match last.or(marker_fits) {
        Some(note) => Recovery::CutTo { length: note.length, epoch: note.epoch },
        None => {
            let epochs = notes.iter().chain(&marker).map(|note| note.epoch);
            Recovery::Begin { epoch: epochs.max().unwrap_or(0) + 1 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(length: u64, inode: u64, epoch: u64) -> Note {
        let identity = format!("{inode}-0-cbf29ce484222325").parse().unwrap();
        Note { length, identity, epoch }
    }

    fn decide(file_length: u64, notes: &[Note], marker: Option<Note>) -> Recovery {
        let committed = Committed { notes: notes.to_vec(), by_others: 0 };
        let marked = marker.map(|note| Marked { note, by_others: 0 });
        recovery(file_length, &committed, marked, |identity| identity.inode() == 7)
    }

    /// Killed behind its first commit, given back to a Kafka Connect that went on, and taken over again.
    #[test]
    fn what_another_sink_has_committed_since_is_not_cut_off() {
        let marked = Marked { note: note(30, 7, 1), by_others: 0xa };
        let decide = |notes: &[Note], by_others: u64| {
            let committed = Committed { notes: notes.to_vec(), by_others };
            recovery(100, &committed, Some(marked), |identity| identity.inode() == 7)
        };
        assert_eq!(decide(&[], 0xb), Recovery::Begin { epoch: 2 });
        assert_eq!(decide(&[], 0xa), Recovery::CutTo { length: 30, epoch: 1 }, "nobody has committed since");
        assert_eq!(decide(&[note(80, 7, 1)], 0), Recovery::CutTo { length: 80, epoch: 1 }, "we have");
        assert_eq!(Marked::parse(&marked.to_text()).unwrap(), marked);
        assert_eq!(Marked::parse(&marked.note.to_text()).unwrap().by_others, 0);
    }

    #[test]
    fn what_no_commit_covers_is_cut_off() {
        let notes = [note(50, 7, 1), note(80, 7, 1)];
        assert_eq!(decide(100, &notes, None), Recovery::CutTo { length: 80, epoch: 1 });
        assert_eq!(decide(80, &notes, Some(note(0, 7, 1))), Recovery::CutTo { length: 80, epoch: 1 });
    }

    #[test]
    fn before_the_first_commit_the_marker_vouches() {
        assert_eq!(decide(100, &[], Some(note(30, 7, 1))), Recovery::CutTo { length: 30, epoch: 1 });
    }

    #[test]
    fn a_file_that_no_note_speaks_of_is_left_as_it_is() {
        assert_eq!(decide(100, &[], None), Recovery::Begin { epoch: 1 });
        assert_eq!(decide(100, &[note(80, 8, 3)], None), Recovery::Begin { epoch: 4 }, "another file");
        assert_eq!(decide(70, &[note(80, 7, 3)], None), Recovery::Begin { epoch: 4 }, "shortened");
    }

    #[test]
    fn a_note_of_an_older_epoch_does_not_count_against_the_marker() {
        // Truncated by someone, marked at 0, and grown beyond the old note before the next commit.
        let marker = Some(note(0, 7, 2));
        assert_eq!(decide(100, &[note(80, 7, 1)], marker), Recovery::CutTo { length: 0, epoch: 2 });
    }

    #[test]
    fn the_text_form_reads_back() {
        let note = note(4711, 7, 2);
        assert_eq!(Note::parse(&note.to_text()).unwrap(), note);
        for bad in ["", "{}", "[1]", "{\"length\":-1}", "{\"length\":1,\"identity\":\"x\",\"epoch\":1}"] {
            assert!(Note::parse(bad).is_err(), "{bad}");
        }
    }
}
