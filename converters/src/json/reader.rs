//! Reads JSON text piece by piece, straight into values: no tree in between, texts are slices of the record's own bytes.
//!
//! On the sink's hot path. It takes what Connect's reader takes: strict JSON, but leading zeros in numbers; in addition it refuses text after
//! the value, which Connect drops in silence. The invariants: nesting is at most [`DEPTH_MAX`]; nothing is allocated for what the text
//! merely announces; the position always stands on a character boundary.

use std::borrow::Cow;

use api::{Text, Value};

use super::escape::plain_length;
use super::fault::Fault;

/// How deep lists and objects may be nested.
pub(super) const DEPTH_MAX: usize = 128;

/// A place in a text.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a Text,
    at: usize,
    depth: usize,
}

/// A number as it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    pub(super) text: &'a str,
    pub(super) is_integer: bool,
}

impl<'a> Reader<'a> {
    /// Starts at the first character; a byte order mark is skipped.
    pub(super) fn new(text: &'a Text) -> Self {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, at, depth: 0 }
    }

    /// Starts at a place found earlier in the same text.
    pub(super) const fn at(text: &'a Text, at: usize) -> Self {
        Self { text, at, depth: 0 }
    }

    /// The place, as an index of bytes.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// The next character that is not white space; the place stays in front of it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += blank;
        rest.get(blank).copied()
    }

    /// Refuses anything but white space.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.syntax("there is more text after the value")),
        }
    }

    /// Connect's words for text that is not JSON, and where it goes wrong.
    pub(super) fn syntax(&self, problem: &str) -> Fault {
        let prefix = "Converting byte[] to Kafka Connect data failed due to serialization error";
        Fault::new(format!("{prefix}: {problem} at byte {} of {}", self.at, self.text.len()))
    }

    /// A value without a schema: integers are INT64, other numbers FLOAT64, objects maps with text keys.
    pub(super) fn value(&mut self) -> Result<Value, Fault> {
        Ok(match self.peek() {
            Some(b'{') => {
                let mut entries = Vec::new();
                self.object(|reader, key| {
                    entries.push((Value::String(reader.text(key)), reader.value()?));
                    Ok(())
                })?;
                Value::Map(without_duplicates(entries))
            }
            Some(b'[') => {
                let mut values = Vec::new();
                self.array(|reader| {
                    values.push(reader.value()?);
                    Ok(())
                })?;
                Value::Array(values)
            }
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => {
                let number = self.number()?;
                if number.is_integer {
                    Value::Int64(number.integer()?)
                } else {
                    Value::Float64(number.double()?)
                }
            }
            _ => self.word()?,
        })
    }

    /// `true`, `false` or `null`.
    pub(super) fn word(&mut self) -> Result<Value, Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        let words =
            [(&b"true"[..], Value::Boolean(true)), (b"false", Value::Boolean(false)), (b"null", Value::Null)];
        for (word, value) in words {
            if rest.starts_with(word) && !rest.get(word.len()).is_some_and(u8::is_ascii_alphanumeric) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.syntax(if rest.is_empty() {
            "the text ends where a value is expected"
        } else {
            "a value is expected"
        }))
    }

    /// A list: calls `item` in front of every item, which must read it.
    pub(super) fn array(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.enter()?;
        if self.peek() == Some(b']') {
            return self.leave();
        }
        loop {
            item(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => return self.leave(),
                _ => return Err(self.syntax("',' or ']' is expected")),
            }
        }
    }

    /// An object: calls `entry` with every key, in front of its value, which it must read.
    pub(super) fn object(
        &mut self,
        mut entry: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.enter()?;
        if self.peek() == Some(b'}') {
            return self.leave();
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.syntax("a key in quotation marks is expected"));
            }
            let key = self.characters()?;
            if self.peek() != Some(b':') {
                return Err(self.syntax("':' is expected"));
            }
            self.at += 1;
            entry(self, key)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return self.leave(),
                _ => return Err(self.syntax("',' or '}' is expected")),
            }
        }
    }

    /// Reads a value and forgets it.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{') => self.object(|reader, _| reader.skip()),
            Some(b'[') => self.array(Self::skip),
            Some(b'"') => self.characters().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            _ => self.word().map(drop),
        }
    }

    fn enter(&mut self) -> Result<(), Fault> {
        if self.depth == DEPTH_MAX {
            return Err(self.syntax(&format!("nested deeper than {DEPTH_MAX}")));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps, reason = "it ends the readers of lists and objects, which may fail")]
    const fn leave(&mut self) -> Result<(), Fault> {
        self.depth -= 1;
        self.at += 1;
        Ok(())
    }

    /// A number; the place stands on its first character.
    pub(super) fn number(&mut self) -> Result<Number<'a>, Fault> {
        let start = self.at;
        let mut is_integer = true;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        self.digits()?;
        if self.byte() == Some(b'.') {
            is_integer = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            is_integer = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        Ok(Number { text, is_integer })
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits == 0 { Err(self.syntax("a digit is expected")) } else { Ok(()) }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// A text in quotation marks, as a slice of the record if nothing in it is escaped; the place stands on the first of them.
    pub(super) fn string(&mut self) -> Result<Text, Fault> {
        let characters = self.characters()?;
        Ok(self.text(characters))
    }

    /// The text that [`Self::characters`] gave, sharing the record's bytes.
    pub(super) fn text(&self, characters: Cow<'a, str>) -> Text {
        match characters {
            Cow::Borrowed(slice) => self.text.slice_ref(slice),
            Cow::Owned(text) => text.into(),
        }
    }

    /// The characters of a text in quotation marks; the place stands on the first of them.
    fn characters(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.at += 1;
        let plain = self.plain();
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.syntax("a control character must be escaped")),
                None => return Err(self.syntax("the text ends inside quotation marks")),
            }
            text.push_str(self.plain());
        }
    }

    /// All characters up to the next quotation mark, backslash or control character.
    fn plain(&mut self) -> &'a str {
        let start = self.at;
        let length = plain_length(&self.text.as_bytes()[start..]);
        self.at += length;
        // Both ends stand beside ASCII characters or at an end of the text, so the slice is whole characters.
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// One escaped character; half of a surrogate pair stands for U+FFFD.
    fn escape(&mut self) -> Result<char, Fault> {
        let escaped = self.text.as_bytes().get(self.at + 1).copied();
        let character = match escaped {
            Some(character @ (b'"' | b'\\' | b'/')) => char::from(character),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.code_unit()?;
                self.at += 6;
                return self.surrogate(first);
            }
            _ => return Err(self.syntax("an unknown escape")),
        };
        self.at += 2;
        Ok(character)
    }

    fn surrogate(&mut self, first: u16) -> Result<char, Fault> {
        let is_high = (0xD800..0xDC00).contains(&first);
        if is_high && self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            let second = self.code_unit()?;
            if let Some(Ok(character)) = char::decode_utf16([first, second]).next() {
                self.at += 6;
                return Ok(character);
            }
        }
        Ok(char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// The number in `\uXXXX`; the place stays on the backslash.
    fn code_unit(&self) -> Result<u16, Fault> {
        let digits = self.text.as_bytes().get(self.at + 2..self.at + 6).unwrap_or_default();
        let hexadecimal =
            |unit: u16, digit: &u8| Some((unit << 4) | u16::try_from(char::from(*digit).to_digit(16)?).ok()?);
        let unit = digits.iter().try_fold(0, hexadecimal).filter(|_| digits.len() == 4);
        unit.ok_or_else(|| self.syntax("four hexadecimal digits are expected"))
    }
}

