//! Replaces segments by their compacted form, so that a crash at any moment leaves the old ones or the new one.
//!
//! The compacted segment is complete and on disk under another name (`.log.cleaned`) before the manifest (`.swap`) is. The manifest
//! names the segments that are replaced; from the moment it is durable the swap is decided, and opening the log finishes it. Without
//! a manifest the `.cleaned` file is rubbish. Old indexes go before the new file takes the name, for they would mislead.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    LogError,
    disk::{replace_file, sync_folder},
    doomed,
    open::read_if_there,
    segment::{INDEX_EXTENSIONS, base_offset_of, file_path, remove_file},
};

/// Where the compacted form of a segment is written.
pub(super) fn cleaned_path(folder: &Path, base_offset: i64) -> PathBuf {
    file_path(folder, base_offset, "log.cleaned")
}

/// Replaces the segments `sources` (first offsets, ascending) by the file at [`cleaned_path`] of the first one.
pub(super) fn swap(folder: &Path, sources: &[i64]) -> Result<(), LogError> {
    let Some(base_offset) = sources.first() else { return Ok(()) };
    let names: Vec<String> = sources.iter().map(i64::to_string).collect();
    let manifest = file_path(folder, *base_offset, "swap");
    let written = replace_file(&manifest, format!("{}\n", names.join(" ")).as_bytes());
    written.map_err(|error| LogError::io("write", &manifest, error))?;
    finish(folder, sources)
}

/// Everything after the decision; may be repeated.
fn finish(folder: &Path, sources: &[i64]) -> Result<(), LogError> {
    let Some((base_offset, others)) = sources.split_first() else { return Ok(()) };
    for source in sources {
        for extension in INDEX_EXTENSIONS {
            remove_file(&file_path(folder, *source, extension))?;
        }
    }
    for other in others {
        remove_file(&file_path(folder, *other, "log"))?;
        remove_file(&file_path(folder, *other, "snapshot"))?;
    }
    let (cleaned, log) = (cleaned_path(folder, *base_offset), file_path(folder, *base_offset, "log"));
    match fs::rename(&cleaned, &log) {
        // It was renamed before the crash.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => other.map_err(|error| LogError::io("rename", cleaned, error))?,
    }
    let sync = || sync_folder(folder).map_err(|error| LogError::io("sync", folder, error));
    sync()?;
    remove_file(&file_path(folder, *base_offset, "swap"))?;
    sync()
}

/// Finishes what a crash interrupted, and removes what was not decided.
pub(super) fn finish_swaps(folder: &Path) -> Result<(), LogError> {
    let io_error = |error| LogError::io("list", folder, error);
    let mut rubbish = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if base_offset_of(&path, "swap").is_some() {
            let sources = read_manifest(&path)?;
            tracing::info!(folder = %folder.display(), ?sources, "finishing a compaction that was interrupted");
            finish(folder, &sources)?;
        } else if matches!(extension, Some("cleaned" | "tmp" | doomed::SUFFIX)) {
            rubbish.push(path);
        }
    }
    rubbish.iter().try_for_each(|path| remove_file(path))
}

fn read_manifest(path: &Path) -> Result<Vec<i64>, LogError> {
    let bytes = read_if_there(path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let sources: Result<Vec<i64>, _> = text.split_whitespace().map(str::parse).collect();
    sources.map_err(|error| LogError::Corrupt {
        path: path.to_owned(),
        position: 0,
        reason: format!("the list of compacted segments cannot be read: {error}"),
    })
}
