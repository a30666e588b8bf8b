//! Frames, batches and connections that no honest client makes: what each is answered, that only its own connection suffers,
//! and that the broker's memory stays small.

use std::time::{Duration, Instant};

use broker_protocol::{
    ErrorCode, Request,
    batch::{BatchBuilder, BatchFields, Compression, compression, patch},
    header::{decode_response, encode_request},
    messages::{
        api_versions::{ApiVersionsRequest, ApiVersionsResponse},
        create_topics::{CreatableTopic, CreateTopicsRequest},
        describe_configs::{DescribeConfigsRequest, DescribeConfigsResource},
        metadata::{MetadataRequest, MetadataRequestTopic},
    },
};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    client::{Client, TestError, TestResult, batch, produce_request, start},
    kill::spawn,
};

/// Memory that the whole broker may take while it is sent a mebibyte of anything.
const MEMORY_KIB_MAX: u64 = 256 * 1024;
const MEBIBYTE: usize = 1 << 20;

/// A frame: its length, the head of a request, and a body.
fn frame(api_key: i16, version: i16, flexible: bool, body: &[u8]) -> Vec<u8> {
    let mut bytes = [&api_key.to_be_bytes()[..], &version.to_be_bytes(), &7_i32.to_be_bytes()].concat();
    bytes.extend_from_slice(&[0xff, 0xff]);
    if flexible {
        bytes.push(0);
    }
    bytes.extend_from_slice(body);
    [&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()[..], &bytes].concat()
}

