//! Is it still the same file? A name may stand for another file tomorrow; an inode number is used again soon.
//!
//! So a file is known by its inode and by its first bytes, up to [`HEAD_BYTES_MAX`] of those that were there when we looked.
//! Bytes that were read do not change in a file that is only appended to. Device numbers are left out: they change when a
//! machine restarts. Invariant: a file that was appended to keeps every identity that was ever taken of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use std::fmt;
use std::str::FromStr;

/// How many of the first bytes tell files apart.
pub(super) const HEAD_BYTES_MAX: u64 = 256;

/// What a file is known by. Its text form is `inode-bytes-hash`, such as `131842-256-9f86d081884c7d65`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    inode: u64,
    head_bytes: u64,
    head_hash: u64,
}

impl Identity {
    /// The identity of a file of which this many bytes are known to be there.
    pub(super) fn of(file: &File, known_bytes: u64) -> io::Result<Self> {
        let head_bytes = known_bytes.min(HEAD_BYTES_MAX);
        Ok(Self { inode: file.metadata()?.ino(), head_bytes, head_hash: head_hash(file, head_bytes)? })
    }

    /// Whether it covers all the bytes that it could.
    pub(super) const fn is_complete(&self) -> bool {
        self.head_bytes >= HEAD_BYTES_MAX
    }

    /// The inode.
    pub(super) const fn inode(&self) -> u64 {
        self.inode
    }

    /// Whether this file is the one.
    pub(super) fn is_of(&self, file: &File) -> io::Result<bool> {
        let found = file.metadata()?;
        Ok(found.ino() == self.inode && found.len() >= self.head_bytes && self.has_head(file)?)
    }

    /// Whether the file's first bytes are still the ones. False as well for a file that is shorter by now.
    pub(super) fn has_head(&self, file: &File) -> io::Result<bool> {
        match head_hash(file, self.head_bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            hash => Ok(hash? == self.head_hash),
        }
    }
}

/// FNV-1a of the first bytes.
fn head_hash(file: &File, bytes: u64) -> io::Result<u64> {
    let mut head = vec![0; usize::try_from(bytes.min(HEAD_BYTES_MAX)).unwrap_or(0)];
    file.read_exact_at(&mut head, 0)?;
    Ok(hash_of(&head))
}

/// FNV-1a.
pub(super) fn hash_of(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{:016x}", self.inode, self.head_bytes, self.head_hash)
    }
}

impl FromStr for Identity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unreadable = || format!("\"{text}\" is not a file's identity (inode-bytes-hash)");
        let mut parts = text.splitn(3, '-');
        let (Some(inode), Some(bytes), Some(hash)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(unreadable());
        };
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{}: {error}", unreadable()));
        Ok(Self {
            inode: number(inode)?,
            head_bytes: number(bytes)?.min(HEAD_BYTES_MAX),
            head_hash: u64::from_str_radix(hash, 16).map_err(|error| format!("{}: {error}", unreadable()))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn appending_keeps_an_identity_and_other_bytes_at_the_start_lose_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, "one\n").unwrap();
        let identity = Identity::of(&File::open(&path).unwrap(), 4).unwrap();
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"two\n").unwrap();
        assert!(identity.is_of(&File::open(&path).unwrap()).unwrap());
        // Same inode, written anew.
        std::fs::write(&path, "other content\n").unwrap();
        assert!(!identity.is_of(&File::open(&path).unwrap()).unwrap());
        std::fs::write(&path, "on").unwrap();
        assert!(!identity.is_of(&File::open(&path).unwrap()).unwrap());
        // Same content, another inode.
        std::fs::write(directory.path().join("copy"), "one\ntwo\n").unwrap();
        assert!(!identity.is_of(&File::open(directory.path().join("copy")).unwrap()).unwrap());
    }

    #[test]
    fn the_text_form_reads_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'x'; 1000]).unwrap();
        let identity = Identity::of(file.as_file(), 1000).unwrap();
        assert!(identity.is_complete());
        assert_eq!(identity.to_string().parse(), Ok(identity));
        for bad in ["", "1", "1-2", "a-b-c", "1-2-xyz"] {
            assert!(bad.parse::<Identity>().is_err(), "{bad}");
        }
    }
}
