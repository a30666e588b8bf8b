//! Character sets: from a column's bytes in the binlog to UTF-8.
//!
//! Resolved once per column; on the hot path a UTF-8 column's text stays a slice of the packet. Invariant: decoding never
//! fails; bytes that are no text in their character set become U+FFFD, as Debezium writes them. Sources: MySQL's "Supported
//! Character Sets and Collations"; collation numbers from the information_schema of MySQL 9.7 and MariaDB 10.11.

use std::borrow::Cow;

use api::{Bytes, Text};
use encoding_rs::Encoding;

use super::charset_tables::UPPER_HALVES;

/// How a column's bytes become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8 or a part of it: `utf8mb4`, `utf8mb3`, `ascii`.
    Utf8,
    /// Every byte is the character of its number: `binary`.
    Bytes,
    /// UTF-16, most significant byte first: `utf16`, `ucs2`.
    Utf16,
    /// UTF-32, most significant byte first: `utf32`.
    Utf32,
    /// One of the Encoding Standard's.
    Standard(&'static Encoding),
    /// A single-byte set with this upper half.
    Table(&'static str),
}

impl Charset {
    /// The character set of this MySQL name. Names that are unknown read as UTF-8, as in Debezium.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        use encoding_rs as e;
        Self::Standard(match name.to_ascii_lowercase().as_str() {
            "binary" => return Self::Bytes,
            "utf16" | "ucs2" => return Self::Utf16,
            "utf32" => return Self::Utf32,
            // MySQL's latin1 is Windows' code page: it has the euro sign.
            "latin1" => e::WINDOWS_1252,
            "latin2" => e::ISO_8859_2,
            "latin5" => e::WINDOWS_1254,
            "latin7" => e::ISO_8859_13,
            "greek" => e::ISO_8859_7,
            "hebrew" => e::ISO_8859_8,
            "cp1250" => e::WINDOWS_1250,
            "cp1251" => e::WINDOWS_1251,
            "cp1256" => e::WINDOWS_1256,
            "cp1257" => e::WINDOWS_1257,
            "cp866" => e::IBM866,
            "koi8r" => e::KOI8_R,
            "koi8u" => e::KOI8_U,
            "macroman" => e::MACINTOSH,
            "tis620" => e::WINDOWS_874,
            "big5" => e::BIG5,
            "gb2312" | "gbk" => e::GBK,
            "gb18030" => e::GB18030,
            "sjis" | "cp932" => e::SHIFT_JIS,
            "ujis" | "eucjpms" => e::EUC_JP,
            "euckr" => e::EUC_KR,
            "utf16le" => e::UTF_16LE,
            other => {
                let table = UPPER_HALVES.iter().find(|(name, _)| *name == other);
                return table.map_or(Self::Utf8, |(_, upper)| Self::Table(upper));
            }
        })
    }

    /// Decodes a cell. Valid UTF-8 of a UTF-8 column is not copied.
    #[must_use]
    pub fn decode(self, bytes: Bytes) -> Text {
        match self {
            Self::Utf8 => match Text::try_from(bytes.clone()) {
                Ok(text) => text,
                Err(_) => String::from_utf8_lossy(&bytes).into_owned().into(),
            },
            _ if bytes.is_ascii() && self.keeps_ascii() => {
                Text::try_from(bytes).unwrap_or_else(|error| error.to_string().into())
            }
            _ => self.decode_slice(&bytes).into_owned().into(),
        }
    }

    /// Decodes bytes that are not shared.
    #[must_use]
    pub fn decode_slice(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes),
            Self::Bytes => bytes.iter().copied().map(char::from).collect::<String>().into(),
            Self::Utf16 => {
                let units =
                    bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
                char::decode_utf16(units)
                    .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect::<String>()
                    .into()
            }
            Self::Utf32 => {
                let number =
                    |unit: &[u8]| unit.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
                let character = |unit| char::from_u32(number(unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
                bytes.chunks(4).map(character).collect::<String>().into()
            }
            Self::Standard(encoding) => encoding.decode_without_bom_handling(bytes).0,
            Self::Table(upper) => {
                bytes.iter().map(|byte| from_table(upper, *byte)).collect::<String>().into()
            }
        }
    }

    /// Whether bytes below 0x80 mean the same as in ASCII.
    fn keeps_ascii(self) -> bool {
        match self {
            Self::Utf8 | Self::Bytes | Self::Table(_) => true,
            Self::Utf16 | Self::Utf32 => false,
            Self::Standard(encoding) => encoding.is_ascii_compatible(),
        }
    }
}

