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

/// Schemas that data is written with and read as, and data of them.
fn avro() -> io::Result<()> {
    let all = r#"{"type":"record","name":"a.R","fields":[{"name":"id","type":"long"},{"name":"name","type":["null","string"],"default":null},
        {"name":"small","type":{"type":"int","connect.type":"int8"}},{"name":"ok","type":"boolean"},{"name":"f","type":"float"},{"name":"d","type":"double"},
        {"name":"amount","type":{"type":"bytes","logicalType":"decimal","scale":2,"precision":10}},{"name":"kind","type":{"type":"enum","name":"K","symbols":["A","B"]}},
        {"name":"hash","type":{"type":"fixed","name":"F","size":2}},{"name":"tags","type":{"type":"array","items":"string"}},
        {"name":"sizes","type":{"type":"map","values":["null","int"]}},{"name":"either","type":["int","string","F"]}]}"#;
    let data = b"\x02\x02\x02a\x02\x01\0\0\x80\x3f\0\0\0\0\0\0\xf0\x3f\x04\x01\x02\x02xy\x02\x02t\0\x02\x02k\x02\x06\0\x02\x02s";
    let entries = r#"{"type":"array","items":{"type":"record","name":"MapEntry","namespace":"io.confluent.connect.avro","fields":[{"name":"key","type":"int"},
        {"name":"value","type":{"type":"long","logicalType":"timestamp-millis","connect.name":"org.apache.kafka.connect.data.Timestamp","connect.version":1}}]}}"#;
    let narrow = r#"{"type":"record","name":"a.R","fields":[{"name":"gone","type":{"type":"array","items":"int"}},{"name":"n","type":"int"}]}"#;
    let wide = r#"{"type":"record","name":"a.R","fields":[{"name":"new","type":["null","string"],"default":null},{"name":"n","type":["null","double"]},
        {"name":"at","type":{"type":"record","name":"P","fields":[{"name":"x","type":"float","default":2}]},"default":{}}]}"#;
    let anything = r#"{"type":"record","name":"io.confluent.connect.avro.Anything","fields":[]}"#;
    for (name, options, writer, reader, data) in [
        ("record", 0, all, "", &data[..]),
        ("record-enhanced", 1, all, "", data),
        ("record-generalized", 2, all, "", data),
        ("entries", 0, entries, "", b"\x02\x0e\x10\0"),
        ("resolved", 0, narrow, wide, b"\x02\x02\0\x08"),
        ("blocks", 0, r#"{"type":"array","items":"boolean"}"#, "", b"\x03\x04\0\x01\x02\0\0"),
        ("anything", 0, anything, "", b"\0\0\0\0\x02\x0e\0\0\0\0"),
        ("bytes", 0, r#"{"type":"bytes"}"#, "", b"raw"),
        ("recursive", 0, r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#, "", b"\x02\0"),
    ] {
        let parts = [writer.as_bytes(), reader.as_bytes(), data].join(&0);
        write("avro", name, &[&[options], &parts[..]].concat())?;
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    avro()?;
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
