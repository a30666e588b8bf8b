//! Where things are: the repository, the built binary, free ports.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail, ensure};

/// The first port of those that [`free_port`] gives, and how many there are.
const PORT_MIN: u16 = 12_000;
const PORTS: u16 = 20_000;

/// The repository's root.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Where `tests/servers/provide` puts what it unpacks.
#[must_use]
pub fn servers() -> PathBuf {
    std::env::var_os("MILLRACE_SERVERS").map_or_else(|| repository().join("target/servers"), PathBuf::from)
}

/// The `millrace` binary that was built beside the running program.
///
/// # Errors
/// When it is not there, which command builds it.
pub fn millrace_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("MILLRACE_BINARY") {
        return Ok(PathBuf::from(path));
    }
    binary("millrace")
}

/// A binary of this repository that was built beside the running program.
///
/// # Errors
/// When it is not there, which command builds it.
pub fn binary(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe().context("finding the running program")?;
    let folder = here.parent().context("the running program has no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let binary = folder.join(name);
    ensure!(
        binary.exists(),
        "{} is not built; run `cargo build --bin {name}` (or `make test`)",
        binary.display()
    );
    Ok(binary)
}

/// A free TCP port, which stays free until it is used: it lies below the ports that systems give to clients and to whoever
/// binds to any (32768 and up on Linux, 49152 elsewhere), this process gives it away once, and others begin elsewhere.
///
/// # Errors
/// When none is free.
pub fn free_port() -> Result<u16> {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % u32::from(PORTS))?;
    for _ in 0..PORTS {
        // Neighbouring processes begin far from each other.
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = PORT_MIN + own.wrapping_mul(97).wrapping_add(given) % PORTS;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port from {PORT_MIN} on is free")
}
