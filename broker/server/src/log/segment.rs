//! One segment: a `.log` file of batches, named by its first offset, with its indexes beside it.
//!
//! Only the last segment of a log is written; a segment is closed once it and its indexes are on disk, and then never
//! changes (compaction and retention replace or remove it as a whole).

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::{
    aborted::{self, Aborted},
    error::LogError,
    index::{self, ActiveIndex, IndexContents},
    open::read_if_there,
    scan::{Scan, ScanError},
};

/// The files that an index is: offsets, time stamps, aborted transactions, and the checksums of them, which Kafka's formats have no
/// room for.
pub(crate) const INDEX_EXTENSIONS: [&str; 4] = ["index", "timeindex", ABORTED_EXTENSION, "sums"];
const ABORTED_EXTENSION: &str = "txnindex";

/// Path of a segment's file.
pub(crate) fn file_path(folder: &Path, base_offset: i64, extension: &str) -> PathBuf {
    folder.join(format!("{base_offset:020}.{extension}"))
}

/// The first offset that a segment file's name says, if it is one with this extension.
pub(crate) fn base_offset_of(path: &Path, extension: &str) -> Option<i64> {
    if path.extension()? != extension {
        return None;
    }
    path.file_stem()?.to_str().filter(|stem| stem.len() == 20)?.parse().ok()
}

/// A closed segment. Files are opened on first use and stay open for readers that are under way when it is removed.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    pub(crate) size: u64,
    folder: PathBuf,
    log: OnceLock<Arc<File>>,
    indexes: OnceLock<Indexes>,
}

#[derive(Debug)]
struct Indexes {
    offsets: File,
    times: File,
    newest: Option<(i64, u32)>,
    /// None if no transaction was aborted.
    aborted: Option<File>,
}

impl Segment {
    pub(crate) fn new(folder: &Path, base_offset: i64, size: u64) -> Self {
        let (log, indexes) = (OnceLock::new(), OnceLock::new());
        Self { base_offset, size, folder: folder.to_owned(), log, indexes }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn path(&self) -> PathBuf {
        file_path(&self.folder, self.base_offset, "log")
    }

    /// The `.log` file.
    pub(crate) fn file(&self) -> Result<Arc<File>, LogError> {
        if let Some(file) = self.log.get() {
            return Ok(Arc::clone(file));
        }
        let path = self.path();
        let file = File::open(&path).map_err(|error| LogError::io("open", path, error))?;
        Ok(Arc::clone(self.log.get_or_init(|| Arc::new(file))))
    }

    /// Where to start reading for an offset of this segment.
    pub(crate) fn position(&self, offset: i64) -> Result<u64, LogError> {
        let indexes = self.indexes()?;
        let position = index::position_in(&indexes.offsets, self.relative(offset));
        let position = position.map_err(|error| LogError::io("read the index of", self.path(), error))?;
        // A damaged index may point anywhere; the reader checks what it finds and starts over from 0.
        Ok(u64::from(position).min(self.size))
    }

    /// Highest time stamp and the base offset of the batch that has it.
    pub(crate) fn newest(&self) -> Result<Option<(i64, i64)>, LogError> {
        let newest = self.indexes()?.newest;
        Ok(newest.map(|(timestamp, relative)| (timestamp, self.base_offset + i64::from(relative))))
    }

    /// Highest time stamp, -1 without any.
    pub(crate) fn max_timestamp(&self) -> Result<i64, LogError> {
        Ok(self.newest()?.map_or(-1, |(timestamp, _)| timestamp))
    }

    /// Collects the aborted transactions whose markers it holds and that overlap offsets `from` to `to`; says whether later segments can have more.
    pub(crate) fn collect_aborted(
        &self,
        from: i64,
        to: i64,
        found: &mut Vec<Aborted>,
    ) -> Result<bool, LogError> {
        let Some(file) = &self.indexes()?.aborted else { return Ok(true) };
        let more = aborted::collect_in(file, from, to, found);
        more.map_err(|error| LogError::io("read the aborted transactions of", self.path(), error))
    }

    /// Offset from where to look for the first batch with at least this time stamp.
    pub(crate) fn offset_before(&self, timestamp: i64) -> Result<i64, LogError> {
        let relative = index::offset_before_in(&self.indexes()?.times, timestamp);
        let relative =
            relative.map_err(|error| LogError::io("read the time index of", self.path(), error))?;
        Ok(self.base_offset + i64::from(relative))
    }

    fn relative(&self, offset: i64) -> u32 {
        u32::try_from(offset - self.base_offset).unwrap_or(u32::MAX)
    }

    fn indexes(&self) -> Result<&Indexes, LogError> {
        if let Some(indexes) = self.indexes.get() {
            return Ok(indexes);
        }
        let indexes = match self.open_indexes()? {
            Some(indexes) => indexes,
            None => {
                tracing::warn!(segment = %self.path().display(), "index missing or damaged; building it again");
                self.rebuild_indexes()?
            }
        };
        Ok(self.indexes.get_or_init(|| indexes))
    }

    /// Opens the files; `None` if they are missing or damaged.
    fn open_indexes(&self) -> Result<Option<Indexes>, LogError> {
        let Some(contents) = read_indexes(&self.folder, self.base_offset)? else { return Ok(None) };
        let open = |extension| {
            let path = file_path(&self.folder, self.base_offset, extension);
            File::open(&path).map_err(|error| LogError::io("open", path, error))
        };
        let (offsets, times) = (open("index")?, open("timeindex")?);
        let aborted = if contents.aborted.is_empty() { None } else { Some(open(ABORTED_EXTENSION)?) };
        let newest = index::newest_in(&times);
        let newest = newest.map_err(|error| LogError::io("read the time index of", self.path(), error))?;
        Ok(Some(Indexes { offsets, times, newest, aborted }))
    }

    /// Writes the indexes of a segment that has none yet.
    pub(crate) fn build_indexes(&self) -> Result<(), LogError> {
        let indexes = self.rebuild_indexes()?;
        self.indexes.get_or_init(|| indexes);
        Ok(())
    }

    fn rebuild_indexes(&self) -> Result<Indexes, LogError> {
        let mut indexes = ActiveIndex::default();
        match self.index_batches(&*self.file()?, &mut indexes) {
            // What lies before the damage can still be found; reading on reports the damage itself.
            Ok(()) | Err(ScanError::Bad { .. }) => {}
            Err(ScanError::Io(error)) => return Err(LogError::io("read", self.path(), error)),
        }
        write_indexes(&self.folder, self.base_offset, &mut indexes)?;
        self.open_indexes()?.ok_or_else(|| LogError::Corrupt {
            path: self.path(),
            position: 0,
            reason: "its index was written and cannot be read back".to_owned(),
        })
    }

    fn index_batches(&self, file: &File, indexes: &mut ActiveIndex) -> Result<(), ScanError> {
        let mut scan = Scan::headers(file, 0, self.size);
        while let Some((position, header)) = scan.next()? {
            if let Some((marker, ended)) = scan.marker(position, &header)? {
                indexes.end_transaction(&marker, ended, header.base_offset);
            }
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            indexes.add(self.relative(header.base_offset), position, header.max_timestamp);
        }
        Ok(())
    }
}

/// Removes a file that may be gone already.
pub(crate) fn remove_file(path: &Path) -> Result<(), LogError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LogError::io("remove", path, error)),
        _ => Ok(()),
    }
}

