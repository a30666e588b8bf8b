//! A certificate's subject as text, the way Java writes it (`X500Principal.getName()`, RFC 2253), for ACLs that were written for Kafka.
//!
//! Two different subjects never give the same text: separators within values are escaped, and what is no text is shown as its bytes.
//! The DER comes from certificates whose chain was verified; lengths are checked all the same.

use std::fmt::Write as _;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const VERSION: u8 = 0xa0;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const GENERAL_STRING: u8 = 0x1b;
const BMP_STRING: u8 = 0x1e;

/// The attributes that RFC 2253 names; all others are shown by their numbers.
const NAMES: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// The subject of a certificate in DER.
///
/// # Errors
/// What does not look like a certificate.
pub(crate) fn subject(certificate: &[u8]) -> Result<String, String> {
    let (certificate, _) = Element::of(SEQUENCE, certificate)?;
    let (mut fields, _) = Element::of(SEQUENCE, certificate.value)?;
    if fields.value.first() == Some(&VERSION) {
        fields.value = Element::next(fields.value)?.1;
    }
    // serial number, signature algorithm, issuer, validity
    for _ in 0..4 {
        fields.value = Element::next(fields.value)?.1;
    }
    let (subject, _) = Element::of(SEQUENCE, fields.value)?;
    name(subject.value)
}

/// A value with its tag.
struct Element<'a> {
    tag: u8,
    value: &'a [u8],
    /// Tag, length and value.
    whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// The element at the front, and what follows it.
    fn next(der: &'a [u8]) -> Result<(Self, &'a [u8]), String> {
        let cut_short = || "the certificate's DER ends early".to_owned();
        let (&[tag, first], rest) = der.split_first_chunk::<2>().ok_or_else(cut_short)?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or_else(cut_short)?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return Err("the certificate's DER has a length that cannot be".to_owned()),
        };
        let (value, after) = rest.split_at_checked(length).ok_or_else(cut_short)?;
        let whole = der.get(..der.len() - after.len()).ok_or_else(cut_short)?;
        Ok((Self { tag, value, whole }, after))
    }

    fn of(tag: u8, der: &'a [u8]) -> Result<(Self, &'a [u8]), String> {
        match Self::next(der)? {
            (element, rest) if element.tag == tag => Ok((element, rest)),
            (element, _) => {
                Err(format!("the certificate has tag {:#x} where {tag:#x} is expected", element.tag))
            }
        }
    }
}

/// A name: the most specific part first, as RFC 2253 has it and DER has not.
fn name(mut der: &[u8]) -> Result<String, String> {
    let mut parts = Vec::new();
    while !der.is_empty() {
        let (part, rest) = Element::of(SET, der)?;
        parts.push(relative_name(part.value)?);
        der = rest;
    }
    parts.reverse();
    Ok(parts.join(","))
}

fn relative_name(mut der: &[u8]) -> Result<String, String> {
    let mut attributes = Vec::new();
    while !der.is_empty() {
        let (attribute, rest) = Element::of(SEQUENCE, der)?;
        let (kind, value) = Element::of(OBJECT_IDENTIFIER, attribute.value)?;
        let (value, _) = Element::next(value)?;
        attributes.push(attribute_text(&dotted(kind.value), &value));
        der = rest;
    }
    Ok(attributes.join("+"))
}

fn attribute_text(kind: &str, value: &Element<'_>) -> String {
    let known = NAMES.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name);
    match (known, text(value)) {
        (Some(name), Some(text)) => format!("{name}={}", escape(&text)),
        (name, _) => {
            let mut shown = format!("{}=#", name.unwrap_or(kind));
            for byte in value.whole {
                // Writing to a String cannot fail.
                write!(shown, "{byte:02x}").unwrap_or_default();
            }
            shown
        }
    }
}

