//! Partial updates of JSON (`binlog_row_value_options=PARTIAL_JSON`): changes of a document, applied to its text before.
//!
//! Off the hot path of tables without such updates. Works on the text that [`super::json`] writes, whose values are kept as
//! they stand, so that what did not change stays the same to the last digit. Invariant: the text afterwards is what the same
//! document written whole would give; a change that does not fit its document is an error.
//! Source of the format: MySQL's sql-common/json_diff.cc (`Json_diff_vector::read_binary`).

use super::json::{JsonError, to_text};
use super::reader::Reader;

/// MySQL itself stops at 100.
const DEPTH_MAX: usize = 128;

/// A document in which parts can be replaced.
enum Node {
    /// Members in MySQL's order; the names as they are written, with quotes.
    Object(Vec<(String, Self)>),
    Array(Vec<Self>),
    /// Any other value, as it is written.
    Scalar(String),
}

/// A step of a path.
enum Leg {
    Member(String),
    Cell(usize),
}

/// The document after the changes.
///
/// # Errors
/// When the changes are cut off, or do not fit the document.
pub(super) fn apply(before: &str, changes: &[u8]) -> Result<String, JsonError> {
    let mut parser = Text { rest: before };
    let mut root = parser.node(DEPTH_MAX)?;
    let mut reader = Reader::new(changes);
    while !reader.is_empty() {
        let operation = reader.byte()?;
        let path = String::from_utf8_lossy(reader.length_encoded_bytes()?).into_owned();
        let value = match operation {
            0 | 1 => {
                let text = to_text(reader.length_encoded_bytes()?)?;
                Some(Text { rest: &text }.node(DEPTH_MAX)?)
            }
            2 => None,
            other => return malformed(format!("a change of kind {other}")),
        };
        change(&mut root, &legs(&path)?, operation == 1, value)
            .ok_or_else(|| JsonError::Malformed(format!("a change at {path} does not fit the document")))?;
    }
    let mut text = String::with_capacity(before.len() + changes.len());
    root.write(&mut text);
    Ok(text)
}

fn malformed<T>(what: String) -> Result<T, JsonError> {
    Err(JsonError::Malformed(what))
}

/// Replaces, inserts or (without a value) removes what the path names.
fn change(node: &mut Node, legs: &[Leg], inserts: bool, value: Option<Node>) -> Option<()> {
    let Some((leg, rest)) = legs.split_first() else {
        *node = value?;
        return Some(());
    };
    if !rest.is_empty() {
        let inner = match (node, leg) {
            (Node::Object(members), Leg::Member(name)) => {
                &mut members.iter_mut().find(|(member, _)| member == name)?.1
            }
            (Node::Array(items), Leg::Cell(index)) => items.get_mut(*index)?,
            _ => return None,
        };
        return change(inner, rest, inserts, value);
    }
    match (node, leg, value) {
        (Node::Object(members), Leg::Member(name), value) => {
            let found = members.iter().position(|(member, _)| member == name);
            match (found, value) {
                (Some(place), Some(value)) => members[place].1 = value,
                (Some(place), None) => drop(members.remove(place)),
                (None, Some(value)) => {
                    let place = members.iter().position(|(member, _)| order(member) > order(name));
                    members.insert(place.unwrap_or(members.len()), (name.clone(), value));
                }
                (None, None) => return None,
            }
        }
        (Node::Array(items), Leg::Cell(index), Some(value)) if inserts => {
            items.insert((*index).min(items.len()), value);
        }
        (Node::Array(items), Leg::Cell(index), Some(value)) => *items.get_mut(*index)? = value,
        (Node::Array(items), Leg::Cell(index), None) if *index < items.len() => drop(items.remove(*index)),
        _ => return None,
    }
    Some(())
}

/// MySQL orders members by the length of their names, then by their bytes.
fn order(name: &str) -> (usize, String) {
    let plain: String = serde_json::from_str(name).unwrap_or_else(|_| name.to_owned());
    (plain.len(), plain)
}

/// `$.name."other name"[3]`.
fn legs(path: &str) -> Result<Vec<Leg>, JsonError> {
    let wrong = || JsonError::Malformed(format!("the path {path}"));
    let mut rest = path.strip_prefix('$').ok_or_else(wrong)?;
    let mut legs = Vec::new();
    while let Some(c) = rest.chars().next() {
        if legs.len() > DEPTH_MAX {
            return Err(wrong());
        }
        let after = rest.strip_prefix(c).unwrap_or_default();
        rest = match c {
            '.' if after.starts_with('"') => {
                let mut text = Text { rest: after };
                let name = text.string()?;
                legs.push(Leg::Member(normal(&name)));
                text.rest
            }
            '.' => {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (name, left) = after.split_at_checked(end).ok_or_else(wrong)?;
                legs.push(Leg::Member(written(name)));
                left
            }
            '[' => {
                let (digits, left) = after.split_once(']').ok_or_else(wrong)?;
                legs.push(Leg::Cell(
                    digits
                        .trim()
                        .parse()
                        .map_err(|error| JsonError::Malformed(format!("the path {path}: {error}")))?,
                ));
                left
            }
            _ => return Err(wrong()),
        };
    }
    Ok(legs)
}

