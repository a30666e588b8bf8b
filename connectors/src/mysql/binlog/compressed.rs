//! MariaDB's compressed columns: a header byte, the length of the data, then zlib.
//!
//! Only touched by tables with `COMPRESSED` columns. Invariant: never inflates beyond the length that the cell announces, and
//! never allocates ahead of what was inflated. Source: MariaDB's sql/field_comp.cc.

use std::io::Read as _;

use api::Bytes;
use flate2::read::{DeflateDecoder, ZlibDecoder};

use super::cell::CellFault;

/// The data of a compressed cell.
pub(super) fn inflate(cell: &Bytes) -> Result<Bytes, CellFault> {
    let bad = |found: String| CellFault::BadValue { expected: "compressed cell", found };
    let Some((header, rest)) = cell.split_first() else { return Ok(Bytes::new()) };
    if *header == 0 {
        return Ok(cell.slice(1..));
    }
    // Four bits of algorithm (8 is zlib), one that says "no zlib header", three of how many bytes the length has.
    let (algorithm, raw, width) = (header >> 4, header & 8 != 0, usize::from(header & 7));
    if algorithm != 8 || width == 0 || width > 4 || rest.len() < width {
        return Err(bad(format!("header {header:#04x} before {} bytes", rest.len())));
    }
    let (length, data) = rest.split_at(width);
    let length = length.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let mut inflated = Vec::new();
    let outcome = if raw {
        DeflateDecoder::new(data).take(length).read_to_end(&mut inflated)
    } else {
        ZlibDecoder::new(data).take(length).read_to_end(&mut inflated)
    };
    match outcome {
        Ok(read) if u64::try_from(read).ok() == Some(length) => Ok(inflated.into()),
        Ok(read) => Err(bad(format!("{read} bytes where {length} were announced"))),
        Err(error) => Err(bad(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn zlib(announced: u8) -> Bytes {
        let mut encoder = ZlibEncoder::new(vec![0x81, announced], Compression::default());
        encoder.write_all(&[b'x'; 200]).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn cells_are_inflated_to_their_announced_length() {
        assert_eq!(inflate(&zlib(200)).unwrap(), vec![b'x'; 200]);
        assert_eq!(inflate(&Bytes::from_static(b"\0plain")).unwrap(), "plain");
        assert!(inflate(&Bytes::new()).unwrap().is_empty());
    }

    #[test]
    fn lies_are_errors() {
        assert!(inflate(&zlib(201)).is_err());
        assert!(inflate(&Bytes::from_static(&[0x91, 1, 0])).is_err());
        assert!(inflate(&Bytes::from_static(&[0x84, 255, 255])).is_err());
        assert!(inflate(&zlib(200).slice(..10)).is_err());
    }
}