/// Writes the index files and their checksums, and syncs them. A crash in between leaves checksums that do not fit.
pub(crate) fn write_indexes(
    folder: &Path,
    base_offset: i64,
    indexes: &mut ActiveIndex,
) -> Result<(), LogError> {
    let contents = indexes.encode();
    let sums = checksums(&contents).into_bytes();
    for (extension, bytes) in
        INDEX_EXTENSIONS.iter().zip([contents.offsets, contents.times, contents.aborted, sums])
    {
        let path = file_path(folder, base_offset, extension);
        if bytes.is_empty() && *extension == ABORTED_EXTENSION {
            remove_file(&path)?;
            continue;
        }
        super::disk::replace_file(&path, &bytes).map_err(|error| LogError::io("write", path, error))?;
    }
    Ok(())
}

/// The contents of the index files; `None` if they are missing or not what was written.
pub(crate) fn read_indexes(folder: &Path, base_offset: i64) -> Result<Option<IndexContents>, LogError> {
    let read = |extension| read_if_there(&file_path(folder, base_offset, extension));
    let [offsets, times, aborted, sums] = INDEX_EXTENSIONS;
    let (Some(offsets), Some(times), Some(sums)) = (read(offsets)?, read(times)?, read(sums)?) else {
        return Ok(None);
    };
    let contents = IndexContents { offsets, times, aborted: read(aborted)?.unwrap_or_default() };
    // Sums from before there were transactions say nothing of aborted ones, because there were none.
    let fits = checksums(&contents).as_bytes() == sums
        || contents.aborted.is_empty() && checksums_without_transactions(&contents).as_bytes() == sums;
    Ok(fits.then_some(contents))
}

fn checksums(contents: &IndexContents) -> String {
    let sum = |bytes: &[u8]| format!("{:08x}", crc32c::crc32c(bytes));
    format!("{} {} {}\n", sum(&contents.offsets), sum(&contents.times), sum(&contents.aborted))
}

fn checksums_without_transactions(contents: &IndexContents) -> String {
    format!("{:08x} {:08x}\n", crc32c::crc32c(&contents.offsets), crc32c::crc32c(&contents.times))
}
