//! The seam between the log and the disk: positioned writes and fsync, nothing more.
//!
//! Writes carry their position, so a failed one leaves no file offset behind that the next one would have to guess.
//! Tests put a failing disk here; the broker uses [`SystemDisk`].

use std::{
    fmt::Debug,
    fs::{self, File},
    io::{self, IoSlice, Write},
    path::Path,
};

/// Slices that one `pwritev` call takes; the system's own limit is 1,024.
const SLICES_MAX: usize = 64;

/// Writes and syncs files.
pub trait Disk: Debug + Send + Sync {
    /// Writes all slices one after the other, starting at `position`.
    fn write_at(&self, file: &File, slices: &[&[u8]], position: u64) -> io::Result<()>;
    /// Returns once the file's contents and length are on the device.
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Debug)]
pub(crate) struct SystemDisk;

impl Disk for SystemDisk {
    fn write_at(&self, file: &File, slices: &[&[u8]], mut position: u64) -> io::Result<()> {
        for group in slices.chunks(SLICES_MAX) {
            let mut vectors: Vec<IoSlice<'_>> = group.iter().map(|slice| IoSlice::new(slice)).collect();
            let mut rest: &mut [IoSlice<'_>] = &mut vectors;
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                let written = match rustix::io::pwritev(file, rest, position) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => written,
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                };
                position += written as u64;
                IoSlice::advance_slices(&mut rest, written);
            }
        }
        Ok(())
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// Makes created, renamed and removed entries of a folder survive a power loss.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Replaces a small file so that a reader, also after a power loss, sees the old contents or the new, never a mixture.
pub(crate) fn replace_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    write_aside(path, contents)?;
    put_in_place(path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// The first step of [`replace_file`]: the new contents on disk, beside the file.
pub(crate) fn write_aside(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = File::create(aside(path))?;
    file.write_all(contents)?;
    file.sync_all()
}

/// The second step, after which the folder is to be synced, once for all files that were put in place.
pub(crate) fn put_in_place(path: &Path) -> io::Result<()> {
    fs::rename(aside(path), path)
}

fn aside(path: &Path) -> std::path::PathBuf {
    path.with_added_extension("tmp")
}

/// Reads `length` bytes at `position`, fewer at the end of the file.
pub(crate) fn read_at(file: &File, position: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(length);
    while buffer.len() < length {
        let at = position + buffer.len() as u64;
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut buffer), at) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    buffer.truncate(length);
    Ok(buffer)
}
