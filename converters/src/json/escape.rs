//! JSON texts as Jackson writes them: short escapes where JSON has them, `\u00XX` for other control characters, and characters beyond
//! U+FFFF as two escaped surrogates; all else as UTF-8.
//!
//! On the hot path: eight bytes are looked at together, and a text without anything to escape is copied in one piece.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
const HEXADECIMAL: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `text` in quotation marks.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        text.chars().for_each(|character| write_character(character, out));
    }
    out.push(b'"');
}

/// How many bytes at the front need no look when read: no quotation mark, backslash or control character.
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let plain = chunks.iter().take_while(|chunk| is_unescaped_word(u64::from_le_bytes(**chunk))).count();
    let rest = if plain == chunks.len() { rest } else { &chunks[plain] };
    plain * 8 + rest.iter().take_while(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\')).count()
}

/// Whether no byte needs an escape.
fn is_plain(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<8>();
    chunks.iter().all(|chunk| is_plain_word(u64::from_le_bytes(*chunk)))
        && rest.iter().all(|byte| is_plain_byte(*byte))
}

/// The tests of [`is_plain_byte`] on eight bytes at once: each leaves a high bit in some byte exactly if a byte fails it.
const fn is_plain_word(word: u64) -> bool {
    let four_bytes = word & (word << 1) & (word << 2) & (word << 3);
    is_unescaped_word(word) && four_bytes & HIGHS == 0
}

/// No control character, quotation mark or backslash among eight bytes.
const fn is_unescaped_word(word: u64) -> bool {
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = word ^ (ONES * b'"' as u64);
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = word ^ (ONES * b'\\' as u64);
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & HIGHS == 0
}

/// Not a control character, quotation mark, backslash, nor the first byte of a character beyond U+FFFF.
const fn is_plain_byte(byte: u8) -> bool {
    !matches!(byte, 0..0x20 | b'"' | b'\\' | 0xF0..)
}

fn write_character(character: char, out: &mut Vec<u8>) {
    let short = match character {
        '"' => b'"',
        '\\' => b'\\',
        '\u{8}' => b'b',
        '\t' => b't',
        '\n' => b'n',
        '\u{c}' => b'f',
        '\r' => b'r',
        '\0'..' ' | '\u{10000}'.. => {
            let mut units = [0; 2];
            return character.encode_utf16(&mut units).iter().for_each(|unit| write_unit(*unit, out));
        }
        other => return out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn write_unit(unit: u16, out: &mut Vec<u8>) {
    let digit = |shift: u16| HEXADECIMAL[usize::from((unit >> shift) & 0xF)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_string(text, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    /// The expected text is what Kafka Connect 4.3 wrote.
    #[test]
    fn escapes_are_jacksons() {
        let controls: String = ('\0'..=' ').collect();
        let expected = r#"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000B\f\r\u000E\u000F\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001A\u001B\u001C\u001D\u001E\u001F "#;
        assert_eq!(written(&controls), format!("\"{expected}\""));
        let rest = "\"\\/\u{7f}\u{80}äß\u{2028}😀<>&'";
        assert_eq!(written(rest), "\"\\\"\\\\/\u{7f}\u{80}äß\u{2028}\\uD83D\\uDE00<>&'\"");
    }

    #[test]
    fn eight_bytes_at_once_find_what_one_at_a_time_finds() {
        for byte in 0..=255_u8 {
            for place in 0..8 {
                for filler in [b'a', 0x20, 0x7f, 0xEF, 0x80, b'"' + 1, b'\\' + 1] {
                    let mut chunk = [filler; 8];
                    chunk[place] = byte;
                    assert_eq!(
                        is_plain_word(u64::from_le_bytes(chunk)),
                        is_plain_byte(byte),
                        "{byte:#x} at {place} among {filler:#x}"
                    );
                }
            }
        }
    }
}
