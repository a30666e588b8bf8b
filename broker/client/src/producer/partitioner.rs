//! Which partition a record goes to: the key's murmur2 hash as Kafka's clients compute it, so that all clients agree; without a
//! key the partitions take turns.

/// Kafka's seed.
const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;

/// MurmurHash2, 32 bits, as in Kafka's `Utils.murmur2`.
pub(crate) fn murmur2(bytes: &[u8]) -> u32 {
    // Kafka works with 32-bit lengths; longer keys cannot be in a record.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let (blocks, tail) = bytes.as_chunks::<4>();
    for block in blocks {
        let mut word = u32::from_le_bytes(*block).wrapping_mul(MULTIPLIER);
        word ^= word >> 24;
        hash = hash.wrapping_mul(MULTIPLIER) ^ word.wrapping_mul(MULTIPLIER);
    }
    for (index, byte) in tail.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * index);
    }
    if !tail.is_empty() {
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

/// The partition of a key among `partitions` (at least one).
pub(crate) fn partition_of_key(key: &[u8], partitions: usize) -> usize {
    // The sign bit is cut off, as `Utils.toPositive` does.
    let positive = usize::try_from(murmur2(key) & 0x7fff_ffff).unwrap_or_default();
    positive % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::{murmur2, partition_of_key};

    #[test]
    fn hashes_as_kafka_does() {
        // The vectors of Kafka's own UtilsTest.testMurmur2.
        let vectors: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, hash) in &vectors {
            assert_eq!(murmur2(key).cast_signed(), *hash, "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn partitions_are_in_range_and_even() {
        let mut counts = [0; 7];
        for key in 0..7000_u32 {
            counts[partition_of_key(&key.to_be_bytes(), 7)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
