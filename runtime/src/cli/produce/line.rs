//! A line as a key and a value.
//!
//! Pure; nothing is copied.

/// How lines are to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineForm<'a> {
    /// Between key and value; not empty.
    pub(super) key_separator: Option<&'a [u8]>,
    /// Stands for null.
    pub(super) null_marker: Option<&'a [u8]>,
}

/// A key and a value; `None` is null.
pub(super) type KeyValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

impl LineForm<'_> {
    /// The parts of a line.
    pub(super) fn split<'a>(&self, line: &'a [u8]) -> Result<KeyValue<'a>, String> {
        let Some(separator) = self.key_separator else { return Ok((None, self.unless_null(line))) };
        let found = line.windows(separator.len()).position(|window| window == separator);
        let Some(at) = found else {
            let separator = String::from_utf8_lossy(separator);
            return Err(format!(
                "the key separator \"{separator}\" is not there; say --key-separator as it stands in the input, or leave it out for records without keys"
            ));
        };
        let (key, rest) = line.split_at(at);
        let value = rest.get(separator.len()..).unwrap_or_default();
        Ok((self.unless_null(key), self.unless_null(value)))
    }

    fn unless_null<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        (self.null_marker != Some(text)).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::LineForm;

    #[test]
    fn the_first_separator_counts() {
        let form = LineForm { key_separator: Some(b"::"), null_marker: None };
        assert_eq!(form.split(b"k::v::w"), Ok((Some(&b"k"[..]), Some(&b"v::w"[..]))));
        assert_eq!(form.split(b"::"), Ok((Some(&b""[..]), Some(&b""[..]))));
        assert!(form.split(b"k:v").unwrap_err().contains("\"::\""));
    }

    #[test]
    fn markers_are_null_only_as_a_whole() {
        let form = LineForm { key_separator: Some(b","), null_marker: Some(b"NULL") };
        assert_eq!(form.split(b"k,NULL"), Ok((Some(&b"k"[..]), None)));
        assert_eq!(form.split(b"NULL,NULLS"), Ok((None, Some(&b"NULLS"[..]))));
        let values = LineForm { key_separator: None, null_marker: None };
        assert_eq!(values.split(b""), Ok((None, Some(&b""[..]))));
    }
}