fn from_table(upper: &str, byte: u8) -> char {
    match byte.checked_sub(0x80) {
        None => char::from(byte),
        Some(place) => upper.chars().nth(usize::from(place)).unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

/// The name of the character set that a collation's name begins with; `None` for names that go with several sets, such
/// as MariaDB's `uca1400_ai_ci`.
#[must_use]
pub fn charset_of_collation(collation: &str) -> Option<String> {
    let lower = collation.to_ascii_lowercase();
    let prefix = lower.split('_').next().unwrap_or_default();
    (prefix != "uca1400" && prefix != "default").then(|| charset_name(prefix))
}

/// A character set's name as the server shows it: `utf8` is `utf8mb3`.
#[must_use]
pub fn charset_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    if lower == "utf8" { "utf8mb3".to_owned() } else { lower }
}

/// The character set of a collation's number in row metadata; `None` for numbers that neither server has.
#[must_use]
pub const fn charset_of_collation_id(id: u16) -> Option<&'static str> {
    // MariaDB's copies without padding stand 1024 above the originals.
    let plain = if id > 1024 && id < 1124 { id - 1024 } else { id };
    Some(match plain {
        1 | 84 => "big5",
        2 | 9 | 21 | 27 | 77 => "latin2",
        3 | 69 => "dec8",
        4 | 80 => "cp850",
        5 | 8 | 15 | 31 | 47..=49 | 94 => "latin1",
        6 | 72 => "hp8",
        7 | 74 => "koi8r",
        10 | 82 => "swe7",
        11 | 65 => "ascii",
        12 | 91 => "ujis",
        13 | 88 => "sjis",
        14 | 23 | 50..=52 => "cp1251",
        16 | 71 => "hebrew",
        18 | 89 => "tis620",
        19 | 85 => "euckr",
        20 | 41 | 42 | 79 => "latin7",
        22 | 75 => "koi8u",
        24 | 86 => "gb2312",
        25 | 70 => "greek",
        26 | 34 | 44 | 66 | 99 => "cp1250",
        28 | 87 => "gbk",
        29 | 58 | 59 => "cp1257",
        30 | 78 => "latin5",
        32 | 64 => "armscii8",
        33 | 76 | 83 | 192..=223 | 576..=578 | 1216..=1238 | 2048..=2303 => "utf8mb3",
        35 | 90 | 128..=159 | 640..=642 | 1152..=1174 | 2560..=2815 => "ucs2",
        36 | 68 => "cp866",
        37 | 73 => "keybcs2",
        38 | 43 => "macce",
        39 | 53 => "macroman",
        40 | 81 => "cp852",
        45 | 46 | 224..=247 | 255..=323 | 608..=610 | 1248..=1270 | 2304..=2559 => "utf8mb4",
        54 | 55 | 101..=124 | 672..=674 | 1125..=1147 | 2816..=3071 => "utf16",
        56 | 62 => "utf16le",
        57 | 67 => "cp1256",
        60 | 61 | 160..=183 | 736..=738 | 1184..=1206 | 3072..=3327 => "utf32",
        63 => "binary",
        92 | 93 => "geostd8",
        95 | 96 => "cp932",
        97 | 98 => "eucjpms",
        248..=250 => "gb18030",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin1_has_the_euro_and_ascii_is_not_copied() {
        let latin1 = Charset::of_name("latin1");
        assert_eq!(&*latin1.decode(Bytes::from_static(b"caf\xe9 \x80")), "café €");
        let plain = Bytes::from_static(b"plain");
        assert_eq!(latin1.decode(plain.clone()).as_bytes().as_ptr(), plain.as_ptr());
    }

    #[test]
    fn wide_and_tabled_sets_decode() {
        assert_eq!(
            &*Charset::of_name("utf16").decode(Bytes::from_static(&[0, 0x7a, 0xd8, 0x3d, 0xde, 0])),
            "z😀"
        );
        assert_eq!(&*Charset::of_name("utf32").decode(Bytes::from_static(&[0, 0, 3, 0xc9])), "ω");
        assert_eq!(&*Charset::of_name("cp850").decode(Bytes::from_static(b"caf\x82")), "café");
        assert_eq!(&*Charset::of_name("koi8u").decode(Bytes::from_static(b"\xb7")), "Ї");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_never_refused() {
        for name in ["utf8mb4", "ucs2", "utf32", "gbk", "sjis", "cp852", "binary", "dec8"] {
            let text = Charset::of_name(name).decode(Bytes::from_static(b"a\xff\xfe\x80"));
            assert!(!text.is_empty(), "{name}");
        }
    }

    #[test]
    fn collations_know_their_character_sets() {
        assert_eq!(charset_of_collation("latin1_german1_ci").as_deref(), Some("latin1"));
        assert_eq!(charset_of_collation("utf8_bin").as_deref(), Some("utf8mb3"));
        assert_eq!(charset_of_collation("binary").as_deref(), Some("binary"));
        assert_eq!(charset_of_collation("uca1400_ai_ci"), None);
        assert_eq!(charset_of_collation_id(255), Some("utf8mb4"));
        assert_eq!(charset_of_collation_id(1032), Some("latin1"));
        assert_eq!(charset_of_collation_id(9999), None);
    }
}
