//! The state of an incremental snapshot in an offset: under Debezium's names and in its form.
//!
//! Debezium keeps keys as serialized Java objects, in hexadecimal digits: an array of texts and numbers. We write texts, which
//! both read; what Debezium wrote as numbers is read too. A key that cannot be read means that the table is read from its start.

use api::{FlatMap, Text, Value};
use serde_json::{Value as Json, json};

use super::Job;
use crate::mysql::shape::TableId;
use crate::mysql::snapshot::keys::KeyValues;

const PRIMARY_KEY: &str = "incremental_snapshot_primary_key";
const MAXIMUM_KEY: &str = "incremental_snapshot_maximum_key";
const COLLECTIONS: &str = "incremental_snapshot_collections";
const COLLECTIONS_ID: &str = "incremental_snapshot_collections_id";
const COLLECTIONS_CONDITION: &str = "incremental_snapshot_collections_additional_condition";
const COLLECTIONS_SURROGATE: &str = "incremental_snapshot_collections_surrogate_key";
const CORRELATION: &str = "incremental_snapshot_correlation_id";
/// Ours: whether it is paused, which Debezium forgets.
const PAUSED: &str = "incremental_snapshot_paused";

/// What is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// The tables that are left.
    pub jobs: Vec<Job>,
    /// The last key that was handed out of the first one.
    pub last: Option<KeyValues>,
    /// Its greatest key.
    pub maximum: Option<KeyValues>,
    /// The signal.
    pub correlation: String,
    /// Whether it is held.
    pub paused: bool,
}

/// The state as entries of an offset.
#[must_use]
pub fn entries(stored: &Stored) -> Vec<(Text, Value)> {
    if stored.jobs.is_empty() {
        return Vec::new();
    }
    let collections: Vec<Json> = stored
        .jobs
        .iter()
        .map(|job| {
            json!({
                COLLECTIONS_ID: job.table.to_string(),
                COLLECTIONS_CONDITION: job.condition.clone().unwrap_or_default(),
                COLLECTIONS_SURROGATE: job.surrogate_key.clone().unwrap_or_default(),
            })
        })
        .collect();
    let mut entries = vec![
        (Text::from_static(PRIMARY_KEY), Value::from(serialize(stored.last.as_deref()))),
        (Text::from_static(MAXIMUM_KEY), Value::from(serialize(stored.maximum.as_deref()))),
        (Text::from_static(COLLECTIONS), Value::from(Json::from(collections).to_string())),
        (Text::from_static(CORRELATION), Value::from(stored.correlation.clone())),
    ];
    if stored.paused {
        entries.push((Text::from_static(PAUSED), Value::Boolean(true)));
    }
    entries
}

/// Reads what [`entries`] or Debezium wrote.
#[must_use]
pub fn parse(offset: &FlatMap) -> Stored {
    let text = |key| offset.get(key).and_then(Value::as_str);
    let collections: Json =
        text(COLLECTIONS).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let job = |item: &Json| {
        let said = |member: &str| item[member].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let name = said(COLLECTIONS_ID)?;
        let (database, table) = name.split_once('.')?;
        let table = TableId::new(database, table);
        Some(Job {
            table,
            condition: said(COLLECTIONS_CONDITION),
            surrogate_key: said(COLLECTIONS_SURROGATE),
        })
    };
    Stored {
        jobs: collections.as_array().map(|items| items.iter().filter_map(job).collect()).unwrap_or_default(),
        last: text(PRIMARY_KEY).and_then(deserialize),
        maximum: text(MAXIMUM_KEY).and_then(deserialize),
        correlation: text(CORRELATION).unwrap_or_default().to_owned(),
        paused: matches!(offset.get(PAUSED), Some(Value::Boolean(true))),
    }
}

/// `STREAM_MAGIC`, version, `TC_ARRAY`, the class of `Object[]`.
const OBJECTS: &str = "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c0200007870";
/// `STREAM_MAGIC`, version, `TC_NULL`.
const NULL: &str = "aced000570";

