//! Reads Java `.properties` files: what `java.util.Properties.load` understands, read as UTF-8, with line numbers in errors.
//!
//! The invariant: every entry of the file is in the answer; what Java would drop in silence (an earlier value of a repeated name) is a
//! warning.

use std::path::Path;

use crate::Props;
use crate::error::FileError;

/// How large a settings file may be.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// What a file says, and what is odd about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The entries; of a repeated name, the last.
    pub props: Props,
    /// Sentences that name file and line.
    pub warnings: Vec<String>,
}

/// Reads and parses the file at `path`.
pub fn read(path: &Path) -> Result<Document, FileError> {
    let file = path.display().to_string();
    parse(&read_text(path)?, &file)
}

/// The text of a settings file, if it is not larger than [`FILE_BYTES_MAX`] and is UTF-8.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    use std::io::Read as _;
    let file = path.display().to_string();
    let unreadable = |source| FileError::Unreadable { file: file.clone(), source };
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    let opened = std::fs::File::open(path).map_err(unreadable)?;
    if !opened.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file")));
    }
    opened.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(FileError::TooLarge { file, bytes: bytes.len(), bytes_max: FILE_BYTES_MAX });
    }
    String::from_utf8(bytes).map_err(|cause| {
        let line = 1 + cause.as_bytes()[..cause.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        FileError::Line { file: file.clone(), line, problem: format!("is not UTF-8: {}", cause.utf8_error()) }
    })
}

/// Parses the text of a `.properties` file; `file` is its name for messages.
pub fn parse(text: &str, file: &str) -> Result<Document, FileError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(FileError::TooLarge {
            file: file.to_owned(),
            bytes: text.len(),
            bytes_max: FILE_BYTES_MAX,
        });
    }
    let mut document = Document::default();
    let mut first_lines = std::collections::BTreeMap::new();
    for (line, entry) in logical_lines(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let (name, value) = split_entry(&entry);
        let unescaped = |part: &str| {
            unescape(part).map_err(|problem| FileError::Line { file: file.to_owned(), line, problem })
        };
        let (name, value) = (unescaped(name)?, unescaped(value)?);
        if let Some(first) = first_lines.insert(name.clone(), line) {
            document
                .warnings
                .push(format!("{file}:{line}: \"{name}\" was already set in line {first}; this line wins"));
        }
        document.props.insert(name, value);
    }
    Ok(document)
}

/// Entries with the number of their first line: comments and blank lines dropped, continued lines joined.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut entries = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in split_lines(text).enumerate() {
        let line = line.trim_start_matches(is_space);
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let (_, entry) = open.get_or_insert_with(|| (index + 1, String::new()));
        if ends_in_continuation(line) {
            entry.push_str(line.strip_suffix('\\').unwrap_or(line));
        } else {
            entry.push_str(line);
            entries.extend(open.take());
        }
    }
    entries.extend(open);
    entries.retain(|(_, entry)| !entry.is_empty());
    entries
}

/// Lines end in LF, CR or CR LF.
fn split_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// Java's white space inside a line.
const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{c}')
}

/// An odd number of backslashes at the end.
fn ends_in_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Name and value, still escaped: the name ends at the first unescaped `=`, `:` or white space.
fn split_entry(entry: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = entry.char_indices().find(|(_, character)| {
        let ends = !escaped && (matches!(character, '=' | ':') || is_space(*character));
        escaped = !escaped && *character == '\\';
        ends
    });
    let (name, rest) = entry.split_at(end.map_or(entry.len(), |(index, _)| index));
    let rest = rest.trim_start_matches(is_space);
    (name, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_space))
}

/// Resolves `\t`, `\n`, `\r`, `\f`, `\uXXXX` (surrogate pairs too); before any other character a backslash is dropped.
fn unescape(text: &str) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::new();
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let unit = match character {
            '\\' => match characters.next() {
                Some('u') => Some(code_unit(&mut characters)?),
                Some(escaped) => {
                    flush(&mut units, &mut plain)?;
                    plain.push(match escaped {
                        't' => '\t',
                        'n' => '\n',
                        'r' => '\r',
                        'f' => '\u{c}',
                        other => other,
                    });
                    None
                }
                None => None,
            },
            other => {
                flush(&mut units, &mut plain)?;
                plain.push(other);
                None
            }
        };
        units.extend(unit);
    }
    flush(&mut units, &mut plain)?;
    Ok(plain)
}

/// The four hexadecimal digits after `\u`.
fn code_unit(characters: &mut std::str::Chars<'_>) -> Result<u16, String> {
    let digits: String = characters.by_ref().take(4).collect();
    let complete = digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let parsed = u16::from_str_radix(&digits, 16);
    parsed
        .ok()
        .filter(|_| complete)
        .ok_or_else(|| format!("malformed escape \\u{digits}: four hexadecimal digits are expected"))
}

/// Writes the code units collected so far as text.
fn flush(units: &mut Vec<u16>, plain: &mut String) -> Result<(), String> {
    if !units.is_empty() {
        plain
            .push_str(&String::from_utf16(units).map_err(|cause| format!("malformed \\u escapes: {cause}"))?);
        units.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
