//! Bytes on the disk: files of a partition's folder, and records of the broker's own topics.

use std::{cell::RefCell, fs, path::Path};

use broker_server::fuzzing;

thread_local! {
    /// One folder for all rounds, in memory if there is any to be had.
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

fn in_folder(work: impl FnOnce(&Path)) {
    FOLDER.with_borrow_mut(|folder| {
        let made = || tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
        let root = folder.get_or_insert_with(made).path().join("logs");
        if root.exists() {
            fs::remove_dir_all(&root).expect("it is ours");
        }
        fs::create_dir(&root).expect("it is ours");
        work(&root);
    });
}

/// The files that a partition's folder may have.
const FILES: [&str; 12] = [
    "00000000000000000000.log",
    "00000000000000000000.index",
    "00000000000000000000.timeindex",
    "00000000000000000000.sums",
    "00000000000000000003.log",
    "00000000000000000003.index",
    "00000000000000000003.snapshot",
    "00000000000000000000.swap",
    "recovery-point",
    "cleaner-checkpoint",
    "log-start-offset",
    "partition.metadata",
];

/// Cuts pieces off the front: a byte that chooses, two that say how long, and so many bytes.
fn pieces(mut data: &[u8]) -> Vec<(u8, &[u8])> {
    let mut pieces = Vec::new();
    while let [kind, high, low, rest @ ..] = data {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (piece, after) = rest.split_at(length);
        pieces.push((*kind, piece));
        data = after;
    }
    pieces
}

/// Opens a partition whose files hold the data, reads, appends, compacts, and opens it again.
pub fn log_recovery(data: &[u8]) {
    in_folder(|root| {
        let partition = root.join("t-0");
        fs::create_dir(&partition).expect("a new folder");
        for (kind, contents) in pieces(data) {
            let name = FILES[usize::from(kind) % FILES.len()];
            fs::write(partition.join(name), contents).expect("a file");
        }
        fuzzing::open_and_use(root);
    });
}

/// Loads the broker's own topics from records that may hold anything: each record is a key and, if its length is not zero, a value.
pub fn internal_topics(data: &[u8]) {
    let pieces = pieces(data);
    let records: Vec<(&[u8], Option<&[u8]>)> = pieces
        .chunks(2)
        .map(|pair| (pair[0].1, pair.get(1).map(|value| value.1).filter(|value| !value.is_empty())))
        .collect();
    if !records.is_empty() {
        in_folder(|root| fuzzing::load_internal_topics(root, &records));
    }
}
