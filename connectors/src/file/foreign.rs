//! Positions of Kafka Connect's own file source, which count characters, where ours count bytes.
//!
//! Once, when a task goes on from an offset that Connect wrote. Java counts UTF-16 units of what it has read since it began; in an ASCII
//! file these are bytes. Since a user may have set a position in bytes, too (Connect skips bytes when it starts), the reading that falls on
//! the start of a line is believed, characters first. Invariant: in a file that Connect has read from its start, the byte after
//! the last line that it has read is found, whatever the characters.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// How much is looked at, at once.
const BLOCK_BYTES: usize = 64 << 10;

/// The byte that a position of Kafka Connect's means.
pub(super) fn byte_position(file: &File, position: u64) -> io::Result<u64> {
    match after_characters(file, position)? {
        Some(bytes) if bytes != position && is_line_start(file, bytes)? => {
            tracing::info!(
                position,
                bytes,
                "The stored position counts characters, as Kafka Connect does: going on after as many."
            );
            Ok(bytes)
        }
        _ => Ok(position),
    }
}

/// The byte behind this many UTF-16 units; `None` when the file has fewer, or the count ends within a character.
fn after_characters(file: &File, units: u64) -> io::Result<Option<u64>> {
    let mut block = vec![0; BLOCK_BYTES];
    let (mut counted, mut offset) = (0, 0);
    loop {
        let length = file.read_at(&mut block, offset)?;
        for byte in block.iter().take(length) {
            let width = match byte {
                // A byte within a character counted with its first one.
                0x80..=0xbf => 0,
                0xf0..=0xff => 2,
                _ => 1,
            };
            if width > 0 && counted >= units {
                return Ok((counted == units).then_some(offset));
            }
            counted += width;
            offset += 1;
        }
        if length == 0 {
            return Ok((counted == units).then_some(offset));
        }
    }
}

fn is_line_start(file: &File, offset: u64) -> io::Result<bool> {
    let Some(before) = offset.checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, before)?;
    Ok(matches!(byte[0], b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn found(text: &str, position: u64) -> u64 {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        byte_position(&file, position).unwrap()
    }

    #[test]
    fn characters_are_counted_as_java_counts_them() {
        let text = "grüße €\n漢字 😀\nlast\n";
        let units = |lines: &str| u64::try_from(lines.encode_utf16().count()).unwrap();
        for lines in ["", "grüße €\n", "grüße €\n漢字 😀\n", text] {
            assert_eq!(found(text, units(lines)), u64::try_from(lines.len()).unwrap(), "{lines:?}");
        }
        let long = "é\n".repeat(BLOCK_BYTES);
        assert_eq!(found(&long, 2 * 50_000), 3 * 50_000, "beyond a block");
    }

    #[test]
    fn bytes_are_believed_where_characters_make_no_sense() {
        assert_eq!(found("ascii\nonly\n", 6), 6);
        // 4 bytes are the first line; 4 characters end within the second.
        assert_eq!(found("éa\nbb\n", 4), 4);
        assert_eq!(found("short\n", 100), 100, "a file that is shorter is for others to judge");
    }
}
