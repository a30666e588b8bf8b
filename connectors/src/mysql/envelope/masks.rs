//! Masks: `column.truncate.to.N.chars`, `column.mask.with.N.chars` and `column.mask.hash.[v2.]ALGORITHM.with.salt.SALT`.
//!
//! Which column has which is decided once per table shape; a row of a table without masks costs nothing. They act on texts
//! (CHAR, VARCHAR, TEXT, ENUM, SET; cutting on everything that is text or bytes) in `before` and `after`, not in keys, as in
//! Debezium. Invariant: a masked column's plain value never stands in a row. In Debezium a column for which the source type is
//! propagated too loses its hash; here it does not.
//! Source: `io.debezium.relational.mapping` of Debezium 3.6, by what it emits.

mod digest;

use api::configs::{ConfigError, ConfigErrors, Props};
use api::{SchemaBuilder, Text, Value};
use fancy_regex::Regex;

use self::digest::Digest;
use crate::mysql::filter::whole_name;
use crate::mysql::shape::{ColumnShape, SqlType, TableId};

/// What stands in place of the characters.
const STAR: &str = "*";

/// What becomes of a column's values.
#[derive(Debug, Clone)]
pub enum Mask {
    /// At most so many characters (UTF-16 units, as Java counts) or bytes.
    Truncate(usize),
    /// Always this text.
    Stars(Text),
    /// A salted hash in hex, cut to the column's length.
    Hash(Box<Hash>),
}

/// How a hash is made.
#[derive(Debug, Clone)]
pub struct Hash {
    digest: Digest,
    salt: Vec<u8>,
    /// The first way of Debezium, which hashes Java's serialised form of the text.
    serialised: bool,
    length_max: usize,
}

/// The options, in the order in which they decide: truncation, stars, hashes.
#[derive(Debug, Clone, Default)]
pub struct Masks(Vec<(Vec<Regex>, Mask)>);

impl Masks {
    /// Reads every option that begins with `column.mask.` or `column.truncate.`.
    ///
    /// # Errors
    /// Every name and pattern that is not understood.
    pub fn parse(props: &Props) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let mut found = Vec::new();
        for (name, said) in props {
            if !name.starts_with("column.mask.") && !name.starts_with("column.truncate.") {
                continue;
            }
            match parse_name(name) {
                Ok((rank, mask)) => found.push((rank, patterns(name, said, &mut errors), mask)),
                Err(reason) => errors.push(ConfigError::other(name, format!("{name}: {reason}"))),
            }
        }
        found.sort_by_key(|(rank, ..)| *rank);
        errors.into_result(Self(found.into_iter().map(|(_, patterns, mask)| (patterns, mask)).collect()))
    }

    /// The mask of a column, if there is one.
    #[must_use]
    pub fn of(&self, table: &TableId, column: &ColumnShape) -> Option<Mask> {
        self.find(table, column, |mask| mask.fits(column))
    }

    /// The mask that a column's schema tells of: Debezium says so too where it does not act, as on a number.
    #[must_use]
    pub fn noted(&self, table: &TableId, column: &ColumnShape) -> Option<Mask> {
        self.find(table, column, |mask| mask.fits(column) || !matches!(mask, Mask::Truncate(_)))
    }

    fn find(&self, table: &TableId, column: &ColumnShape, counts: impl Fn(&Mask) -> bool) -> Option<Mask> {
        if self.0.is_empty() {
            return None;
        }
        let name = format!("{table}.{}", column.name);
        let matches =
            |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(&name).unwrap_or(false));
        let (_, mask) = self.0.iter().find(|(patterns, mask)| counts(mask) && matches(patterns))?;
        let mut mask = mask.clone();
        if let Mask::Hash(hash) = &mut mask {
            hash.length_max = length(column).unwrap_or(usize::MAX);
        }
        Some(mask)
    }
}

/// The column's length as Debezium has it: of an ENUM it is 1.
fn length(column: &ColumnShape) -> Option<usize> {
    super::schema_change::length(column).and_then(|length| usize::try_from(length).ok())
}

fn patterns(option: &str, said: &str, errors: &mut ConfigErrors) -> Vec<Regex> {
    let mut found = Vec::new();
    for pattern in said.split(',').map(str::trim).filter(|pattern| !pattern.is_empty()) {
        match whole_name(pattern) {
            Ok(pattern) => found.push(pattern),
            Err(reason) => errors.push(ConfigError::invalid(option, pattern, reason)),
        }
    }
    found
}

fn parse_name(name: &str) -> Result<(u8, Mask), String> {
    let characters = |prefix: &str| name.strip_prefix(prefix)?.strip_suffix(".chars");
    let count = |digits: &str| {
        digits
            .parse::<u16>()
            .map(usize::from)
            .map_err(|error| format!("expected a number of characters: {error}"))
    };
    if let Some(digits) = characters("column.truncate.to.") {
        return Ok((0, Mask::Truncate(count(digits)?)));
    }
    if let Some(digits) = characters("column.mask.with.") {
        return Ok((1, Mask::Stars(STAR.repeat(count(digits)?).into())));
    }
    let rest = name.strip_prefix("column.mask.hash.").ok_or_else(|| {
        "expected column.truncate.to.<length>.chars, column.mask.with.<length>.chars or \
         column.mask.hash.<algorithm>.with.salt.<salt>"
            .to_owned()
    })?;
    let (serialised, rest) = rest.strip_prefix("v2.").map_or((true, rest), |rest| (false, rest));
    let (algorithm, salt) =
        rest.split_once(".with.salt.").ok_or_else(|| "expected <algorithm>.with.salt.<salt>".to_owned())?;
    let digest = Digest::of_name(algorithm)
        .ok_or_else(|| format!("the hash {algorithm} is not known; expected one of {}", Digest::NAMES))?;
    let salt = salt.as_bytes().to_vec();
    Ok((
        2 + u8::from(!serialised),
        Mask::Hash(Box::new(Hash { digest, salt, serialised, length_max: usize::MAX })),
    ))
}

