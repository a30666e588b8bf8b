//! MariaDB's UUID, INET4 and INET6: fixed strings of bytes in the binlog, text in a snapshot.
//!
//! Invariant: what comes out is what the server prints. Source: MariaDB's plugin/type_uuid/sql_type_uuid.h (segments are
//! stored last first, unless it is a version from 6 on, which sorts by itself) and plugin/type_inet.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A UUID's text from its 16 bytes; zeros at the end may be missing.
pub(crate) fn uuid(bytes: &[u8]) -> Option<String> {
    let stored = padded::<16>(bytes)?;
    // A stored UUID of version 1 to 5 has its last segment first: its variant bits are where others have a node.
    let swapped = stored[6] & 0xf0 == 0 || stored[8] & 0x80 == 0;
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