fn text(element: &Element<'_>) -> Option<String> {
    match element.tag {
        UTF8_STRING | PRINTABLE_STRING | IA5_STRING | GENERAL_STRING => {
            String::from_utf8(element.value.to_vec()).ok()
        }
        TELETEX_STRING => Some(element.value.iter().map(|byte| char::from(*byte)).collect()),
        BMP_STRING => {
            let (units, rest) = element.value.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            rest.is_empty().then(|| String::from_utf16(&units).ok())?
        }
        _ => None,
    }
}

fn escape(value: &str) -> String {
    let body = value.trim_matches(' ');
    let leading = value.len() - value.trim_start_matches(' ').len();
    let trailing = if body.is_empty() { 0 } else { value.len() - value.trim_end_matches(' ').len() };
    let mut escaped = "\\ ".repeat(leading);
    for character in body.chars() {
        match character {
            ',' | '=' | '+' | '<' | '>' | '#' | ';' | '"' | '\\' => escaped.extend(['\\', character]),
            '\0' => escaped.push_str("\\00"),
            _ => escaped.push(character),
        }
    }
    escaped + &"\\ ".repeat(trailing)
}

fn dotted(identifier: &[u8]) -> String {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number: u64 = 0;
    for byte in identifier {
        number = number.wrapping_shl(7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let root = (number / 40).min(2);
                numbers.extend([root, number - root * 40]);
            } else {
                numbers.push(number);
            }
            number = 0;
        }
    }
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, value: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(value.len()).unwrap()], value].concat()
    }

    fn attribute(kind: &[u8], tag: u8, value: &str) -> Vec<u8> {
        let inner = [element(OBJECT_IDENTIFIER, kind), element(tag, value.as_bytes())].concat();
        element(SEQUENCE, &inner)
    }

    const CN: &[u8] = &[0x55, 4, 3];
    const O: &[u8] = &[0x55, 4, 10];
    const UID: &[u8] = &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1];
    const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];

    /// What `new X500Principal(..).getName()` of a JDK prints.
    #[test]
    fn names_are_written_as_java_writes_them() {
        let der = [
            element(SET, &attribute(&[0x55, 4, 6], PRINTABLE_STRING, "US")),
            element(SET, &attribute(O, UTF8_STRING, "Sun Microsystems")),
            element(SET, &attribute(&[0x55, 4, 11], UTF8_STRING, "JavaSoft")),
            element(SET, &attribute(CN, UTF8_STRING, "Duke")),
        ];
        assert_eq!(name(&der.concat()).unwrap(), "CN=Duke,OU=JavaSoft,O=Sun Microsystems,C=US");
        let der = [
            element(SET, &attribute(O, PRINTABLE_STRING, "x,y+z")),
            element(SET, &attribute(CN, UTF8_STRING, "a=b#c")),
        ];
        assert_eq!(name(&der.concat()).unwrap(), "CN=a\\=b\\#c,O=x\\,y\\+z");
        let der = [
            element(SET, &attribute(CN, UTF8_STRING, "x")),
            element(SET, &attribute(EMAIL, IA5_STRING, "a@b.c")),
        ];
        assert_eq!(name(&der.concat()).unwrap(), "1.2.840.113549.1.9.1=#16056140622e63,CN=x");
        let two = [attribute(CN, UTF8_STRING, "a"), attribute(UID, UTF8_STRING, "u")].concat();
        assert_eq!(name(&element(SET, &two)).unwrap(), "CN=a+UID=u");
        let odd = element(SET, &attribute(CN, UTF8_STRING, "  #h\\;<>\" "));
        assert_eq!(name(&odd).unwrap(), "CN=\\ \\ \\#h\\\\\\;\\<\\>\\\"\\ ");
    }

    #[test]
    fn der_that_is_cut_or_wrong_is_refused() {
        let whole = element(SET, &attribute(CN, UTF8_STRING, "a"));
        for end in 1..whole.len() {
            assert!(name(&whole[..end]).is_err(), "cut at {end}");
        }
        for bytes in [&[0x30, 0x84, 1, 1, 1, 1][..], &[0x30, 0x80], &[0x31, 0], &[]] {
            assert!(subject(bytes).is_err(), "{bytes:?}");
        }
    }
}
