//! Whom a client's certificate names: the common name of its subject.
//!
//! The DER comes from certificates whose chain was verified; lengths are checked all the same. Invariant: what cannot be read
//! names nobody.

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const VERSION: u8 = 0xa0;

/// The attribute `CN`: 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 4, 3];

/// Texts that are UTF-8 or a part of it: UTF8String, PrintableString, IA5String.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

/// The most specific common name of a certificate in DER; `None` if it has none that is text.
pub(super) fn common_name(certificate: &[u8]) -> Option<String> {
    let (certificate, _) = of(SEQUENCE, certificate)?;
    let (mut fields, _) = of(SEQUENCE, certificate)?;
    if fields.first() == Some(&VERSION) {
        fields = next(fields)?.2;
    }
    // Serial number, signature algorithm, issuer, validity.
    for _ in 0..4 {
        fields = next(fields)?.2;
    }
    let (mut subject, _) = of(SEQUENCE, fields)?;
    let mut found = None;
    while !subject.is_empty() {
        let (mut part, rest) = of(SET, subject)?;
        subject = rest;
        while !part.is_empty() {
            let (attribute, rest) = of(SEQUENCE, part)?;
            part = rest;
            let (kind, value) = of(OBJECT_IDENTIFIER, attribute)?;
            if kind == COMMON_NAME {
                let (tag, text, _) = next(value)?;
                let text = TEXTS.contains(&tag).then_some(text)?;
                found = Some(std::str::from_utf8(text).ok()?.to_owned());
            }
        }
    }
    found.filter(|name| !name.is_empty())
}

/// The element at the front, which must have this tag, and what follows it.
fn of(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, value, rest) = next(der)?;
    (found == tag).then_some((value, rest))
}

/// The element at the front: its tag, its value, and what follows it.
fn next(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let value = parts.concat();
        [&[tag, u8::try_from(value.len()).unwrap()], &*value].concat()
    }

    fn certificate(tag: u8, name: &[u8]) -> Vec<u8> {
        let attribute = |kind: &[u8], tag, text| {
            element(
                SET,
                &[&element(SEQUENCE, &[&element(OBJECT_IDENTIFIER, &[kind]), &element(tag, &[text])])],
            )
        };
        let subject = element(
            SEQUENCE,
            &[&attribute(&[0x55, 4, 10], 0x0c, b"Shop"), &attribute(&COMMON_NAME, tag, name)],
        );
        let before = element(2, &[&[1]]).repeat(4);
        element(SEQUENCE, &[&element(SEQUENCE, &[&element(VERSION, &[&[2]]), &before, &subject])])
    }

    #[test]
    fn the_common_name_is_found_and_what_is_cut_names_nobody() {
        let whole = certificate(0x0c, "alice ü".as_bytes());
        assert_eq!(common_name(&whole).as_deref(), Some("alice ü"));
        for end in 0..whole.len() {
            assert_eq!(common_name(&whole[..end]), None, "cut at {end}");
        }
        assert_eq!(common_name(&certificate(0x0c, b"\xff")), None);
        assert_eq!(common_name(&certificate(0x1e, b"al")), None, "no text that is UTF-8");
        assert_eq!(common_name(&certificate(0x13, b"")), None);
    }
}
