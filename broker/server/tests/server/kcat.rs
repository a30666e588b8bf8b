//! The broker as kcat (librdkafka) sees it: what goes in comes out, byte for byte, for each codec, over a restart that recovers.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use broker_server::{Broker, BrokerConfig, Listener};

const MESSAGES: usize = 100_000;

fn config(folder: &std::path::Path) -> BrokerConfig {
    BrokerConfig {
        listeners: vec![Listener { host: "127.0.0.1".to_owned(), port: 0 }],
        log_directory: folder.to_owned(),
        ..BrokerConfig::default()
    }
}

fn kcat(broker: &Broker, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let address = broker.addresses()[0].to_string();
    let mut child = Command::new("kcat")
        .args(["-b", &address])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success(), "kcat {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn is_installed() -> bool {
    let found = Command::new("kcat").arg("-V").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: kcat is not installed (package kcat)");
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_messages_for_each_codec_come_back_byte_for_byte() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(folder.path())).await.unwrap();
    let lines: String =
        (0..MESSAGES).map(|at| format!("message {at} with something to compress\n")).collect();
    let broker = tokio::task::spawn_blocking(move || {
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let topic = format!("codec-{codec}");
            kcat(&broker, &["-P", "-t", &topic, "-z", codec, "-X", "acks=all"], lines.as_bytes());
            let read = kcat(&broker, &["-C", "-t", &topic, "-e", "-q"], b"");
            assert!(read == lines.as_bytes(), "{codec}: {} bytes came back of {}", read.len(), lines.len());
        }
        (broker, lines)
    });
    let (broker, lines) = broker.await.unwrap();
    // Dropped, not shut down: the next start finds no clean-shutdown marker and recovers, as after kill -9.
    drop(broker);
    let started = loop {
        match Broker::start(config(folder.path())).await {
            Err(broker_server::Error::DirectoryInUse { .. }) => tokio::task::yield_now().await,
            started => break started.unwrap(),
        }
    };
    tokio::task::spawn_blocking(move || {
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let read = kcat(&started, &["-C", "-t", &format!("codec-{codec}"), "-e", "-q"], b"");
            assert!(
                read == lines.as_bytes(),
                "{codec} after recovery: {} bytes of {}",
                read.len(),
                lines.len()
            );
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_on_where_it_stopped_also_after_a_restart() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(folder.path())).await.unwrap();
    let read = ["-G", "readers", "-X", "auto.offset.reset=earliest", "-e", "-q", "topic"];
    let broker = tokio::task::spawn_blocking(move || {
        kcat(&broker, &["-P", "-t", "topic"], b"one\ntwo\n");
        assert_eq!(kcat(&broker, &read, b""), b"one\ntwo\n");
        kcat(&broker, &["-P", "-t", "topic"], b"three\n");
        assert_eq!(kcat(&broker, &read, b""), b"three\n");
        broker
    });
    broker.await.unwrap().shutdown().await.unwrap();
    let broker = Broker::start(config(folder.path())).await.unwrap();
    tokio::task::spawn_blocking(move || {
        kcat(&broker, &["-P", "-t", "topic"], b"four\n");
        assert_eq!(kcat(&broker, &read, b""), b"four\n");
    })
    .await
    .unwrap();
}
