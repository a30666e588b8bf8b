//! Reads what a connector is told, from JSON: a flat map with a `name`, or `{"name", "config", "initial_state"}`; from a file or a body.
//!
//! The invariant: values are scalars and come out as the text that stood there (`1`, `true`, `1e5`), as Kafka Connect takes them; an object,
//! a list or `null` is refused with its path. Nesting deeper than serde_json's 128 is refused before anything is built.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::value::RawValue;

use crate::Props;
use crate::error::FileError;
use crate::properties::{self, FILE_BYTES_MAX};

/// How many options one connector may have.
const OPTIONS_MAX: usize = 10_000;

/// What a connector file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorFile {
    /// The connector's name.
    pub name: String,
    /// Its settings; `name` is among them.
    pub config: Props,
    /// `RUNNING`, `PAUSED` or `STOPPED` in any case, if the file says so.
    pub initial_state: Option<String>,
    /// What is odd about the file.
    pub warnings: Vec<String>,
}

type RawMap = BTreeMap<String, Box<RawValue>>;

/// Reads the file at `path`: JSON if it starts with `{`, else Java properties, as `connect-standalone` does.
pub fn read(path: &Path) -> Result<ConnectorFile, FileError> {
    parse(&properties::read_text(path)?, &path.display().to_string())
}

/// Parses the text of a connector file; `file` is its name for messages.
pub fn parse(text: &str, file: &str) -> Result<ConnectorFile, FileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.trim_start().starts_with('{') {
        let document = properties::parse(text, file)?;
        return named(document.props, None, None, document.warnings, file);
    }
    let mut map = raw_map(text, file)?;
    let Some(config) = map.get("config").filter(|config| config.get().starts_with('{')) else {
        return named(scalars(&map, "", file)?, None, None, Vec::new(), file);
    };
    let config = scalars(&raw_map(config.get(), file)?, "config.", file)?;
    let warnings = unknown_fields(&map, file);
    let mut take = |field: &str| map.remove(field).map(|value| scalar(&value, field, file)).transpose();
    let (name, initial_state) = (take("name")?, take("initial_state")?);
    named(config, name, initial_state, warnings, file)
}

/// Parses a flat JSON object of options, such as the body of `PUT /connectors/{name}/config`; `file` is its name for messages.
pub fn parse_flat(text: &str, file: &str) -> Result<Props, FileError> {
    scalars(&raw_map(text, file)?, "", file)
}

fn raw_map(text: &str, file: &str) -> Result<RawMap, FileError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(FileError::TooLarge {
            file: file.to_owned(),
            bytes: text.len(),
            bytes_max: FILE_BYTES_MAX,
        });
    }
    let map: RawMap = serde_json::from_str(text).map_err(|cause| malformed(&cause, file))?;
    if map.len() > OPTIONS_MAX {
        let problem = format!("has {} entries, at most {OPTIONS_MAX} are allowed", map.len());
        return Err(FileError::Content { file: file.to_owned(), path: "$".to_owned(), problem });
    }
    Ok(map)
}

fn malformed(cause: &serde_json::Error, file: &str) -> FileError {
    FileError::Line {
        file: file.to_owned(),
        line: cause.line(),
        problem: format!("is not a JSON object: {cause}"),
    }
}

fn scalars(map: &RawMap, path: &str, file: &str) -> Result<Props, FileError> {
    map.iter()
        .map(|(name, value)| Ok((name.clone(), scalar(value, &format!("{path}{name}"), file)?)))
        .collect()
}

/// The text of one scalar, as it stands in the document.
fn scalar(value: &RawValue, path: &str, file: &str) -> Result<String, FileError> {
    let refused = |problem: &str| FileError::Content {
        file: file.to_owned(),
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    match value.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str(value.get()).map_err(|cause| malformed(&cause, file)),
        Some(b'{') => Err(refused("expected a string, number or boolean, found an object")),
        Some(b'[') => Err(refused("expected a string, number or boolean, found an array")),
        Some(b'n') | None => Err(refused("Null value can not be supplied as the configuration value.")),
        Some(_) => Ok(value.get().to_owned()),
    }
}

