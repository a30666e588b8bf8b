//! Who is this broker? The cluster id, made once and kept beside the logs as in Kafka (`meta.properties`).

use std::{fs, io, path::Path};

use crate::{
    Error,
    log::{LogError, replace_file},
};

const FILE: &str = "meta.properties";

/// The cluster id of a log directory; a new one for a new directory.
pub(crate) fn cluster_id(log_directory: &Path, node_id: i32) -> Result<String, Error> {
    let path = log_directory.join(FILE);
    let damaged = |reason: String| Error::DamagedMetadata { path: path.clone(), reason };
    match fs::read_to_string(&path) {
        Ok(text) => {
            let value = |name: &str| {
                text.lines()
                    .filter_map(|line| line.split_once('='))
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value)
            };
            let found = value("node.id").unwrap_or_default();
            if found != node_id.to_string() {
                return Err(Error::Config {
                    setting: "node.id".to_owned(),
                    reason: format!("{node_id} is configured, but {} says {found:?}", path.display()),
                });
            }
            let id = value("cluster.id").filter(|id| !id.is_empty());
            id.map(str::to_owned).ok_or_else(|| damaged("it has no cluster.id".to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = broker_protocol::Uuid(uuid::Uuid::new_v4().into_bytes()).to_string();
            let text = format!("version=1\ncluster.id={id}\nnode.id={node_id}\n");
            replace_file(&path, text.as_bytes()).map_err(|error| LogError::io("write", &path, error))?;
            Ok(id)
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(damaged(error.to_string())),
        Err(error) => Err(LogError::io("read", path, error).into()),
    }
}
