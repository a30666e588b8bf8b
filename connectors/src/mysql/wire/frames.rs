//! Packets out of bytes: where each lies in the buffer into which the socket is read.
//!
//! Pure. A packet is a frame of 3 bytes of length, a number and so many bytes; one of 2^24 - 1 bytes or more comes as several frames, of
//! which all but the last are full. The heads between them are closed up in place, so that every packet lies in one piece.
//! Invariants: places count from what was last taken; no frame is waited for that would take a packet beyond the limit; the
//! buffer grows with what came, so that an announced length alone costs nothing.

use std::ops::Range;

use api::Bytes;
use bytes::{BufMut, BytesMut};
use mysql_async::Result;

use super::{malformed, too_large};

/// The length of a full frame.
pub(super) const FRAME_BYTES_MAX: usize = (1 << 24) - 1;
/// The head of a frame.
const HEAD_BYTES: usize = 4;
/// What is read at once at most, while packets are small.
const READ_BYTES: usize = 256 << 10;
/// Less room than this is not worth a read.
const ROOM_BYTES_MIN: usize = 16 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: BytesMut,
    /// Where the packet begins that is not handed out yet.
    start: usize,
    /// Of that packet, the bytes of the frames that are closed up; all are full.
    joined: usize,
    /// The number of the next frame.
    sequence: u8,
    limit: usize,
}

impl Frames {
    /// An empty buffer for packets of at most so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), start: 0, joined: 0, sequence: 0, limit }
    }

    /// Sets what a packet may weigh.
    pub(super) const fn allow(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// A new exchange begins, and numbers begin anew.
    pub(super) const fn begin(&mut self) {
        self.sequence = 0;
    }

    /// The number of the next frame.
    pub(super) const fn sequence(&self) -> u8 {
        self.sequence
    }

    /// Sets the number of the next frame.
    pub(super) const fn expect(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// Whether no byte is there that was not handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.len() == self.start
    }

    /// Where the next packet lies; `None` when it is not whole yet.
    pub(super) fn next(&mut self) -> Result<Option<Range<usize>>> {
        loop {
            // A packet's first head stays where it is; each further one is closed up.
            let behind = self.start + if self.joined == 0 { 0 } else { HEAD_BYTES + self.joined };
            let Some(&[a, b, c, number]) = self.buffer.get(behind..).and_then(<[u8]>::first_chunk) else {
                return Ok(None);
            };
            let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
            if self.joined + length > self.limit {
                return Err(too_large());
            }
            if self.buffer.len() - behind < HEAD_BYTES + length {
                return Ok(None);
            }
            if number != self.sequence {
                return Err(malformed(format!("packet {number} came instead of {}", self.sequence)).into());
            }
            self.sequence = self.sequence.wrapping_add(1);
            if self.joined > 0 {
                self.buffer.copy_within(behind + HEAD_BYTES.., behind);
                self.buffer.truncate(self.buffer.len() - HEAD_BYTES);
            }
            self.joined += length;
            if length == FRAME_BYTES_MAX {
                continue;
            }
            let begin = self.start + HEAD_BYTES;
            let place = begin..begin + std::mem::take(&mut self.joined);
            self.start = place.end;
            return Ok(Some(place));
        }
    }

    /// The bytes of a packet.
    pub(super) fn payload(&self, place: &Range<usize>) -> &[u8] {
        self.buffer.get(place.clone()).unwrap_or_default()
    }

    /// Everything that was handed out since this was last called; places count anew.
    pub(super) fn take(&mut self) -> Bytes {
        self.buffer.split_to(std::mem::take(&mut self.start)).freeze()
    }

    /// Where to read to. For a large packet the room doubles with what came of it.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        let waiting = self.buffer.len() - self.start;
        if self.buffer.chunk_mut().len() < ROOM_BYTES_MIN || self.buffer.capacity() == self.buffer.len() {
            self.buffer.reserve(READ_BYTES.max(waiting));
        }
        &mut self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap();
        let mut bytes = length.to_le_bytes()[..3].to_vec();
        bytes.push(number);
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Hands the bytes in so many at a time and gives the packets that come out.
    fn packets(bytes: &[u8], step: usize, limit: usize) -> Result<Vec<Bytes>> {
        let mut frames = Frames::new(limit);
        let mut found = Vec::new();
        for part in bytes.chunks(step) {
            let mut part = part;
            while !part.is_empty() {
                let room = frames.room();
                let fits = room.chunk_mut().len().min(part.len());
                let (now, later) = part.split_at(fits);
                room.put_slice(now);
                part = later;
            }
            while let Some(place) = frames.next()? {
                let packet = frames.payload(&place).to_vec();
                assert_eq!(frames.take().slice(place), packet);
                found.push(packet.into());
            }
        }
        assert!(frames.is_empty());
        Ok(found)
    }

    #[test]
    fn packets_come_out_whole_however_they_are_cut() {
        let bytes = [frame(0, b"one"), frame(1, b""), frame(2, &[7; 300])].concat();
        for step in [1, 2, 3, 5, 7, 300, 1000] {
            let found = packets(&bytes, step, 1000).unwrap();
            assert_eq!(found, [Bytes::from_static(b"one"), Bytes::new(), vec![7; 300].into()], "{step}");
        }
    }

    #[test]
    fn frames_of_a_large_packet_are_joined_and_what_follows_is_kept() {
        let (full, rest) = (vec![1; FRAME_BYTES_MAX], vec![2; 5]);
        let bytes = [
            frame(0, &full),
            frame(1, &full),
            frame(2, &rest),
            frame(3, b"next"),
            frame(4, &full),
            frame(5, b""),
        ];
        for step in [100_003, 1 << 25] {
            let found = packets(&bytes.concat(), step, 1 << 30).unwrap();
            assert_eq!(found.len(), 3);
            assert_eq!(found[0], [&*full, &*full, &*rest].concat());
            assert_eq!(found[1], "next");
            assert_eq!(found[2], full, "a packet of full frames ends with an empty one");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes_come() {
        let mut frames = Frames::new(1 << 10);
        frames.room().put_slice(&[0xFF, 0xFF, 0xFF, 0]);
        assert!(frames.next().unwrap_err().to_string().contains("too large"));
        // In pieces as well: each frame is allowed, their sum is not.
        let full = frame(0, &vec![0; FRAME_BYTES_MAX]);
        let mut frames = Frames::new(FRAME_BYTES_MAX + 10);
        frames.room().put_slice(&full);
        frames.room().put_slice(&[11, 0, 0, 1]);
        assert!(frames.next().is_err());
    }

    #[test]
    fn an_announced_length_alone_costs_no_memory() {
        let mut frames = Frames::new(1 << 30);
        frames.room().put_slice(&[0xFF, 0xFF, 0xFF, 0]);
        assert!(frames.next().unwrap().is_none());
        assert!(frames.room().capacity() < 2 * READ_BYTES + ROOM_BYTES_MIN);
    }

    #[test]
    fn a_packet_out_of_turn_is_refused() {
        let error = packets(&[frame(0, b"a"), frame(2, b"b")].concat(), 100, 100).unwrap_err();
        assert!(error.to_string().contains("packet 2 came instead of 1"), "{error}");
    }
}
