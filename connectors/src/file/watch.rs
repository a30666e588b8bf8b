//! Waits for changes of files, as the system tells them (inotify), so that idle files cost nothing.
//!
//! One descriptor and one thread serve all files of the process. Of a file that is open its inode is watched, whatever its
//! name becomes; of its path the directory is, and of a symbolic link that of its target too, so that a file that appears, is replaced or
//! rotated is noticed. Invariants: whatever changes after [`Watch::on`] returned makes [`Watch::changed`] ready, as far as the system
//! tells it; what nobody waits for is not watched. What the system does not tell (files of other machines, directories that are
//! renamed further up) is for whoever waits to look for now and then.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::sync::Notify;

/// What can happen to an open file.
const OF_FILE: WatchFlags = WatchFlags::MODIFY.union(WatchFlags::ATTRIB).union(WatchFlags::MOVE_SELF);

/// What can happen to a name in a directory. What is written to the files in it is not asked for: there may be many.
const OF_DIRECTORY: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// File systems on which every change is made by this machine, and so told: by their magic numbers (statfs(2)).
const LOCAL: [rustix::fs::FsWord; 12] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0x0102_1994, // tmpfs
    0x794C_7630, // overlayfs
    0xF2F5_2010, // F2FS
    0x2FC1_2FC1, // ZFS
    0xCA45_1A4E, // bcachefs
    0x8584_58F6, // ramfs
    0x3434,      // NILFS
    0x2011_BAB0, // exFAT
    0x4D44,      // FAT
];

/// How many bytes of events are read at once; a name takes up to 256.
const EVENTS_BYTES: usize = 16 * 1024;

/// The one of this process. The error is why there is none.
static WATCHER: LazyLock<Result<Watcher, String>> = LazyLock::new(|| {
    let started = Watcher::start().map_err(|error| error.to_string());
    if let Err(error) = &started {
        tracing::warn!(%error, "The system does not tell of changed files (inotify); they are looked at instead.");
    }
    started
});

/// A wish to hear of changes of one file, until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    id: u64,
    /// What is watched for it: a descriptor, and a name in that directory or none.
    watched: Vec<(i32, OsString)>,
    changed: Arc<Notify>,
}

impl Watch {
    /// Begins to watch a path, and the file that is open.
    ///
    /// # Errors
    /// When the system does not tell of changes there, or of no more files (`fs.inotify.max_user_watches`).
    pub(super) fn on(path: &Path, open: Option<&File>) -> io::Result<Self> {
        let watcher = WATCHER.as_ref().map_err(|error| io::Error::other(error.clone()))?;
        let mut watch = Self { id: watcher.table().next_id(), watched: Vec::new(), changed: Arc::default() };
        if let Some(file) = open {
            told_of(&rustix::fs::fstatfs(file)?)?;
            // Not by its path, which may be another file's by now.
            let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
            watch.add(watcher, &path, OF_FILE, OsStr::new(""))?;
        }
        watch.add_name(watcher, path)?;
        if path.is_symlink()
            && let Ok(target) = path.canonicalize()
        {
            watch.add_name(watcher, &target)?;
        }
        Ok(watch)
    }

    /// Ready when something has changed since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn add_name(&mut self, watcher: &Watcher, path: &Path) -> io::Result<()> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        told_of(&rustix::fs::statfs(directory)?)?;
        self.add(watcher, directory, OF_DIRECTORY, path.file_name().unwrap_or_default())
    }

    fn add(&mut self, watcher: &Watcher, path: &Path, flags: WatchFlags, name: &OsStr) -> io::Result<()> {
        // The lock is held over the call, so that no event comes before it is known whom it concerns.
        let mut table = watcher.table();
        let descriptor = inotify::add_watch(&watcher.inotify, path, flags)?;
        table.add(descriptor, name, self.id, &self.changed);
        self.watched.push((descriptor, name.to_owned()));
        Ok(())
    }
}

/// Fails for a file system on which others may change files.
fn told_of(found: &rustix::fs::StatFs) -> io::Result<()> {
    let is_local = LOCAL.contains(&found.f_type);
    if is_local { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Ok(watcher) = &*WATCHER else { return };
        let mut table = watcher.table();
        for (descriptor, name) in &self.watched {
            if table.remove(*descriptor, name, self.id)
                && let Err(error) = inotify::remove_watch(&watcher.inotify, *descriptor)
            {
                tracing::debug!(%error, "the watched file is gone");
            }
        }
    }
}

#[derive(Debug)]
struct Watcher {
    inotify: OwnedFd,
    table: Mutex<Table>,
}

