//! Writes the seeds in `fuzz/corpus` from our own encoders: a request and a response of each API in its first and last version,
//! frames, batches in every codec, a partition's files, and records of the broker's own topics.

use std::{fs, io, path::Path};

use broker_protocol::{
    ApiKey,
    batch::{BatchBuilder, BatchError, BatchFields, Compression, Header},
    fuzzing,
    header::encode_request,
    messages::{api_versions::ApiVersionsRequest, fetch::FetchRequest, metadata::MetadataRequest},
};

type Failure = Box<dyn std::error::Error>;

fn batch(compression: Compression, records: u8) -> Result<Vec<u8>, BatchError> {
    let mut builder = BatchBuilder::new(0);
    for index in 0..records {
        let headers = [Header { key: "h", value: Some(b"v") }, Header { key: "", value: None }];
        let value = "value ".repeat(usize::from(index % 7));
        let value = (index % 5 != 4).then_some(value.as_bytes());
        builder.append(1_000 + i64::from(index), Some(&[index]), value, &headers[..usize::from(index % 3)])?;
    }
    let fields = BatchFields {
        compression,
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchFields::default()
    };
    Ok(builder.finish(&fields)?.0)
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

/// A piece as `log_recovery` and `internal_topics` cut them.
fn piece(kind: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[kind, length[0], length[1]], contents].concat()
}

fn main() -> Result<(), Failure> {
    for (name, request, response) in fuzzing::seeds() {
        write("request", &name, &request)?;
        write("response", &name, &response)?;
    }
    let frames = [
        encode_request(&ApiVersionsRequest::default(), 3, 1, Some("seed"))?.into_bytes(),
        encode_request(&MetadataRequest::default(), 12, 2, None)?.into_bytes(),
        encode_request(&FetchRequest::default(), *ApiKey::Fetch.versions().end(), 3, Some("seed"))?.into_bytes(),
    ];
    write("frame", "three-requests", &frames.concat())?;
    write("frame", "negative-length", &[0xff; 8])?;
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        write("batch", codec.name(), &batch(codec, 20)?)?;
    }
    let mut second = batch(Compression::Gzip, 3)?;
    second[..8].copy_from_slice(&3_i64.to_be_bytes());
    let first = batch(Compression::None, 3)?;
    write("log_recovery", "one-segment", &piece(0, &[&first[..], &second].concat()))?;
    write("log_recovery", "two-segments", &[piece(0, &first), piece(4, &second), piece(10, b"1\n")].concat())?;
    write("log_recovery", "torn", &piece(0, &[&first[..], &second[..40]].concat()))?;
    write("log_recovery", "swap", &[piece(0, &first), piece(4, &second), piece(7, b"0 3")].concat())?;
    write("log_recovery", "point", &[piece(0, &first), piece(8, b"0 3 100 00000000\n")].concat())?;
    let key = [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 7];
    let value = [0, 3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 1, b'm', 0, 0, 0, 0, 0, 0, 0, 9];
    write("internal_topics", "offset", &[piece(0, &key), piece(0, &value)].concat())?;
    let group = [0, 2, 0, 1, b'g'];
    let members = [0, 3, 0, 8, b'c', b'o', b'n', b's', b'u', b'm', b'e', b'r', 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
    write("internal_topics", "group", &[piece(0, &group), piece(0, &members)].concat())?;
    Ok(())
}
