//! Topics on disk: one small text file each, with a checksum, replaced atomically.
//!
//! A topic exists from the moment its file is durable and is gone from the moment the file is renamed to `.deleted`;
//! partition folders follow. A file that cannot be read stops the start with its name: guessing at its contents could
//! delete records (a compacted topic taken for one with retention), and nothing is worth that.

use std::{
    fs,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::{options::TopicConfigs, side_by_side};
use crate::{
    Error,
    log::{LogError, put_in_place, replace_file, sync_folder, write_aside},
};

const FOLDER: &str = ".topics";
const FIRST_LINE: &str = "millrace topic, version 1";

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicRecord {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
    pub(crate) configs: TopicConfigs,
}

/// The folder with the topics' files.
#[derive(Debug)]
pub(crate) struct TopicStore {
    folder: PathBuf,
}

/// What was found at start.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) topics: Vec<TopicRecord>,
    /// Deleted, but perhaps not all folders are gone.
    pub(crate) deleted: Vec<TopicRecord>,
}

impl TopicStore {
    /// Opens the store in a log directory and reads all topics.
    pub(crate) fn open(log_directory: &Path) -> Result<(Self, Stored), Error> {
        let folder = log_directory.join(FOLDER);
        fs::create_dir_all(&folder).map_err(|error| LogError::io("create", &folder, error))?;
        sync_folder(log_directory).map_err(|error| LogError::io("sync", log_directory, error))?;
        let list_error = |error| LogError::io("list", &folder, error);
        let mut stored = Stored::default();
        for entry in fs::read_dir(&folder).map_err(list_error)? {
            let path = entry.map_err(list_error)?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            match extension {
                Some("topic") => stored.topics.push(read(&path)?),
                Some("deleted") => stored.deleted.push(read(&path)?),
                _ => {}
            }
        }
        stored.topics.sort_by(|one, other| one.name.cmp(&other.name));
        Ok((Self { folder }, stored))
    }

    /// Writes a new topic, or a changed one.
    pub(crate) fn write(&self, topic: &TopicRecord) -> Result<(), LogError> {
        let path = self.path(&topic.name, "topic");
        replace_file(&path, encode(topic).as_bytes()).map_err(|error| LogError::io("write", path, error))
    }

    /// Writes new topics. As many fsyncs as topics, side by side, and one of the folder; each topic is there or not, whatever became of
    /// the others.
    pub(crate) fn write_all(&self, topics: &[&TopicRecord]) -> Vec<Result<(), LogError>> {
        let [_, _, ..] = topics else { return topics.iter().map(|topic| self.write(topic)).collect() };
        let mut written = side_by_side(topics, |topic| {
            let path = self.path(&topic.name, "topic");
            write_aside(&path, encode(topic).as_bytes()).map_err(|error| LogError::io("write", path, error))
        });
        for (topic, written) in topics.iter().zip(&mut written) {
            let path = self.path(&topic.name, "topic");
            let placed = std::mem::replace(written, Ok(()))
                .and_then(|()| put_in_place(&path).map_err(|error| LogError::io("rename", path, error)));
            *written = placed;
        }
        let Err(error) = sync_folder(&self.folder) else { return written };
        tracing::error!(folder = %self.folder.display(), "cannot sync: {error}");
        let kind = error.kind();
        let failed = |()| Err(LogError::io("sync", &self.folder, kind.into()));
        written.into_iter().map(|written| written.and_then(failed)).collect()
    }

    /// Begins the deletion of a topic; it does not come back from here.
    pub(crate) fn mark_deleted(&self, name: &str) -> Result<(), LogError> {
        let path = self.path(name, "topic");
        let renamed = fs::rename(&path, self.path(name, "deleted")).and_then(|()| sync_folder(&self.folder));
        renamed.map_err(|error| LogError::io("rename", path, error))
    }