impl Watcher {
    fn start() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC)?;
        let events = inotify.try_clone()?;
        std::thread::Builder::new().name("file-watch".to_owned()).spawn(move || serve(&events))?;
        Ok(Self { inotify, table: Mutex::default() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits for what.
#[derive(Debug, Default)]
struct Table {
    ids: u64,
    waiting: HashMap<i32, HashMap<OsString, BTreeMap<u64, Arc<Notify>>>>,
}

impl Table {
    const fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn add(&mut self, descriptor: i32, name: &OsStr, id: u64, changed: &Arc<Notify>) {
        let names = self.waiting.entry(descriptor).or_default();
        names.entry(name.to_owned()).or_default().insert(id, Arc::clone(changed));
    }

    /// Whether nobody waits for anything of the descriptor any more.
    fn remove(&mut self, descriptor: i32, name: &OsStr, id: u64) -> bool {
        let Some(names) = self.waiting.get_mut(&descriptor) else { return false };
        if let Some(ids) = names.get_mut(name) {
            ids.remove(&id);
            if ids.is_empty() {
                names.remove(name);
            }
        }
        let unused = names.is_empty();
        if unused {
            self.waiting.remove(&descriptor);
        }
        unused
    }

    /// Something happened to a name, or, without one, to what the descriptor stands for.
    fn wake(&mut self, descriptor: i32, name: Option<&OsStr>, events: ReadFlags) {
        if events.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.waiting.values().flat_map(HashMap::values).for_each(wake_all);
        }
        let Some(names) = self.waiting.get(&descriptor) else { return };
        match name {
            Some(name) => names.get(name).into_iter().for_each(wake_all),
            None => names.values().for_each(wake_all),
        }
        if events.contains(ReadFlags::IGNORED) {
            self.waiting.remove(&descriptor);
        }
    }
}

fn wake_all(waiting: &BTreeMap<u64, Arc<Notify>>) {
    waiting.values().for_each(|changed| changed.notify_one());
}

/// The thread: takes events for as long as the process lives.
fn serve(events: &OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); EVENTS_BYTES];
    let mut reader = Reader::new(events, &mut buffer);
    loop {
        match reader.next() {
            Ok(event) => {
                let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                if let Ok(watcher) = &*WATCHER {
                    watcher.table().wake(event.wd(), name, event.events());
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                tracing::error!(%error, "changes of files cannot be read any more; they are looked for now and then");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    async fn is_told(watch: &Watch) -> bool {
        tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.is_ok()
    }

    fn quiet(watch: &Watch) -> bool {
        use futures::FutureExt as _;
        watch.changed().now_or_never().is_none()
    }

    #[tokio::test]
    async fn every_way_to_change_a_file_is_told_and_what_others_do_is_not() {
        let root = tempfile::tempdir().unwrap();
        let (path, other) = (root.path().join("log"), root.path().join("other"));
        let watch = Watch::on(&path, None).unwrap();
        fs::write(&other, "x").unwrap();
        fs::write(&path, "x").unwrap();
        assert!(is_told(&watch).await, "it appeared");
        let file = File::open(&path).unwrap();
        let watch = Watch::on(&path, Some(&file)).unwrap();
        let beside = Watch::on(&other, Some(&File::open(&other).unwrap())).unwrap();
        fs::OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
        assert!(is_told(&watch).await, "it was truncated");
        fs::rename(&path, root.path().join("log.1")).unwrap();
        assert!(is_told(&watch).await, "it was renamed");
        let watch = Watch::on(&path, Some(&file)).unwrap();
        assert!(quiet(&watch));
        fs::write(root.path().join("log.1"), "written by one who still held it").unwrap();
        assert!(is_told(&watch).await, "the renamed file grew");
        let watch = Watch::on(&path, Some(&file)).unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(is_told(&watch).await, "another took its name");
        assert!(is_told(&beside).await);
    }

    #[tokio::test]
    async fn the_file_behind_a_link_is_watched() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("real")).unwrap();
        let (target, link) = (root.path().join("real/log"), root.path().join("link"));
        fs::write(&target, "x").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let watch = Watch::on(&link, Some(&File::open(&link).unwrap())).unwrap();
        fs::write(root.path().join("real/new"), "y").unwrap();
        assert!(quiet(&watch));
        fs::rename(root.path().join("real/new"), &target).unwrap();
        assert!(is_told(&watch).await);
    }

    #[test]
    fn a_descriptor_is_given_back_when_the_last_that_waits_is_gone() {
        let (mut table, changed) = (Table::default(), Arc::default());
        let (one, other) = (OsStr::new("one"), OsStr::new("other"));
        for (name, id) in [(one, 1), (one, 2), (other, 3)] {
            table.add(7, name, id, &changed);
        }
        assert!(!table.remove(7, one, 1));
        assert!(!table.remove(7, other, 3));
        assert!(table.remove(7, one, 2));
        assert!(!table.remove(7, one, 2), "only once");
        table.add(8, one, 4, &changed);
        table.wake(8, None, ReadFlags::IGNORED);
        assert!(!table.remove(8, one, 4), "the system has taken it back already");
    }
}