fn unknown_fields(map: &RawMap, file: &str) -> Vec<String> {
    let known = ["name", "config", "initial_state"];
    let unknown = map.keys().filter(|field| !known.contains(&field.as_str()));
    unknown.map(|field| format!("{file}: the field \"{field}\" beside \"config\" has no effect")).collect()
}

/// The name stands beside the config, inside it, or in both places alike.
fn named(
    mut config: Props,
    name: Option<String>,
    initial_state: Option<String>,
    warnings: Vec<String>,
    file: &str,
) -> Result<ConnectorFile, FileError> {
    let refused =
        |problem: String| FileError::Content { file: file.to_owned(), path: "name".to_owned(), problem };
    let inside = config.get("name").map(|name| name.trim().to_owned());
    let outside = name.map(|name| name.trim().to_owned());
    let name = match (outside, inside) {
        (Some(outside), Some(inside)) if outside != inside => {
            return Err(refused(format!("is \"{outside}\" beside \"config\" and \"{inside}\" inside it")));
        }
        (Some(name), _) | (None, Some(name)) if !name.is_empty() => name,
        _ => return Err(refused("is missing: a connector needs a \"name\"".to_owned())),
    };
    config.insert("name".to_owned(), name.clone());
    Ok(ConnectorFile { name, config, initial_state, warnings })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text, "c.json").expect_err("must be refused").to_string()
    }

    #[test]
    fn a_flat_map_with_a_name() {
        let file =
            parse(r#"{"name":" a ","tasks.max":1,"x":true,"y":1e5,"z":"\u00e4"}"#, "c.json").expect("valid");
        let said: Vec<(&str, &str)> =
            file.config.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(said, [("name", "a"), ("tasks.max", "1"), ("x", "true"), ("y", "1e5"), ("z", "ä")]);
        assert_eq!((file.name.as_str(), file.initial_state), ("a", None));
    }

    #[test]
    fn a_create_request() {
        let text = r#"{"name":"a","config":{"file":"/f"},"initial_state":"paused","offsets":[]}"#;
        let file = parse(text, "c.json").expect("valid");
        assert_eq!((file.name.as_str(), file.initial_state.as_deref()), ("a", Some("paused")));
        assert_eq!(file.config.get("name").map(String::as_str), Some("a"));
        assert_eq!(file.warnings, ["c.json: the field \"offsets\" beside \"config\" has no effect"]);
    }

    #[test]
    fn properties_are_understood_too() {
        let file = parse("name=a\ntopics=t\n", "c.properties").expect("valid");
        assert_eq!((file.name.as_str(), file.config.len()), ("a", 2));
    }

    #[test]
    fn what_is_not_a_scalar_is_refused_with_its_path() {
        let nested = refusal(r#"{"name":"a","config":{"x":{"y":1}}}"#);
        assert_eq!(nested, "c.json: config.x: expected a string, number or boolean, found an object");
        assert_eq!(
            refusal(r#"{"name":"a","x":[1]}"#),
            "c.json: x: expected a string, number or boolean, found an array"
        );
        let null = refusal(r#"{"name":"a","x":null}"#);
        assert_eq!(null, "c.json: x: Null value can not be supplied as the configuration value.");
    }

    #[test]
    fn names_must_be_there_and_agree() {
        assert!(refusal("{}").contains("name: is missing"));
        assert!(refusal(r#"{"name":" ","x":1}"#).contains("name: is missing"));
        assert!(
            refusal(r#"{"name":"a","config":{"name":"b"}}"#)
                .contains("is \"a\" beside \"config\" and \"b\" inside it")
        );
    }

    #[test]
    fn malformed_json_names_its_line() {
        assert!(refusal("{\n\"name\": \"a\",\n}").starts_with("c.json:3: is not a JSON object"));
        assert!(refusal(r#"{"name":"a"} x"#).starts_with("c.json:1: is not a JSON object"));
        let deep = format!(r#"{{"name":"a","x":{}"#, "[".repeat(100_000));
        assert!(refusal(&deep).starts_with("c.json:1: is not a JSON object"));
    }
}