fn serialize(key: Option<&[String]>) -> String {
    let Some(key) = key else { return NULL.to_owned() };
    let mut text = format!("{OBJECTS}{:08x}", key.len());
    for value in key {
        // Keys of over 64 KiB do not exist: an index holds 3 KiB.
        text.push_str(&format!("74{:04x}", value.len() & 0xffff));
        value.bytes().for_each(|byte| text.push_str(&format!("{byte:02x}")));
    }
    text
}

fn deserialize(hex: &str) -> Option<KeyValues> {
    let hex = hex.to_ascii_lowercase();
    let rest = hex.strip_prefix(OBJECTS)?;
    let bytes: Vec<u8> = (0..rest.len() / 2)
        .map(|place| u8::from_str_radix(rest.get(place * 2..place * 2 + 2)?, 16).ok())
        .collect::<Option<_>>()?;
    let mut reader = JavaReader { bytes: &bytes, class: None };
    let count = u32::from_be_bytes(reader.array()?);
    (0..count.min(64)).map(|_| reader.value()).collect()
}

/// Reads the few kinds of Java objects that a key is made of.
struct JavaReader<'a> {
    bytes: &'a [u8],
    /// The only class of numbers seen so far.
    class: Option<String>,
}

impl<'a> JavaReader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = u16::from_be_bytes(self.array()?);
        String::from_utf8(self.take(usize::from(length))?.to_vec()).ok()
    }

    fn value(&mut self) -> Option<String> {
        match self.array::<1>()? {
            [0x74] => self.text(),
            [0x73] => self.number(),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<String> {
        match self.array::<1>()? {
            [0x72] => {
                let class = self.class_description()?;
                if self.class.as_ref().is_some_and(|known| *known != class) {
                    return None;
                }
                self.class = Some(class);
            }
            // A reference to the class that was described: only clear when there was one.
            [0x71] => {
                self.array::<4>()?;
            }
            _ => return None,
        }
        match self.class.as_deref()? {
            "java.lang.Integer" => Some(i32::from_be_bytes(self.array()?).to_string()),
            "java.lang.Long" => Some(i64::from_be_bytes(self.array()?).to_string()),
            "java.lang.Short" => Some(i16::from_be_bytes(self.array()?).to_string()),
            _ => None,
        }
    }

    /// Name, id, flags, one field; then the same of `java.lang.Number`, which has none.
    fn class_description(&mut self) -> Option<String> {
        let name = self.text()?;
        self.take(9)?;
        for _ in 0..u16::from_be_bytes(self.array()?) {
            self.take(1)?;
            self.text()?;
        }
        let parent = self.array::<2>()?;
        match parent {
            [0x78, 0x72] => {
                self.text()?;
                self.take(9 + 2)?;
                (self.array::<2>()? == [0x78, 0x70]).then_some(name)
            }
            [0x78, 0x71] => {
                self.take(4)?;
                Some(name)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_reads_back() {
        let job = |name: &'static str, condition: Option<&str>| Job {
            table: TableId::new("shop", name),
            condition: condition.map(str::to_owned),
            surrogate_key: None,
        };
        let stored = Stored {
            jobs: vec![job("a", Some("x > 1")), job("b", None)],
            last: Some(vec!["5".to_owned(), "ö".to_owned()]),
            maximum: None,
            correlation: "s1".to_owned(),
            paused: true,
        };
        let map = entries(&stored).into_iter().fold(FlatMap::new(), |map, (key, value)| map.with(key, value));
        assert_eq!(parse(&map), stored);
        assert!(entries(&Stored::default()).is_empty());
        assert_eq!(parse(&FlatMap::new()), Stored::default());
    }

    /// As Java writes `new Object[]{7, 9}`.
    #[test]
    fn keys_that_debezium_wrote_are_read() {
        let integer = "7372001 16a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c7565\
            7872001 06a6176612e6c616e672e4e756d62657286ac951d0b94e08b0200007870";
        let integer: String = integer.chars().filter(|c| !c.is_whitespace()).collect();
        let hex = format!("{OBJECTS}00000002{integer}00000007737 1007e000200000009").replace(' ', "");
        assert_eq!(deserialize(&hex).unwrap(), ["7", "9"]);
        assert_eq!(deserialize(NULL), None);
        assert_eq!(deserialize("zz"), None);
        assert_eq!(deserialize(&format!("{OBJECTS}000000017400ff41")), None, "cut off");
    }
}
