//! The broker against a client that is not ours: every codec, byte for byte, and over a kill.

use std::fmt::Write as _;
use std::fs;

use harness::broker::Broker;
use harness::kcat;

const MESSAGES: usize = 100_000;
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

#[tokio::test]
async fn kcat_reads_back_what_it_wrote_in_every_codec_before_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(folder.path(), &[]).await.unwrap();
    let written = folder.path().join("written");
    fs::write(&written, messages()).unwrap();
    let expected = fs::read(&written).unwrap();

    for codec in CODECS {
        kcat::produce(&broker.bootstrap_servers(), codec, codec, &written).unwrap();
        assert_read_back(&broker, codec, &expected);
    }
    broker.process().unwrap().kill().unwrap();
    broker.restart().await.unwrap();
    for codec in CODECS {
        assert_read_back(&broker, codec, &expected);
    }
}

fn assert_read_back(broker: &Broker, topic: &str, expected: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let read = folder.path().join("read");
    kcat::consume(&broker.bootstrap_servers(), topic, &read).unwrap();
    let read = fs::read(&read).unwrap();
    assert_eq!(read.len(), expected.len(), "{topic}: the lengths differ");
    assert!(read == expected, "{topic}: the bytes differ");
}

/// Lines of differing lengths, some of which compress well and some of which do not.
fn messages() -> String {
    let mut text = String::new();
    let mut random: u64 = 7;
    for number in 0..MESSAGES {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let padding = "x".repeat(usize::try_from(random % 40).unwrap());
        writeln!(text, "message {number} {random:016x} {padding}").unwrap();
    }
    text
}
