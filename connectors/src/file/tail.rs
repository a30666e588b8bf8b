//! Where a line ends: whole lines out of bytes as they come. Pure.
//!
//! A line ends with `\n`, `\r\n` or `\r`. What is read after the last line break waits in the [`Tail`]; so does a `\r` that
//! is the last byte so far, since a `\n` may follow.
//!
//! A tail can be cut before its line break came (a quiet file's last line). When the break comes later it belongs to
//! that line and must not count as an empty one. The byte before the cut tells: after `\r` a `\n` is the rest of a
//! break, after anything but a break a whole break is. So nothing but a position has to be remembered over a restart.
//! Invariant: the cuts, one after the other, are the bytes that were put in, without such late breaks.

use bytes::Bytes;

/// Bytes that are cut off at the end of a line, and where they lay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    /// The lines.
    pub(super) bytes: Bytes,
    /// The position of the first byte.
    pub(super) start: u64,
}

/// What is read but not known to be a whole line.
#[derive(Debug)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    /// The position of the first of `bytes`.
    start: u64,
    /// The byte before it; none at the start of the file.
    before: Option<u8>,
}

impl Tail {
    /// An empty one at a position, after this byte.
    pub(super) const fn new(start: u64, before: Option<u8>) -> Self {
        Self { bytes: Vec::new(), start, before }
    }

    /// How many bytes wait.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Where the next byte lies.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Where the first byte that waits lies.
    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    /// Lets `read` append to the bytes that wait, at most `more`, and cuts off the lines that are whole now.
    pub(super) fn extend<E>(
        &mut self,
        more: usize,
        read: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<Option<Cut>, E> {
        let old = self.bytes.len();
        self.bytes.reserve_exact(more);
        if let Err(error) = read(&mut self.bytes) {
            self.bytes.truncate(old);
            return Err(error);
        }
        self.drop_late_break();
        Ok(self.cut_whole_lines(old))
    }

    /// Cuts off all that waits: its line break is not coming, or too late.
    pub(super) fn flush(&mut self) -> Option<Cut> {
        self.cut(self.bytes.len())
    }

    /// Drops the rest of a line break whose line was cut off before.
    fn drop_late_break(&mut self) {
        let late = match (self.before, self.bytes.as_slice()) {
            (None | Some(b'\n'), _) => 0,
            (Some(b'\r'), [b'\n', ..]) | (Some(_), [b'\n', ..]) => 1,
            (Some(b'\r'), _) => 0,
            (Some(_), [b'\r', b'\n', ..]) => 2,
            // Dropped alone: it is the byte before the next then, and takes a `\n` along.
            (Some(_), [b'\r', ..]) => 1,
            (Some(_), _) => 0,
        };
        if late > 0 {
            self.before = self.bytes.get(late - 1).copied();
            self.bytes.drain(..late);
            self.start += late as u64;
        }
    }

    /// `scanned` bytes were known to hold no end of a line, but for a `\r` at their end.
    fn cut_whole_lines(&mut self, scanned: usize) -> Option<Cut> {
        let undecided = usize::from(self.bytes.last() == Some(&b'\r'));
        let scan = self.bytes.get(scanned.saturating_sub(2)..self.bytes.len() - undecided)?;
        let last = scan.iter().rposition(|byte| matches!(byte, b'\n' | b'\r'))?;
        self.cut(scanned.saturating_sub(2) + last + 1)
    }

    fn cut(&mut self, length: usize) -> Option<Cut> {
        if length == 0 {
            return None;
        }
        let rest = self.bytes.split_off(length);
        let bytes = Bytes::from(std::mem::replace(&mut self.bytes, rest));
        let start = self.start;
        self.start += length as u64;
        self.before = bytes.last().copied();
        Some(Cut { bytes, start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(tail: &mut Tail, bytes: &[u8]) -> Option<(String, u64)> {
        let read = |buffer: &mut Vec<u8>| {
            buffer.extend_from_slice(bytes);
            Ok::<_, std::io::Error>(bytes.len())
        };
        text(tail.extend(bytes.len(), read).unwrap())
    }

    fn text(cut: Option<Cut>) -> Option<(String, u64)> {
        cut.map(|cut| (String::from_utf8(cut.bytes.to_vec()).unwrap(), cut.start))
    }

    fn some(text: &str, start: u64) -> Option<(String, u64)> {
        Some((text.to_owned(), start))
    }

    #[test]
    fn lines_are_cut_at_the_last_break_that_is_whole() {
        let mut tail = Tail::new(0, None);
        assert_eq!(put(&mut tail, b"a\nbc"), some("a\n", 0));
        assert_eq!(put(&mut tail, b"d\r"), None);
        assert_eq!(put(&mut tail, b"\ne\r"), some("bcd\r\n", 2));
        assert_eq!(put(&mut tail, b"f"), some("e\r", 7));
        assert_eq!((tail.start(), tail.end(), tail.len()), (9, 10, 1));
    }

    #[test]
    fn a_break_that_comes_after_its_line_was_flushed_is_no_empty_line() {
        for (late, first) in [("\n", "x\n"), ("\r\n", "x\n"), ("\r", "x\n")] {
            let mut tail = Tail::new(0, None);
            assert_eq!(put(&mut tail, b"last"), None);
            assert_eq!(text(tail.flush()), some("last", 0));
            assert_eq!(put(&mut tail, format!("{late}x\n").as_bytes()), some(first, 4 + late.len() as u64));
        }
        let mut tail = Tail::new(0, None);
        put(&mut tail, b"last");
        tail.flush();
        assert_eq!(put(&mut tail, b"\r"), None);
        assert_eq!(put(&mut tail, b"\n\nx"), some("\n", 6), "only the empty line after the late break");
    }

    #[test]
    fn a_position_and_the_byte_before_it_are_all_that_a_restart_needs() {
        assert_eq!(put(&mut Tail::new(4, Some(b't')), b"\nx\n"), some("x\n", 5));
        assert_eq!(put(&mut Tail::new(5, Some(b'\r')), b"\nx\n"), some("x\n", 6));
        assert_eq!(put(&mut Tail::new(5, Some(b'\n')), b"\nx\n"), some("\nx\n", 5));
        assert_eq!(put(&mut Tail::new(5, Some(b'\r')), b"\rx\n"), some("\rx\n", 5));
        assert_eq!(put(&mut Tail::new(0, None), b"\nx\n"), some("\nx\n", 0));
    }

    #[test]
    fn a_failed_read_leaves_what_was_there() {
        let mut tail = Tail::new(0, None);
        put(&mut tail, b"ab");
        let failed = tail.extend(8, |buffer| {
            buffer.extend_from_slice(b"torn");
            Err("disk on fire")
        });
        assert_eq!(failed, Err("disk on fire"));
        assert_eq!(put(&mut tail, b"c\n"), some("abc\n", 0));
    }

    #[test]
    fn bytes_one_at_a_time_give_the_same_lines() {
        let mut tail = Tail::new(0, None);
        let cuts: Vec<_> = b"a\r\n\rb\n\nc\r".iter().filter_map(|byte| put(&mut tail, &[*byte])).collect();
        assert_eq!(
            cuts,
            [("a\r\n".to_owned(), 0), ("\r".to_owned(), 3), ("b\n".to_owned(), 4), ("\n".to_owned(), 6)]
        );
        assert_eq!(text(tail.flush()), some("c\r", 7));
    }
}