impl Mask {
    fn fits(&self, column: &ColumnShape) -> bool {
        match self {
            // Debezium cuts what is declared longer, or says no length.
            Self::Truncate(length_max) => length(column).is_none_or(|length| length > *length_max),
            Self::Stars(_) | Self::Hash(_) => {
                (column.sql_type.is_text() && !column.is_json_text())
                    || matches!(column.sql_type, SqlType::Uuid | SqlType::Inet4 | SqlType::Inet6)
            }
        }
    }

    /// Puts a note of it into the column's schema, as Debezium does.
    #[must_use]
    pub fn note(&self, schema: SchemaBuilder) -> SchemaBuilder {
        match self {
            Self::Truncate(length_max) => schema.parameter("truncateLength", length_max.to_string()),
            Self::Stars(_) | Self::Hash(_) => schema.parameter("masked", "true"),
        }
    }

    /// Masks one value.
    pub fn apply(&self, value: &mut Value) {
        match (self, &mut *value) {
            (Self::Stars(stars), _) => *value = Value::String(stars.clone()),
            (Self::Truncate(length_max), Value::String(text)) => {
                if let Some(cut) = cut(text, *length_max) {
                    *value = Value::String(cut);
                }
            }
            (Self::Truncate(length_max), Value::Bytes(bytes)) if bytes.len() > *length_max => {
                bytes.truncate(*length_max);
            }
            (Self::Hash(hash), Value::String(text)) => *value = Value::String(hash.of(text)),
            _ => {}
        }
    }
}

/// The first units of a text; `None` when it is short enough. A character of two units is not taken apart.
fn cut(text: &Text, units_max: usize) -> Option<Text> {
    // No character has more units than bytes.
    if text.len() <= units_max {
        return None;
    }
    let mut units = 0;
    for (place, c) in text.char_indices() {
        units += c.len_utf16();
        if units > units_max {
            return text.get(..place).map(Text::from);
        }
    }
    None
}

impl Hash {
    fn of(&self, text: &str) -> Text {
        let mut bytes = self.salt.clone();
        if self.serialised {
            serialise(text, &mut bytes);
        } else {
            bytes.extend_from_slice(text.as_bytes());
        }
        let mut hex = String::with_capacity(128);
        for byte in self.digest.of(&bytes) {
            hex.extend(
                [byte >> 4, byte & 15].iter().filter_map(|digit| char::from_digit(u32::from(*digit), 16)),
            );
        }
        hex.truncate(self.length_max);
        hex.into()
    }
}

/// A string as Java's `ObjectOutputStream` writes it: a stream header, a type byte, a length, modified UTF-8.
fn serialise(text: &str, out: &mut Vec<u8>) {
    let mut modified = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let [high, low] = unit.to_be_bytes();
        match unit {
            0x01..=0x7f => modified.push(low),
            0 | 0x80..=0x7ff => modified.extend([0xc0 | high << 2 | low >> 6, 0x80 | low & 0x3f]),
            _ => modified.extend([0xe0 | high >> 4, 0x80 | (high & 15) << 2 | low >> 6, 0x80 | low & 0x3f]),
        }
    }
    out.extend([0xac, 0xed, 0, 5]);
    match u16::try_from(modified.len()) {
        Ok(length) => {
            out.push(0x74);
            out.extend(length.to_be_bytes());
        }
        Err(_) => {
            out.push(0x7c);
            out.extend(u64::try_from(modified.len()).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    out.extend(modified);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(said: &[(&str, &str)]) -> Result<Masks, ConfigErrors> {
        Masks::parse(&said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn masked(option: &str, text: &str) -> String {
        let mut column = ColumnShape::new("c", SqlType::VarChar);
        column.length = Some(40);
        let mask = masks(&[(option, r"d\.t\.c")]).unwrap().of(&TableId::new("d", "t"), &column).unwrap();
        let mut value = Value::from(text.to_owned());
        mask.apply(&mut value);
        value.as_str().unwrap().to_owned()
    }

    #[test]
    fn values_are_cut_starred_and_hashed() {
        assert_eq!(masked("column.truncate.to.3.chars", "äbcd"), "äbc");
        assert_eq!(masked("column.truncate.to.3.chars", "ab😀"), "ab");
        assert_eq!(masked("column.mask.with.2.chars", "anything"), "**");
        assert_eq!(
            masked("column.mask.hash.v2.MD5.with.salt.CzQMA0cB5K", "x"),
            "529586b9ab96574dce414eabb7bfe552"
        );
    }

    #[test]
    fn other_types_and_other_columns_stay() {
        let masks = masks(&[("column.mask.with.2.chars", r"d\.t\.c")]).unwrap();
        let table = TableId::new("d", "t");
        assert!(masks.of(&table, &ColumnShape::new("c", SqlType::Int)).is_none());
        assert!(masks.of(&table, &ColumnShape::new("cc", SqlType::Text)).is_none());
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let errors = masks(&[
            ("column.mask.hash.CRC32.with.salt.x", "a"),
            ("column.mask.with.x.chars", "a"),
            ("column.truncate.to.5.chars", "("),
        ]);
        let errors = errors.unwrap_err().to_string();
        assert_eq!(errors.lines().count(), 3, "{errors}");
        assert!(errors.contains("SHA-256"), "{errors}");
    }
}
