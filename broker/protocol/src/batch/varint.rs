//! Zigzag variable-length integers, as records use them.

use super::error::RecordFault;

/// Takes a signed 32-bit integer from the front of `bytes`.
#[inline]
pub(crate) fn take_i32(bytes: &mut &[u8]) -> Result<i32, RecordFault> {
    let value = take_raw(bytes, 5)?;
    let Ok(value) = u32::try_from(value) else { return Err(RecordFault::VarintTooLong) };
    Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

/// Takes a signed 64-bit integer.
#[inline]
pub(crate) fn take_i64(bytes: &mut &[u8]) -> Result<i64, RecordFault> {
    let value = take_raw(bytes, 10)?;
    Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

#[inline]
fn take_raw(bytes: &mut &[u8], bytes_max: u32) -> Result<u64, RecordFault> {
    let mut value = 0_u64;
    for index in 0..bytes_max {
        let Some((byte, rest)) = bytes.split_first() else { return Err(RecordFault::Truncated) };
        *bytes = rest;
        if index == 9 && *byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(RecordFault::VarintTooLong)
}

#[inline]
fn zigzag(value: i64) -> u64 {
    (value << 1).cast_unsigned() ^ (value >> 63).cast_unsigned()
}

/// Appends a signed integer.
#[inline]
pub(crate) fn put(buffer: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        buffer.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    buffer.push(rest.to_le_bytes()[0]);
}

/// How many bytes [`put`] appends.
#[inline]
pub(crate) fn size(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros();
    // At most ten, so the conversion cannot fail.
    usize::try_from(bits.div_ceil(7)).unwrap_or(10)
}

#[cfg(test)]
mod tests {
    use super::{put, size, take_i32, take_i64};
    use crate::batch::error::RecordFault;

    #[test]
    fn every_width_survives_the_trip() {
        for shift in 0..64 {
            for value in [1_i64 << shift, -(1_i64 << shift.min(62)), (1_i64 << shift).wrapping_sub(1)] {
                let mut buffer = Vec::new();
                put(&mut buffer, value);
                assert_eq!(buffer.len(), size(value), "{value}");
                let mut rest = &buffer[..];
                assert_eq!(take_i64(&mut rest), Ok(value));
                assert!(rest.is_empty());
                let narrow = take_i32(&mut &buffer[..]);
                assert_eq!(narrow.ok().map(i64::from), i32::try_from(value).ok().map(i64::from), "{value}");
            }
        }
    }

    #[test]
    fn endless_and_cut_integers_are_errors() {
        assert_eq!(take_i32(&mut &[0xff; 9][..]), Err(RecordFault::VarintTooLong));
        assert_eq!(take_i64(&mut &[0xff; 20][..]), Err(RecordFault::VarintTooLong));
        assert_eq!(take_i64(&mut &[0x80][..]), Err(RecordFault::Truncated));
    }
}