    /// Ends the deletion of a topic: its folders are gone.
    pub(crate) fn forget(&self, name: &str) -> Result<(), LogError> {
        let path = self.path(name, "deleted");
        let removed = fs::remove_file(&path).and_then(|()| sync_folder(&self.folder));
        removed.map_err(|error| LogError::io("remove", path, error))
    }

    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{name}.{extension}"))
    }
}

fn encode(topic: &TopicRecord) -> String {
    let mut text =
        format!("{FIRST_LINE}\nname={}\nid={}\npartitions={}\n", topic.name, topic.id, topic.partitions);
    for (name, value) in &topic.configs {
        text.push_str(&format!("config {name}={value}\n"));
    }
    signed(text)
}

/// Adds the line with the checksum.
pub(super) fn signed(mut text: String) -> String {
    let checksum = crc32c::crc32c(text.as_bytes());
    text.push_str(&format!("crc32c={checksum:08x}\n"));
    text
}

/// The text before its last line, whose checksum must hold.
pub(super) fn unsigned(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let (body, checksum) = text.rsplit_once("crc32c=").ok_or("its last line with the checksum is missing")?;
    let expected = format!("{:08x}\n", crc32c::crc32c(body.as_bytes()));
    if checksum != expected {
        return Err(format!("checksum is {:?}, expected {:?}", checksum.trim(), expected.trim()));
    }
    Ok(body)
}

fn read(path: &Path) -> Result<TopicRecord, Error> {
    let bytes = fs::read(path).map_err(|error| LogError::io("read", path, error))?;
    decode(&bytes).map_err(|reason| Error::DamagedMetadata { path: path.to_owned(), reason })
}

fn decode(bytes: &[u8]) -> Result<TopicRecord, String> {
    let body = unsigned(bytes)?;
    let mut lines = body.lines();
    if lines.next() != Some(FIRST_LINE) {
        return Err(format!("its first line is not {FIRST_LINE:?}; a newer version may have written it"));
    }
    let (mut name, mut id, mut partitions, mut configs) = (None, None, None, TopicConfigs::new());
    for line in lines {
        let (key, value) = line.split_once('=').ok_or_else(|| format!("line {line:?} has no '='"))?;
        match key {
            "name" => name = Some(value.to_owned()),
            "id" => id = Some(Uuid::parse_str(value).map_err(|error| format!("id {value:?}: {error}"))?),
            "partitions" => partitions = Some(value.parse().map_err(|error| format!("partitions: {error}"))?),
            _ => {
                let config = key.strip_prefix("config ").ok_or_else(|| format!("unknown line {line:?}"))?;
                configs.insert(config.to_owned(), value.to_owned());
            }
        }
    }
    match (name, id, partitions) {
        (Some(name), Some(id), Some(partitions)) => Ok(TopicRecord { name, id, partitions, configs }),
        _ => Err("name, id or partitions are missing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_comes_back_and_any_flipped_bit_is_noticed() {
        let configs = [("cleanup.policy".to_owned(), "compact".to_owned())].into();
        let topic = TopicRecord { name: "a.b-c".to_owned(), id: Uuid::new_v4(), partitions: 25, configs };
        let text = encode(&topic);
        assert_eq!(decode(text.as_bytes()).unwrap(), topic);
        for bit in 0..text.len() * 8 {
            let mut damaged = text.clone().into_bytes();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_damaged_file_stops_the_start_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = TopicStore::open(folder.path()).unwrap();
        let topic = TopicRecord {
            name: "x".to_owned(),
            id: Uuid::new_v4(),
            partitions: 1,
            configs: TopicConfigs::new(),
        };
        store.write(&topic).unwrap();
        assert_eq!(TopicStore::open(folder.path()).unwrap().1.topics, [topic]);
        let path = folder.path().join(".topics/x.topic");
        fs::write(&path, "junk").unwrap();
        let error = TopicStore::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("x.topic") && error.contains("damaged"), "{error}");
    }
}
