//! Which files may be touched: regular ones, where the allow-list says, judged after symbolic links are followed.
//!
//! A connector is configured over REST, so a file's name comes from outside. Invariant: what [`Place::open`] returns is a
//! regular file that lies where it may. It is judged by the opened file itself where the system tells its path
//! (`/proc/self/fd`), so that swapping a symbolic link between check and opening gains nothing.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use api::{Error, Result};

/// Where files are not files: reading one may hang, or read the memory of a process.
const FORBIDDEN: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Who may read what we write: the owner and the group.
pub(super) const MODE: u32 = 0o640;

/// A file's path, and where it may lie.
#[derive(Debug, Clone)]
pub(super) struct Place {
    path: PathBuf,
    allowed: Vec<PathBuf>,
}

impl Place {
    pub(super) fn new(file: &str, allowed: &[String]) -> Self {
        Self { path: PathBuf::from(file), allowed: allowed.iter().map(PathBuf::from).collect() }
    }

    /// The path as it was said.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file, or the file to be, may be touched; the error is the reason, for a message about `file`.
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        let real = match self.path.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.real_path_to_be()?,
            Err(error) => return Err(format!("cannot be looked up: {error}")),
        };
        self.check_real(&real)?;
        match fs::metadata(&real) {
            Ok(found) if !found.is_file() => Err("is not a regular file".to_owned()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("cannot be looked at: {error}"))
            }
            _ => Ok(()),
        }
    }

    /// Opens the file, or `Ok(None)` if there is none.
    ///
    /// # Errors
    /// `BadConfig` when it may not be touched, `Retriable` when it cannot be opened.
    pub(super) fn open(&self, options: &OpenOptions) -> Result<Option<File>> {
        self.check().map_err(|reason| self.refused(&reason))?;
        let file = match options.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("open", error)),
        };
        let found = file.metadata().map_err(|error| self.failed("look at", error))?;
        if !found.is_file() {
            return Err(self.refused("is not a regular file"));
        }
        // Without /proc there is nothing better than the check above.
        if let Ok(real) = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())) {
            self.check_real(&real).map_err(|reason| self.refused(&reason))?;
        }
        Ok(Some(file))
    }

    /// An error of the system's about this file: it may pass.
    pub(super) fn failed(&self, what: &str, error: io::Error) -> Error {
        Error::retriable(format!("cannot {what} file {}", self.path.display())).with_source(error)
    }

    fn refused(&self, reason: &str) -> Error {
        Error::bad_config(format!("file: {} {reason}", self.path.display()))
    }

    fn real_path_to_be(&self) -> std::result::Result<PathBuf, String> {
        if self.path.is_symlink() {
            // Creating the file would create the one that the link names, wherever that is.
            return Err("is a symbolic link to nothing".to_owned());
        }
        let name = self.path.file_name().ok_or_else(|| "does not name a file".to_owned())?;
        let directory =
            self.path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match directory.canonicalize() {
            Ok(directory) => Ok(directory.join(name)),
            Err(error) => Err(format!("lies in directory {}: {error}", directory.display())),
        }
    }

    fn check_real(&self, real: &Path) -> std::result::Result<(), String> {
        if let Some(directory) = FORBIDDEN.iter().find(|directory| real.starts_with(directory)) {
            return Err(format!("lies under {directory}, which is not for regular files"));
        }
        let under = |directory: &&PathBuf| {
            directory.canonicalize().is_ok_and(|directory| real.starts_with(directory))
        };
        if self.allowed.is_empty() || self.allowed.iter().any(|directory| under(&directory)) {
            return Ok(());
        }
        let allowed: Vec<_> = self.allowed.iter().map(|directory| directory.display().to_string()).collect();
        Err(format!("is really {}, outside of allowed.directories: {}", real.display(), allowed.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_out_of_the_allowed_directory_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (inside, outside) = (root.path().join("in"), root.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(outside.join("secret"), inside.join("link")).unwrap();
        let allowed = [inside.display().to_string()];
        let place = |name: &str| Place::new(&inside.join(name).display().to_string(), &allowed);
        let error = place("link").open(OpenOptions::new().read(true)).unwrap_err().to_string();
        assert!(error.contains("outside of allowed.directories"), "{error}");
        assert!(place("../out/secret").check().is_err());
        assert!(place("not-there-yet").open(OpenOptions::new().read(true)).unwrap().is_none());
        std::os::unix::fs::symlink(outside.join("new"), inside.join("dangling")).unwrap();
        let error = place("dangling").open(OpenOptions::new().append(true).create(true)).unwrap_err();
        assert!(error.to_string().contains("link to nothing") && !outside.join("new").exists(), "{error}");
        fs::write(inside.join("good"), "x").unwrap();
        assert!(place("good").open(OpenOptions::new().read(true)).unwrap().is_some());
    }

    #[test]
    fn what_is_no_regular_file_is_refused_with_the_setting_and_the_path() {
        let root = tempfile::tempdir().unwrap();
        let cases = [
            ("/dev/zero", "/dev"),
            ("/proc/self/mem", "/proc"),
            (root.path().to_str().unwrap(), "regular file"),
        ];
        for (path, reason) in cases {
            let error = Place::new(path, &[]).open(OpenOptions::new().read(true)).unwrap_err().to_string();
            assert!(error.contains("file: ") && error.contains(path) && error.contains(reason), "{error}");
        }
        let lost = root.path().join("no/such/file");
        let error = Place::new(lost.to_str().unwrap(), &[]).check().unwrap_err();
        assert!(error.contains("no/such"), "{error}");
    }
}
