//! kcat, a Kafka client that is not ours.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Produces each line of a file as one message to partition 0 of a topic, compressed with `codec`.
///
/// # Errors
/// When kcat says so.
pub fn produce(bootstrap_servers: &str, topic: &str, codec: &str, lines: &Path) -> Result<()> {
    let mut command = kcat(bootstrap_servers);
    command.args(["-P", "-t", topic, "-p", "0", "-z", codec, "-X", "acks=all", "-l"]).arg(lines);
    let output = command.output().context("running kcat")?;
    ensure!(output.status.success(), "kcat -P: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Produces the lines of a file as messages into partition 0, each a key and a value with a tab between.
///
/// # Errors
/// When kcat says so.
pub fn produce_keyed(bootstrap_servers: &str, topic: &str, lines: &Path) -> Result<()> {
    let mut command = kcat(bootstrap_servers);
    command.args(["-P", "-t", topic, "-p", "0", "-K", "\t", "-X", "acks=all", "-l"]).arg(lines);
    let output = command.output().context("running kcat")?;
    ensure!(output.status.success(), "kcat -P: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Consumes a topic from its beginning to its end, one message a line, into a file.
///
/// # Errors
/// When kcat says so.
pub fn consume(bootstrap_servers: &str, topic: &str, into: &Path) -> Result<()> {
    let mut command = kcat(bootstrap_servers);
    command.args(["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-X", "check.crcs=true"]);
    let output = command.stdout(File::create(into)?).output().context("running kcat")?;
    ensure!(output.status.success(), "kcat -C: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The topics that kcat sees.
///
/// # Errors
/// When kcat says so.
pub fn list(bootstrap_servers: &str) -> Result<String> {
    let output = kcat(bootstrap_servers).arg("-L").output().context("running kcat")?;
    ensure!(output.status.success(), "kcat -L: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn kcat(bootstrap_servers: &str) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-b", bootstrap_servers]).stdin(Stdio::null());
    command
}