fn encoded<R: Request>(request: &R, version: i16) -> Result<Vec<u8>, TestError> {
    Ok(encode_request(request, version, 1, Some("bad"))?.into_bytes().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_ends_its_connection_and_no_other() -> TestResult {
    let (broker, _folder) = start(|config| config.request_bytes_max = MEBIBYTE).await?;
    let mut bystander = Client::connect(&broker).await?;
    let long_client_id = {
        let mut bytes = vec![0, 18, 0, 0, 0, 0, 0, 7, 0x7f, 0xff];
        bytes.resize(100, b'x');
        [&100_u32.to_be_bytes()[..], &bytes].concat()
    };
    let many_tags = [&[0xff_u8, 0xff, 0xff, 0xff, 0x0f][..]; 1].concat();
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("negative size", (-1_i32).to_be_bytes().to_vec()),
        ("empty frame", 0_u32.to_be_bytes().to_vec()),
        ("one byte", vec![0, 0, 0, 1, 9]),
        ("largest size", i32::MAX.to_be_bytes().to_vec()),
        ("above the limit", u32::try_from(MEBIBYTE + 1)?.to_be_bytes().to_vec()),
        ("unknown api", frame(999, 0, false, &[])),
        ("unknown version", frame(3, 99, false, &[])),
        ("api that is not served", frame(4, 0, false, &[])),
        ("cut head", vec![0, 0, 0, 6, 0, 3, 0, 0, 0, 0]),
        ("client id beyond the frame", long_client_id),
        ("tag bomb in the head", frame(3, 12, false, &many_tags)),
        ("endless varint", frame(3, 12, true, &[0xff; 16])),
        ("array of two billion", frame(3, 1, false, &[0x7f, 0xff, 0xff, 0xff, 0, 0])),
        ("negative array", frame(3, 1, false, &[0xff, 0xff, 0xff, 0xfe])),
        ("null where none may be", frame(8, 2, false, &[0xff, 0xff])),
        ("http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("tls", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
    ];
    for (what, bytes) in &bad {
        let mut client = Client::connect(&broker).await?;
        client.stream.write_all(bytes).await?;
        let closed = tokio::time::timeout(Duration::from_secs(10), client.is_closed()).await;
        assert_eq!(closed.ok(), Some(true), "{what}");
        bystander.ask(ApiVersionsRequest::default(), 3).await?;
    }
    assert_eq!(broker.metrics().bad_requests, bad.len() as u64, "each is counted once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_version_of_api_versions_is_answered_in_the_first() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.stream.write_all(&frame(18, 99, true, &[1, 1, 0])).await?;
    let mut answer = vec![0; usize::try_from(client.stream.read_i32().await?)?];
    client.stream.read_exact(&mut answer).await?;
    let response: ApiVersionsResponse = decode_response::<ApiVersionsRequest>(answer.into(), 0)?;
    assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailing_bytes_repeated_ids_and_a_thousand_requests_at_once_are_fine() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    let one = frame(3, 1, false, &[0, 0, 0, 0, 1, 2, 3]);
    let sent = one.repeat(1_000);
    let (mut reader, mut writer) = client.stream.split();
    let writing = async { writer.write_all(&sent).await };
    let reading = async {
        for _ in 0..1_000 {
            let mut answer = vec![0; usize::try_from(reader.read_i32().await?)?];
            reader.read_exact(&mut answer).await?;
            assert_eq!(answer[..4], 7_i32.to_be_bytes());
        }
        Ok::<(), TestError>(())
    };
    let (written, read) = tokio::join!(writing, reading);
    written?;
    read
}

/// A sound batch of three records, changed.
fn changed(change: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut bytes = BytesMut::from(&batch(&["x", "y", "z"], BatchFields::default())[..]);
    change(&mut bytes);
    bytes.freeze()
}

/// The same, with a checksum that fits.
fn signed(change: impl FnOnce(&mut BytesMut)) -> Bytes {
    changed(|bytes| {
        change(bytes);
        // Setting the producer that is there computes the checksum anew.
        let number = |at: usize| i64::from_be_bytes(*bytes[at..].first_chunk().unwrap_or(&[0; 8]));
        let (id, epoch) = (number(43), i16::from_be_bytes([bytes[51], bytes[52]]));
        let sequence = i32::from_be_bytes(*bytes[53..].first_chunk().unwrap_or(&[0; 4]));
        assert!(patch::producer(bytes, id, epoch, sequence).is_ok());
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_wrong_batch_gets_its_own_error() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    client.create("compacted", 1, &[("cleanup.policy", "compact")]).await?;
    let set = |at: usize, value: &'static [u8]| {
        move |bytes: &mut BytesMut| bytes[at..at + value.len()].copy_from_slice(value)
    };
    let attributes = |bits: u8| signed(|bytes| bytes[22] |= bits);
    let twice = [batch(&["x"], BatchFields::default()), batch(&["y"], BatchFields::default())].concat();
    let wrong: Vec<(&str, Bytes, &[ErrorCode])> = vec![
        ("magic 0", changed(set(16, &[0])), &[ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT]),
        ("magic 3", changed(set(16, &[3])), &[ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT]),
        ("shorter than its head", changed(|bytes| bytes.truncate(60)), &[ErrorCode::CORRUPT_MESSAGE]),
        ("cut", changed(|bytes| bytes.truncate(70)), &[ErrorCode::CORRUPT_MESSAGE]),
        ("negative length", changed(set(8, &[0xff; 4])), &[ErrorCode::CORRUPT_MESSAGE]),
        ("checksum", changed(set(17, &[1, 2, 3, 4])), &[ErrorCode::CORRUPT_MESSAGE]),
        ("last offset delta", signed(set(23, &[0, 0, 0, 9])), &[ErrorCode::INVALID_RECORD]),
        ("no records", signed(set(57, &[0, 0, 0, 0])), &[ErrorCode::INVALID_RECORD]),
        (
            "negative count",
            signed(set(57, &[0xff; 4])),
            &[ErrorCode::INVALID_RECORD, ErrorCode::CORRUPT_MESSAGE],
        ),
        (
            "sequence -1 with a producer",
            signed(set(43, &[0, 0, 0, 0, 0, 0, 0, 7, 0, 0])),
            &[ErrorCode::INVALID_RECORD],
        ),
        ("control batch", attributes(0x20), &[ErrorCode::INVALID_RECORD]),
        ("two batches", twice.into(), &[ErrorCode::INVALID_RECORD]),
        ("codec 5", attributes(5), &[ErrorCode::UNSUPPORTED_COMPRESSION_TYPE]),
        ("codec 7", attributes(7), &[ErrorCode::UNSUPPORTED_COMPRESSION_TYPE]),
        ("record beyond the end", signed(set(61, &[0x7e])), &[ErrorCode::CORRUPT_MESSAGE]),
        (
            "records left over",
            signed(|bytes| bytes.extend_from_slice(&[0, 0])),
            &[ErrorCode::CORRUPT_MESSAGE],
        ),
    ];
    for (what, bytes, codes) in wrong {
        let answer = client.produce("t", bytes).await?;
        assert!(
            codes.contains(&answer.error_code),
            "{what}: {} {:?}",
            answer.error_code,
            answer.error_message
        );
    }
    let mut builder = BatchBuilder::new(100);
    builder.append(-2, Some(b"k"), Some(b"v"), &[])?;
    let early = client.produce("t", builder.finish(&BatchFields::default())?.0.into()).await?;
    assert_eq!(early.error_code, ErrorCode::INVALID_TIMESTAMP);
    let without_key = crate::client::keyed(&[(None, "x")], BatchFields::default());
    assert_eq!(client.produce("compacted", without_key).await?.error_code, ErrorCode::INVALID_RECORD);
    let sound = client.produce("t", batch(&["x"], BatchFields::default())).await?;
    assert_eq!((sound.error_code, sound.base_offset), (ErrorCode::NONE, 0), "nothing of it was appended");
    Ok(())
}

/// A batch whose records are this, which need be none.
fn with_records(codec: Compression, records: &[u8]) -> Bytes {
    let mut bytes = batch(&["x"], BatchFields::default())[..61].to_vec();
    bytes.extend_from_slice(records);
    let length = i32::try_from(bytes.len() - 12).unwrap_or(i32::MAX);
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] = codec.id().to_be_bytes()[1];
    assert!(patch::producer(&mut bytes, -1, -1, -1).is_ok());
    bytes.into()
}

fn bombs() -> Result<Vec<(&'static str, Bytes)>, TestError> {
    let zeros = vec![0; 256 * MEBIBYTE];
    let mut bombs = Vec::new();
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut small = Vec::new();
        compression::deflate(codec, &zeros, &mut small)?;
        small.truncate(MEBIBYTE - 1_000);
        bombs.push((codec.name(), with_records(codec, &small)));
    }
    // A raw snappy block that announces 4 GiB.
    bombs.push((
        "forged snappy length",
        with_records(Compression::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0]),
    ));
    // A zstd frame with a window of 2^41 bytes, and one that announces 2^60 bytes.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00];
    bombs.push(("zstd window", with_records(Compression::Zstd, &window)));
    let size = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x01, 0x00, 0x00];
    bombs.push(("forged zstd size", with_records(Compression::Zstd, &size)));
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18][..], &u32::MAX.to_le_bytes()].concat();
    bombs.push(("zstd skippable frame", with_records(Compression::Zstd, &skippable)));
    Ok(bombs)
}

