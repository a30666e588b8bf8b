//! MariaDB's UUID, INET4 and INET6: fixed strings of bytes in the binlog, text in a snapshot.
//!
//! Invariant: what comes out is what the server prints. Source: MariaDB's plugin/type_uuid/sql_type_uuid.h (segments are
//! stored last first where the version is 1 to 5 and the variant's first bit is set; all else as it is) and plugin/type_inet.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A UUID's text from its 16 bytes; zeros at the end may be missing.
pub(crate) fn uuid(bytes: &[u8]) -> Option<String> {
    let stored = padded::<16>(bytes)?;
    // Turned around, the variant stands in byte 6 and the version at the head of byte 8.
    let swapped = stored[6] & 0x80 != 0 && (0x01..=0x5f).contains(&stored[8]);
    let mut record = stored;
    if swapped {
        record[10..].copy_from_slice(&stored[..6]);
        record[8..10].copy_from_slice(&stored[6..8]);
        record[6..8].copy_from_slice(&stored[8..10]);
        record[4..6].copy_from_slice(&stored[10..12]);
        record[..4].copy_from_slice(&stored[12..]);
    }
    let hex: String = record.iter().map(|byte| format!("{byte:02x}")).collect();
    let segments = [hex.get(..8)?, hex.get(8..12)?, hex.get(12..16)?, hex.get(16..20)?, hex.get(20..)?];
    Some(segments.join("-"))
}

/// An IPv4 address' text from its 4 bytes.
pub(crate) fn inet4(bytes: &[u8]) -> Option<String> {
    Some(Ipv4Addr::from(padded::<4>(bytes)?).to_string())
}

/// An IPv6 address' text from its 16 bytes.
pub(crate) fn inet6(bytes: &[u8]) -> Option<String> {
    Some(Ipv6Addr::from(padded::<16>(bytes)?).to_string())
}

/// The server cuts spaces' worth of zeros off the end of fixed strings.
fn padded<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut all = [0; N];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each was stored by MariaDB 10.11 and read back from its binlog.
    #[test]
    fn uuids_are_turned_around_by_version_and_variant() {
        let stored = |hex: &str| -> Vec<u8> {
            let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
            let text = |pair: &[u8]| String::from_utf8(pair.to_vec()).unwrap();
            digits.chunks(2).map(|pair| u8::from_str_radix(&text(pair), 16).unwrap()).collect()
        };
        for (record, text) in [
            ("426655440000-a456-12d3-e89b-123e4567", "123e4567-e89b-12d3-a456-426655440000"),
            ("018f3c6e-1b2a-7c3d-9e4f-0123456789ab", "018f3c6e-1b2a-7c3d-9e4f-0123456789ab"),
            ("018f3c6e-1b2a-7c3d-1e4f-0123456789ab", "018f3c6e-1b2a-7c3d-1e4f-0123456789ab"),
            ("00000000-0000-1000-0000-000000000001", "00000000-0000-1000-0000-000000000001"),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
        ] {
            assert_eq!(uuid(&stored(record)).as_deref(), Some(text));
        }
    }
}