/// A name as the writer of documents writes it.
fn written(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    super::json::push_string(&mut text, name);
    text
}

/// A quoted name as the writer of documents writes it.
fn normal(quoted: &str) -> String {
    serde_json::from_str::<String>(quoted).map_or_else(|_| quoted.to_owned(), |name| written(&name))
}

/// Reads the text of a document.
struct Text<'a> {
    rest: &'a str,
}

impl Text<'_> {
    fn node(&mut self, depth: usize) -> Result<Node, JsonError> {
        if depth == 0 {
            return malformed(format!("it is nested more than {DEPTH_MAX} deep"));
        }
        if self.skip('{') {
            let mut members = Vec::new();
            while !self.skip('}') {
                let name = self.string()?;
                self.expect(':')?;
                members.push((name, self.node(depth - 1)?));
                if !self.skip(',') && !self.rest.starts_with('}') {
                    return malformed("an object without its end".to_owned());
                }
            }
            return Ok(Node::Object(members));
        }
        if self.skip('[') {
            let mut items = Vec::new();
            while !self.skip(']') {
                items.push(self.node(depth - 1)?);
                if !self.skip(',') && !self.rest.starts_with(']') {
                    return malformed("an array without its end".to_owned());
                }
            }
            return Ok(Node::Array(items));
        }
        if self.rest.starts_with('"') {
            return self.string().map(Node::Scalar);
        }
        let end = self.rest.find([',', '}', ']']).unwrap_or(self.rest.len());
        self.take(end).map(Node::Scalar)
    }

    fn skip(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, c: char) -> Result<(), JsonError> {
        if self.skip(c) { Ok(()) } else { malformed(format!("no {c} where one must be")) }
    }

    fn take(&mut self, end: usize) -> Result<String, JsonError> {
        match self.rest.split_at_checked(end) {
            Some((taken, rest)) if !taken.is_empty() => {
                self.rest = rest;
                Ok(taken.to_owned())
            }
            _ => malformed("a value is missing".to_owned()),
        }
    }

    /// A string with its quotes.
    fn string(&mut self) -> Result<String, JsonError> {
        let mut escaped = false;
        for (place, c) in self.rest.char_indices() {
            match c {
                _ if place == 0 && c != '"' => break,
                '"' if place > 0 && !escaped => return self.take(place + 1),
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        malformed("a string without its end".to_owned())
    }
}

impl Node {
    fn write(&self, text: &mut String) {
        match self {
            Self::Scalar(scalar) => text.push_str(scalar),
            Self::Array(items) => {
                text.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    item.write(text);
                }
                text.push(']');
            }
            Self::Object(members) => {
                text.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    text.push_str(name);
                    text.push(':');
                    value.write(text);
                }
                text.push('}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change with a value of 16 bits.
    fn changed(before: &str, operation: u8, path: &str, value: Option<i16>) -> Result<String, JsonError> {
        let mut changes = vec![operation, u8::try_from(path.len()).unwrap()];
        changes.extend(path.as_bytes());
        if let Some(value) = value {
            changes.extend([3, 5]);
            changes.extend(value.to_le_bytes());
        }
        apply(before, &changes)
    }

    #[test]
    fn members_and_cells_are_replaced_inserted_and_removed() {
        let before = r#"{"a":1.50,"bb":[1,{"c d":"x,\"}"}]}"#;
        assert_eq!(changed(before, 0, "$.a", Some(7)).unwrap(), r#"{"a":7,"bb":[1,{"c d":"x,\"}"}]}"#);
        assert_eq!(
            changed(before, 1, "$.b", Some(7)).unwrap(),
            r#"{"a":1.50,"b":7,"bb":[1,{"c d":"x,\"}"}]}"#
        );
        assert_eq!(
            changed(before, 1, "$.bb[0]", Some(7)).unwrap(),
            r#"{"a":1.50,"bb":[7,1,{"c d":"x,\"}"}]}"#
        );
        assert_eq!(changed(before, 2, "$.bb[0]", None).unwrap(), r#"{"a":1.50,"bb":[{"c d":"x,\"}"}]}"#);
        assert_eq!(
            changed(before, 0, r#"$.bb[1]."c d""#, Some(7)).unwrap(),
            r#"{"a":1.50,"bb":[1,{"c d":7}]}"#
        );
        assert_eq!(apply(before, &[]).unwrap(), before);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for (operation, path, value) in [
            (0, "$.a.b", Some(1)),
            (2, "$.x", None),
            (0, "$[0]", Some(1)),
            (3, "$.a", None),
            (0, "a", Some(1)),
        ] {
            assert!(changed(r#"{"a":1}"#, operation, path, value).is_err(), "{path}");
        }
        assert!(apply("{\"a\":1}", &[0, 200]).is_err());
    }
}
