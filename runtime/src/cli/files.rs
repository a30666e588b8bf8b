//! The files of the command line: a worker's or broker's properties, and connectors.
//!
//! Read before anything starts, so that a mistake in the last file is told at once. Invariant: an error names the file, and
//! the line where there is one.

use std::path::{Path, PathBuf};

use configs::connector_file::{self, ConnectorFile};
use configs::{Props, properties};

use super::{Exit, chain};

/// The settings in a properties file; none without one. What is odd about them is logged.
pub(super) fn read_properties(file: Option<&Path>) -> Result<Props, Exit> {
    let Some(file) = file else { return Ok(Props::new()) };
    let document = properties::read(file).map_err(|error| Exit::start(chain(&error)))?;
    for warning in &document.warnings {
        tracing::warn!("{warning}");
    }
    Ok(document.props)
}

/// The worker file and the connector files: a first file that is JSON can only be a connector.
pub(super) fn sort(worker: Option<PathBuf>, mut connectors: Vec<PathBuf>) -> (Option<PathBuf>, Vec<PathBuf>) {
    match worker {
        Some(file) if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) => {
            connectors.insert(0, file);
            (None, connectors)
        }
        worker => (worker, connectors),
    }
}

/// The connectors in these files.
pub(super) fn read_connectors(files: &[PathBuf]) -> Result<Vec<ConnectorFile>, Exit> {
    let mut read = Vec::new();
    for file in files {
        let connector = connector_file::read(file).map_err(|error| Exit::connector(chain(&error)))?;
        for warning in &connector.warnings {
            tracing::warn!("{warning}");
        }
        read.push(connector);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_file_is_a_connector_wherever_it_stands() {
        let (worker, connectors) = sort(Some("a.json".into()), vec!["b.properties".into()]);
        assert_eq!((worker, connectors), (None, vec!["a.json".into(), "b.properties".into()]));
        assert_eq!(sort(Some("w.properties".into()), Vec::new()), (Some("w.properties".into()), Vec::new()));
    }

    #[test]
    fn mistakes_name_the_file_and_the_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("w.properties");
        std::fs::write(&file, "a=1\nb=\\u12\n").unwrap();
        let message = read_properties(Some(&file)).unwrap_err().message;
        assert!(message.contains("w.properties:2:"), "{message}");
        let message = read_properties(Some(&directory.path().join("missing"))).unwrap_err().message;
        assert!(message.contains("missing: cannot be read: No such file"), "{message}");
        let connector = read_connectors(&[file]).unwrap_err();
        assert_eq!(connector.code, 3);
    }
}
