//! The lines of a block of a file, as slices of it. Pure, and the hot path of the file source.
//!
//! A block is checked to be UTF-8 once, as a whole; then a line costs a search for its end and a reference count. A block
//! that is not all UTF-8 gives those lines that are not with U+FFFD in place of what is malformed, as Connect's reader
//! does, and counts them. Invariant: positions count bytes of the file, whatever the text became.

use api::{Error, Result, Text};
use bytes::Bytes;

use super::tail::Cut;

/// Lines of which some are handed out.
#[derive(Debug)]
pub(super) struct Block {
    lines: Lines,
    /// The position of the first byte.
    start: u64,
    /// How much is handed out.
    cursor: usize,
    malformed_lines: u64,
}

#[derive(Debug)]
enum Lines {
    /// Well-formed, and without any `\r`: what nearly every file has.
    Plain(Text),
    /// Well-formed, with some `\r`.
    WithReturns(Text),
    /// Some bytes are no UTF-8.
    Malformed(Bytes),
}

impl Block {
    pub(super) fn new(cut: Cut) -> Self {
        let lines = match Text::try_from(cut.bytes.clone()) {
            Ok(text) if text.contains('\r') => Lines::WithReturns(text),
            Ok(text) => Lines::Plain(text),
            Err(_not_utf8) => Lines::Malformed(cut.bytes),
        };
        Self { lines, start: cut.start, cursor: 0, malformed_lines: 0 }
    }

    /// The next line, without its break, and the position after the break.
    ///
    /// # Errors
    /// `Fatal` when it is longer than `bytes_max`; the line stays the next one.
    pub(super) fn next_line(&mut self, bytes_max: usize) -> Option<Result<(Text, u64)>> {
        let (line_bytes, break_bytes) = self.measure()?;
        if line_bytes > bytes_max {
            return Some(Err(too_long(self.position(), bytes_max)));
        }
        let end = self.cursor + line_bytes;
        let line = match &self.lines {
            Lines::Plain(text) | Lines::WithReturns(text) => text.slice_ref(text.get(self.cursor..end)?),
            Lines::Malformed(bytes) => {
                let line = String::from_utf8_lossy(bytes.get(self.cursor..end)?);
                self.malformed_lines += u64::from(matches!(line, std::borrow::Cow::Owned(_)));
                Text::from(line.into_owned())
            }
        };
        self.cursor = end + break_bytes;
        Some(Ok((line, self.position())))
    }

    /// How much is not handed out yet.
    pub(super) fn remaining_bytes(&self) -> usize {
        let all = match &self.lines {
            Lines::Plain(text) | Lines::WithReturns(text) => text.len(),
            Lines::Malformed(bytes) => bytes.len(),
        };
        all - self.cursor
    }

    /// What is not handed out.
    pub(super) fn into_rest(self) -> Option<Cut> {
        let start = self.position();
        let bytes = match self.lines {
            Lines::Plain(text) | Lines::WithReturns(text) => text.into_bytes(),
            Lines::Malformed(bytes) => bytes,
        };
        let bytes = bytes.slice(self.cursor..);
        (!bytes.is_empty()).then_some(Cut { bytes, start })
    }

    /// How many lines so far were not UTF-8.
    pub(super) const fn malformed_lines(&self) -> u64 {
        self.malformed_lines
    }

    /// The position after what is handed out.
    const fn position(&self) -> u64 {
        self.start + self.cursor as u64
    }

    /// The length of the next line and of its break; the last line may have none.
    fn measure(&self) -> Option<(usize, usize)> {
        match &self.lines {
            Lines::Plain(text) => {
                let rest = text.get(self.cursor..).filter(|rest| !rest.is_empty())?;
                Some(rest.find('\n').map_or((rest.len(), 0), |end| (end, 1)))
            }
            Lines::WithReturns(text) => measure_bytes(text.as_bytes().get(self.cursor..)?),
            Lines::Malformed(bytes) => measure_bytes(bytes.get(self.cursor..)?),
        }
    }
}

fn measure_bytes(rest: &[u8]) -> Option<(usize, usize)> {
    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    match end {
        None if rest.is_empty() => None,
        None => Some((rest.len(), 0)),
        Some(end) if rest.get(end..end + 2) == Some(b"\r\n") => Some((end, 2)),
        Some(end) => Some((end, 1)),
    }
}

/// The line at a position is longer than the limit.
pub(super) fn too_long(position: u64, bytes_max: usize) -> Error {
    Error::fatal(format!(
        "the line at byte {position} is longer than line.bytes.max ({bytes_max} bytes); \
         raise that, and the topic's max.message.bytes, or take the line out of the file"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &'static [u8], start: u64) -> (Vec<(String, u64)>, u64) {
        let mut block = Block::new(Cut { bytes: Bytes::from_static(bytes), start });
        let mut lines = Vec::new();
        while let Some(line) = block.next_line(100) {
            let (line, position) = line.unwrap();
            lines.push((line.to_string(), position));
        }
        (lines, block.malformed_lines())
    }

    fn owned(lines: &[(&str, u64)]) -> Vec<(String, u64)> {
        lines.iter().map(|(line, position)| ((*line).to_owned(), *position)).collect()
    }

    #[test]
    fn positions_count_bytes_behind_the_break() {
        assert_eq!(lines("grün\n\nrot".as_bytes(), 10).0, owned(&[("grün", 16), ("", 17), ("rot", 20)]));
        assert_eq!(lines(b"a\r\nb\rc\n\r\n", 0).0, owned(&[("a", 3), ("b", 5), ("c", 7), ("", 9)]));
    }

    #[test]
    fn malformed_bytes_are_replaced_and_counted_and_keep_their_positions() {
        let (found, malformed) = lines(b"good\nb\xffad\r\nt\xe2\x82\n", 0);
        assert_eq!(found, owned(&[("good", 5), ("b\u{fffd}ad", 11), ("t\u{fffd}", 15)]));
        assert_eq!(malformed, 2);
    }

    #[test]
    fn lines_are_slices_of_the_block() {
        let bytes = Bytes::from_static(b"first\nsecond\n");
        let mut block = Block::new(Cut { bytes: bytes.clone(), start: 0 });
        let (line, _) = block.next_line(100).unwrap().unwrap();
        assert_eq!(line.as_ptr(), bytes.as_ptr());
    }

    #[test]
    fn what_is_not_handed_out_can_be_given_back() {
        let mut block = Block::new(Cut { bytes: Bytes::from_static(b"one\ntwo\n"), start: 10 });
        block.next_line(100).unwrap().unwrap();
        assert_eq!(block.into_rest(), Some(Cut { bytes: Bytes::from_static(b"two\n"), start: 14 }));
        let mut block = Block::new(Cut { bytes: Bytes::from_static(b"one\n"), start: 0 });
        block.next_line(100).unwrap().unwrap();
        assert_eq!(block.into_rest(), None);
    }

    #[test]
    fn a_line_over_the_limit_says_where_it_is_and_stays_the_next() {
        let mut block = Block::new(Cut { bytes: Bytes::from_static(b"ok\ntoo long\n"), start: 100 });
        assert!(block.next_line(5).unwrap().is_ok());
        for _ in 0..2 {
            let error = block.next_line(5).unwrap().unwrap_err().to_string();
            assert!(error.contains("byte 103") && error.contains("line.bytes.max"), "{error}");
        }
        assert_eq!(&*block.next_line(8).unwrap().unwrap().0, "too long");
    }
}
