//! The records of the offsets topic: key `["<connector>",{<source partition>}]`, value `{<source offset>}` or a tombstone.
//!
//! Between the offset store and its topic; pure. Source: `OffsetStorageWriter`, `OffsetStorageReaderImpl`.
//! Invariant: the same source partition gives the same key bytes, or compaction and resuming would miss it.

use api::{Bytes, FlatMap};
use serde_json::Value as Json;

use super::flat_json::{from_json, to_json};

/// The key of a connector's source partition.
pub(crate) fn offset_key(connector: &str, partition: &FlatMap) -> Bytes {
    Json::Array(vec![Json::from(connector), to_json(partition)]).to_string().into()
}

/// The value of an offset.
pub(crate) fn offset_value(offset: &FlatMap) -> Bytes {
    to_json(offset).to_string().into()
}

/// Reads a key.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_offset_key(key: &[u8]) -> Result<(String, FlatMap), String> {
    let json: Json = serde_json::from_slice(key).map_err(|error| format!("the key is not JSON: {error}"))?;
    let parts = json.as_array().map(Vec::as_slice);
    let Some([Json::String(connector), partition]) = parts else {
        return Err(format!("the key is not [\"<connector>\",{{<partition>}}]: {json}"));
    };
    Ok((connector.clone(), from_json(partition)?))
}

/// Reads a value.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_offset_value(value: &[u8]) -> Result<FlatMap, String> {
    let json: Json =
        serde_json::from_slice(value).map_err(|error| format!("the value is not JSON: {error}"))?;
    from_json(&json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_connects_bytes() {
        let partition = FlatMap::new().with("server", "shop");
        assert_eq!(offset_key("my \"c\"", &partition), r#"["my \"c\"",{"server":"shop"}]"#.as_bytes());
        let offset = FlatMap::new().with("ts_sec", 7_i64).with("file", "binlog.1").with("pos", 4_i64);
        assert_eq!(offset_value(&offset), r#"{"ts_sec":7,"file":"binlog.1","pos":4}"#.as_bytes());
    }

    #[test]
    fn keys_and_values_are_read_back_and_broken_ones_say_why() {
        let partition = FlatMap::new().with("b", "1").with("a", "2");
        let key = offset_key("c", &partition);
        assert_eq!(parse_offset_key(&key).unwrap(), ("c".to_owned(), partition));
        for broken in ["", "{}", "[1,{}]", r#"["c"]"#, r#"["c",{"a":[]}]"#] {
            assert!(parse_offset_key(broken.as_bytes()).is_err(), "{broken}");
        }
        assert!(parse_offset_value(b"[1]").is_err());
    }
}
