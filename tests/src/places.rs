//! Where things are: the repository, the built binary, free ports.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

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
    let here = std::env::current_exe().context("finding the running program")?;
    let folder = here.parent().context("the running program has no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let binary = folder.join("millrace");
    ensure!(
        binary.exists(),
        "{} is not built; run `cargo build -p millrace` (or `make test`)",
        binary.display()
    );
    Ok(binary)
}

/// A TCP port that was free just now.
///
/// # Errors
/// When the system has none to give.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}
