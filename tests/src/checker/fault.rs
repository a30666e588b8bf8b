//! How a fault is done to a running broker, and undone.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::plan::{Fault, Numbers, Round};
use super::tail;
use crate::broker::Broker;

/// Room that the data folder has when the disk is not full.
const SIZE: &str = "1g";

/// The folder of the broker's data; on a file system of its own where the system lets us mount one.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    mounted: bool,
}

impl Disk {
    /// Prepares the folder. Only a file system of its own can run full, and only root can mount one.
    pub(super) fn prepare(folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let options = format!("size={SIZE}");
        let mounted = mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], &folder);
        Ok(Self { folder, mounted })
    }

    pub(super) fn can_be_full(&self) -> bool {
        self.mounted
    }

    /// Leaves next to no room: the file system shrinks to what is used and a few pages. What is used may grow at the same time.
    pub(super) fn fill(&self) -> Result<()> {
        let mut outcome = Ok(());
        for attempt in 0..100 {
            let used = rustix::fs::statvfs(&self.folder).context("asking how much is used")?;
            let blocks = used.f_blocks - used.f_bfree + attempt;
            outcome = self.resize(&(blocks * used.f_frsize).to_string());
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Gives the room back.
    pub(super) fn empty(&self) -> Result<()> {
        self.resize(SIZE)
    }

    fn resize(&self, size: &str) -> Result<()> {
        let options = format!("remount,size={size}");
        ensure!(mount(&["-o", &options], &self.folder), "cannot resize {} to {size}", self.folder.display());
        Ok(())
    }

    /// The folder of a partition.
    pub(super) fn partition(&self, topic: &str, partition: i32) -> PathBuf {
        self.folder.join(format!("{topic}-{partition}"))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted && !run("umount", &["--lazy"], &self.folder) {
            eprintln!("could not unmount {}", self.folder.display());
        }
    }
}

fn mount(arguments: &[&str], folder: &Path) -> bool {
    run("mount", arguments, folder)
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> bool {
    let output = Command::new(program).args(arguments).arg(folder).output();
    output.is_ok_and(|output| output.status.success())
}

/// Damages the tail of every partition named, behind what was promised of it.
pub(super) fn damage(disk: &Disk, promised: &[(String, i32, i64)], round: Round) -> Result<()> {
    let mut numbers = Numbers::new(round.seed);
    for (topic, partition, offset) in promised {
        let Some(segment) = tail::last_segment(&disk.partition(topic, *partition))? else { continue };
        let from = tail::unpromised(&std::fs::read(&segment)?, *offset);
        match round.fault {
            Fault::TornTail => tail::tear(&segment, from, &mut numbers)?,
            _ => tail::flip(&segment, from, &mut numbers)?,
        }
    }
    Ok(())
}

/// Stops the process and lets it go on after a while.
pub(super) async fn stop_for(broker: &mut Broker, pause: std::time::Duration) -> Result<()> {
    broker.process()?.signal("STOP")?;
    tokio::time::sleep(pause).await;
    broker.process()?.signal("CONT")
}