impl Number<'_> {
    /// The integer, if it fits 64 bits. (Connect drops the bits that do not fit.)
    pub(super) fn integer(&self) -> Result<i64, Fault> {
        self.text.parse().map_err(|cause| {
            Fault::new(format!("Integer {} does not fit INT64: {cause}", shortened(self.text)))
        })
    }

    /// The number as a double, the nearest there is; beyond all doubles it is infinite, as in Connect.
    pub(super) fn double(&self) -> Result<f64, Fault> {
        self.text
            .parse()
            .map_err(|cause| Fault::new(format!("Number {} cannot be read: {cause}", shortened(self.text))))
    }
}

fn shortened(text: &str) -> &str {
    text.get(..40).unwrap_or(text)
}

/// The last value of a repeated key stays, in the place of the first, as in Connect.
pub(super) fn without_duplicates(entries: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    if is_without_duplicates(&entries) {
        return entries;
    }
    let mut places: std::collections::HashMap<String, usize> =
        std::collections::HashMap::with_capacity(entries.len());
    let mut kept: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let name = key.as_str().unwrap_or_default().to_owned();
        match places.entry(name) {
            std::collections::hash_map::Entry::Occupied(place) => kept[*place.get()].1 = value,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push((key, value));
            }
        }
    }
    kept
}

/// Few keys are compared with each other, many by hash: time must not grow with the square of what a record holds.
fn is_without_duplicates(entries: &[(Value, Value)]) -> bool {
    const COMPARED_MAX: usize = 32;
    if entries.len() <= COMPARED_MAX {
        return entries
            .iter()
            .enumerate()
            .all(|(place, (key, _))| entries[..place].iter().all(|(other, _)| other != key));
    }
    let mut seen = std::collections::HashSet::with_capacity(entries.len());
    entries.iter().all(|(key, _)| seen.insert(key.as_str()))
}
