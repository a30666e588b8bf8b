//! The main job's connectors as a user would submit them: MySQL to topics, topics to a file and to an HTTP endpoint.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::database::{CONNECTOR_USER, Database, Kind, PASSWORD};

/// Captures every table of one database. The topics are `shop.<database>.<table>`.
#[must_use]
pub fn mysql_source(database: &Database, name: &str) -> Value {
    let class = match database.kind() {
        Kind::MySql => "io.debezium.connector.mysql.MySqlConnector",
        Kind::MariaDb => "io.debezium.connector.mariadb.MariaDbConnector",
    };
    json!({
        "connector.class": class,
        "database.hostname": database.host(),
        "database.port": database.port().to_string(),
        "database.user": CONNECTOR_USER,
        "database.password": PASSWORD,
        "database.server.id": "184054",
        "topic.prefix": "shop",
        "database.include.list": name,
    })
}

/// Writes every change event of the shop as a line of JSON. Tombstones, which say nothing new, are filtered out.
#[must_use]
pub fn file_sink(file: &Path) -> Value {
    with_filter(json!({
        "connector.class": "FileStreamSink",
        "topics.regex": "shop\\.shop\\..*",
        "file": file,
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    }))
}

/// Posts every change event of the shop, in JSON arrays.
#[must_use]
pub fn http_sink(url: &str) -> Value {
    with_filter(json!({
        "connector.class": "HttpSink",
        "topics.regex": "shop\\.shop\\..*",
        "http.url": url,
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
    }))
}

fn with_filter(mut config: Value) -> Value {
    for (name, value) in [
        ("transforms", "noTombstones"),
        ("transforms.noTombstones.type", "org.apache.kafka.connect.transforms.Filter"),
        ("transforms.noTombstones.predicate", "isTombstone"),
        ("predicates", "isTombstone"),
        ("predicates.isTombstone.type", "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone"),
    ] {
        config[name] = json!(value);
    }
    config
}

/// The JSON values of a file's whole lines; none while there is no file. A last line that is still being written is left.
///
/// # Errors
/// When a whole line is no JSON.
pub fn read_json_lines(file: &Path) -> Result<Vec<Value>> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let whole = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
    let parse =
        |line: &str| serde_json::from_str(line).with_context(|| format!("in {}: {line:?}", file.display()));
    whole.lines().map(parse).collect()
}