/// Requests of about a mebibyte that are small on the wire and large in memory.
fn swellings() -> Result<Vec<Vec<u8>>, TestError> {
    let names = |count: usize| (0..count).map(|at| format!("{at:x}"));
    let topics = names(150_000)
        .map(|name| MetadataRequestTopic { name: Some(name.into()), ..MetadataRequestTopic::default() });
    let metadata = MetadataRequest {
        topics: Some(topics.collect()),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let resource =
        DescribeConfigsResource { resource_type: 4, resource_name: "1".into(), configuration_keys: None };
    let configs = DescribeConfigsRequest {
        resources: vec![resource; 200_000],
        include_synonyms: true,
        include_documentation: true,
    };
    let creatable = |name: String| CreatableTopic {
        name: name.into(),
        num_partitions: 10_000,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let creation = CreateTopicsRequest {
        topics: names(60_000).map(creatable).collect(),
        ..CreateTopicsRequest::default()
    };
    let empty_elements = frame(3, 12, true, &[&[0xc1, 0x84, 0x3d][..], &vec![0; MEBIBYTE]].concat());
    Ok(vec![encoded(&metadata, 12)?, encoded(&configs, 4)?, encoded(&creation, 5)?, empty_elements])
}

/// The most memory that a process had, KiB.
fn memory_peak(process: u32) -> Result<u64, TestError> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mebibyte_of_anything_takes_little_memory() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut broker = spawn(folder.path())?;
    let mut client = Client::to(&broker.address).await?;
    // A topic that must look at records inflates them.
    client.create("compacted", 1, &[("cleanup.policy", "compact")]).await?;
    for (what, bomb) in bombs()? {
        let answer = client.ask(produce_request("compacted", bomb, -1), 9).await?;
        let code = answer.responses[0].partition_responses[0].error_code;
        let refused = [ErrorCode::MESSAGE_TOO_LARGE, ErrorCode::CORRUPT_MESSAGE, ErrorCode::INVALID_RECORD];
        assert!(refused.contains(&code), "{what}: {code}");
        assert!(memory_peak(broker.process.id())? < MEMORY_KIB_MAX, "{what}");
    }
    for request in swellings()? {
        let mut hostile = Client::to(&broker.address).await?;
        hostile.stream.write_all(&request).await?;
        let mut first = [0; 4];
        // An answer, or the end of the connection.
        drop(hostile.stream.read(&mut first).await);
        let peak = memory_peak(broker.process.id())?;
        assert!(peak < MEMORY_KIB_MAX, "{peak} KiB after api {:?}", &request[4..8]);
    }
    client.ask(ApiVersionsRequest::default(), 3).await?;
    broker.process.kill()?;
    broker.process.wait()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_half_open_and_slow_connections_hold_up_nobody() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let mut held = Vec::new();
    for number in 0..2_000 {
        let mut idle = Client::connect(&broker).await?;
        match number % 3 {
            // Nothing, a part of a length, a part of a large frame.
            0 => {}
            1 => idle.stream.write_all(&[0, 0]).await?,
            _ => idle.stream.write_all(&[0, 0x0f, 0xff, 0xff, 0, 3]).await?,
        }
        held.push(idle);
    }
    let began = Instant::now();
    // A request of some size finds room, although all those frames together announce more than there is.
    let large = "x".repeat(500_000);
    let written = client.produce("t", batch(&[&large], BatchFields::default())).await?;
    assert_eq!(written.error_code, ErrorCode::NONE);
    for _ in 0..20 {
        let written = client.produce("t", batch(&["x"], BatchFields::default())).await?;
        assert_eq!(written.error_code, ErrorCode::NONE);
    }
    let mut fresh = Client::connect(&broker).await?;
    fresh.ask(ApiVersionsRequest::default(), 3).await?;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    Ok(())
}
