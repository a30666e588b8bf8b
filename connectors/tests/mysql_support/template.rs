//! Data directories of servers that never ran, made once for all tests of this build: making one takes longer than most tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::Kind;

/// The MySQL server of this machine.
pub(super) fn mysqld() -> Option<PathBuf> {
    let provided = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/servers/mysql/mysqld");
    let said = std::env::var_os("MILLRACE_MYSQLD").map(PathBuf::from);
    said.into_iter().chain([provided]).find(|path| path.exists())
}

/// Runs a command that must succeed.
pub(super) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A data directory of a server that never ran, made once for all tests; `None` when this machine has no server of the kind.
pub(super) fn template(kind: Kind) -> Option<PathBuf> {
    let program = match kind {
        Kind::MariaDb if Path::new("/usr/sbin/mariadbd").exists() => PathBuf::from("mariadb-install-db"),
        Kind::MySql if mysqld().is_some() => mysqld()?,
        _ => {
            eprintln!("skipped: no {kind:?} server here (tests/servers/provide)");
            return None;
        }
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let made = folder.join(format!("template-{kind:?}"));
    if !made.exists() {
        let making = TempDir::new_in(folder).unwrap();
        let data = making.path().join("data");
        let arguments: &[&str] = match kind {
            Kind::MariaDb => &["--no-defaults", "--auth-root-authentication-method=normal", "--user=root"],
            Kind::MySql => &["--initialize-insecure", "--user=root"],
        };
        let datadir = format!("--datadir={}", data.display());
        run(Command::new(program).env("TMPDIR", making.path()).args(arguments).arg(datadir));
        if kind == Kind::MySql {
            // Each server gets a UUID of its own.
            std::fs::remove_file(data.join("auto.cnf")).unwrap();
        }
        // Another process may have been quicker.
        if let Err(error) = std::fs::rename(&data, &made) {
            assert!(made.exists(), "{error}");
        }
    }
    Some(made)
}
