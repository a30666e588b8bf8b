//! Random messages for tests and the seeds of fuzz targets: every field of the version set to something that survives the trip.

use bytes::Bytes;
use bytestring::ByteString;

use crate::{ErrorCode, Uuid};

/// A small deterministic source of randomness (xorshift).
#[derive(Debug)]
pub(crate) struct Sampler {
    state: u64,
}

impl Sampler {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed | 1 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> usize {
        usize::try_from((self.next() >> 16) % bound).unwrap_or(0)
    }
}

/// A value for one field of a message version.
pub(crate) trait Sample: Sized {
    fn sample(sampler: &mut Sampler, version: i16) -> Self;
}

macro_rules! integers {
    ($($type:ty)*) => {$(impl Sample for $type {
        fn sample(sampler: &mut Sampler, _version: i16) -> Self {
            let bytes = sampler.next().to_le_bytes();
            Self::from_le_bytes(*bytes.first_chunk().unwrap_or(&[0; _]))
        }
    })*};
}

integers!(i8 i16 u16 i32 i64);

impl Sample for bool {
    fn sample(sampler: &mut Sampler, _version: i16) -> Self {
        sampler.below(2) == 0
    }
}

impl Sample for ErrorCode {
    fn sample(sampler: &mut Sampler, version: i16) -> Self {
        Self(i16::sample(sampler, version))
    }
}

impl Sample for Uuid {
    fn sample(sampler: &mut Sampler, version: i16) -> Self {
        let bytes: [u8; 8] = i64::sample(sampler, version).to_le_bytes();
        let mut uuid = Self::ZERO;
        uuid.0[..8].copy_from_slice(&bytes);
        uuid
    }
}

impl Sample for ByteString {
    fn sample(sampler: &mut Sampler, _version: i16) -> Self {
        let length = [0, 1, 5, 130][sampler.below(4)];
        (0..length).map(|_| ['a', 'ß', '語', '-'][sampler.below(4)]).collect::<String>().into()
    }
}

impl Sample for Bytes {
    fn sample(sampler: &mut Sampler, version: i16) -> Self {
        // The longest are long enough to be shared and not copied by the writer.
        let length = [0, 1, 200, 5000][sampler.below(4)];
        (0..length).map(|_| u8::from(bool::sample(sampler, version))).collect()
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(sampler: &mut Sampler, version: i16) -> Self {
        let length = [0, 1, 1, 2][sampler.below(4)];
        (0..length).map(|_| T::sample(sampler, version)).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(sampler: &mut Sampler, version: i16) -> Self {
        (sampler.below(3) > 0).then(|| T::sample(sampler, version))
    }
}

/// A value for a field that is null-able only in some versions.
pub(crate) fn sample_present<T: Sample>(sampler: &mut Sampler, version: i16) -> Option<T> {
    Some(T::sample(sampler, version))
}
