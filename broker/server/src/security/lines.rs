//! Small files of lines, replaced as a whole: where ACLs and credentials rest.
//!
//! Invariant: a file is read whole or not at all. Its last line is a checksum of the rest, so that a file that was cut or changed is
//! an error at the start of the broker and never fewer rules than were acknowledged. Only the owner may read it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::Error;

/// Reads the lines below the title, each split into its fields; `None` if there is no file.
pub(super) fn read(path: &Path, title: &str) -> Result<Option<Vec<Vec<String>>>, Error> {
    let damaged = |reason: &str| Error::DamagedSecurity { path: path.to_owned(), reason: reason.to_owned() };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(damaged("it is no text")),
        Err(source) => {
            return Err(Error::SecurityFile { action: "read", path: path.to_owned(), source });
        }
    };
    let cut = || damaged("its end is missing");
    let (body, last) = text.strip_suffix('\n').and_then(|text| text.rsplit_once('\n')).ok_or_else(cut)?;
    if last != checksum(body) {
        return Err(damaged("its checksum does not fit"));
    }
    let mut lines = body.lines();
    if lines.next() != Some(title) {
        return Err(damaged("its title is not the one that this version writes"));
    }
    Ok(Some(lines.map(|line| line.split('\t').map(unescape).collect()).collect()))
}

/// Replaces the file, durably.
pub(super) fn write<'a>(
    path: &Path,
    title: &str,
    lines: impl Iterator<Item = Vec<std::borrow::Cow<'a, str>>>,
) -> Result<(), Error> {
    let mut body = title.to_owned();
    for fields in lines {
        body.push('\n');
        let fields: Vec<String> = fields.iter().map(|field| escape(field)).collect();
        body += &fields.join("\t");
    }
    let text = format!("{body}\n{}\n", checksum(&body));
    replace(path, text.as_bytes()).map_err(|source| Error::SecurityFile {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = path.with_added_extension("tmp");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn checksum(body: &str) -> String {
    format!("crc32c {:08x}", crc32c::crc32c(body.as_bytes()))
}

fn escape(field: &str) -> String {
    let mut escaped = String::with_capacity(field.len());
    for character in field.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\t' => escaped.push_str("\\t"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            _ => escaped.push(character),
        }
    }
    escaped
}

fn unescape(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut rest = field.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match rest.next() {
            Some('t') => text.push('\t'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some(other) => text.push(other),
            None => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_and_a_changed_file_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(read(&path, "title").unwrap().is_none());
        let fields = vec!["a\tb\\n".into(), "".into(), "\r\n\\".into()];
        write(&path, "title", [fields.clone()].into_iter()).unwrap();
        assert_eq!(read(&path, "title").unwrap().unwrap(), [fields]);
        assert!(read(&path, "other").is_err());
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(read(&path, "title").is_err(), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(read(&path, "title").is_err(), "cut at {at}");
        }
    }
}
