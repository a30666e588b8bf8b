//! Cuts a stream of bytes into frames: four bytes of length, then that many bytes.
//!
//! Invariant: the length is checked before a byte of the frame is waited or room is made for.

use bytes::{Buf, Bytes, BytesMut};

/// A length that no peer of ours may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a frame of {length} bytes was announced, at most {max} are allowed (is this a Kafka peer? HTTP and TLS look like this)"
)]
pub struct FrameError {
    /// The length as sent.
    pub length: i32,
    /// The limit.
    pub max: usize,
}

/// The length of the next frame, if its four bytes are there.
pub fn peek_length(buffer: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
    let Some((prefix, _rest)) = buffer.split_first_chunk::<4>() else { return Ok(None) };
    let length = i32::from_be_bytes(*prefix);
    match usize::try_from(length) {
        Ok(bytes) if bytes <= max => Ok(Some(bytes)),
        _ => Err(FrameError { length, max }),
    }
}

/// Takes the next whole frame, without its length, from the front of what was received; `None` if it is not all there yet,
/// after making room for the rest of it.
pub fn take_frame(buffer: &mut BytesMut, max: usize) -> Result<Option<Bytes>, FrameError> {
    let Some(length) = peek_length(buffer, max)? else { return Ok(None) };
    if buffer.len() < 4 + length {
        // Grow by what arrives, at most doubling: the announced length alone must not cost memory.
        let missing = 4 + length - buffer.len();
        buffer.reserve(missing.min(buffer.len().max(64 * 1024)));
        return Ok(None);
    }
    buffer.advance(4);
    Ok(Some(buffer.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{FrameError, take_frame};

    #[test]
    fn takes_frames_as_they_complete() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 2, 7][..]);
        assert_eq!(take_frame(&mut buffer, 10), Ok(None));
        buffer.extend_from_slice(&[8, 0, 0, 0, 0, 9]);
        assert_eq!(take_frame(&mut buffer, 10), Ok(Some(vec![7, 8].into())));
        assert_eq!(take_frame(&mut buffer, 10), Ok(Some(Vec::new().into())));
        assert_eq!(take_frame(&mut buffer, 10), Ok(None));
        assert_eq!(buffer.len(), 1);
    }

    #[test]
    fn refuses_lengths_before_waiting_for_the_bytes() {
        for (prefix, length) in [([0xff; 4], -1), ([0x7f, 0xff, 0xff, 0xff], i32::MAX), ([0, 0, 0, 11], 11)] {
            let mut buffer = BytesMut::from(&prefix[..]);
            assert_eq!(take_frame(&mut buffer, 10), Err(FrameError { length, max: 10 }));
        }
        let mut http = BytesMut::from("GET / HTTP/1.1\r\n");
        assert!(take_frame(&mut http, 100 << 20).is_err());
    }

    #[test]
    fn an_announced_length_costs_no_memory() {
        let mut buffer = BytesMut::from(&[0x06, 0x40, 0, 0][..]);
        assert_eq!(take_frame(&mut buffer, 0x0640_0000), Ok(None));
        assert!(buffer.capacity() < 1 << 20);
    }
}
