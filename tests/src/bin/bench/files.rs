//! A file's lines into a topic, and from there into a file: counted in the topic, compared byte for byte at the end.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::far_end::FarEnd;
use harness::millrace::Millrace;
use harness::wait;
use serde_json::json;

use super::figures::{Figure, memory, rate};

/// How long each way may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Moves so many lines.
pub(crate) async fn measure(lines: u64) -> Result<Vec<Figure>> {
    eprintln!("file -> topic -> file, {lines} lines of 100 bytes ...");
    let folder = tempfile::tempdir()?;
    let (from, to) = (folder.path().join("from.txt"), folder.path().join("to.txt"));
    let bytes = write_lines(&from, lines)?;
    let mut millrace = Millrace::standalone(folder.path(), &[]).await?;
    let far_end = FarEnd::new(&millrace.bootstrap_servers());
    let text = "org.apache.kafka.connect.storage.StringConverter";

    let before = millrace.process()?.processor_seconds()?;
    let began = Instant::now();
    let source = json!({"connector.class": "FileStreamSource", "file": from, "topic": "lines", "value.converter": text});
    millrace.create("from", source).await?;
    far_end.holds("lines", lines, LIMIT).await?;
    let to_topic = began.elapsed();
    let source_cpu = millrace.process()?.processor_seconds()? - before;
    let counted = far_end.count("lines").await?;
    ensure!(counted == lines, "{counted} of {lines} lines are in the topic");

    let began = Instant::now();
    let sink =
        json!({"connector.class": "FileStreamSink", "file": to, "topics": "lines", "value.converter": text});
    millrace.create("to", sink).await?;
    wait::until("all lines in the file", LIMIT, || async {
        let length = fs::metadata(&to)?.len();
        ensure!(length >= bytes, "{length} of {bytes} bytes");
        Ok(())
    })
    .await?;
    let to_file = began.elapsed();
    ensure!(fs::read(&from)? == fs::read(&to)?, "the file differs from what was written");
    let peak = millrace.process()?.memory()?.1;
    let note = format!("{source_cpu:.2} s of processor time");
    Ok(vec![
        rate("file -> topic, 100-byte lines", lines, to_topic, 1_000_000.0, &note),
        rate("topic -> file, 100-byte lines", lines, to_file, 1_000_000.0, "byte for byte the same file"),
        memory("peak memory of the two", peak, 200.0),
    ])
}

fn write_lines(path: &Path, lines: u64) -> Result<u64> {
    let mut writer = BufWriter::new(fs::File::create(path)?);
    for number in 0..lines {
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        writeln!(
            writer,
            "{number:010} {mixed:016x} a line of text as logs have it, request took {:06} ms, done {:010}",
            mixed % 100_000,
            number / 7
        )?;
    }
    writer.flush()?;
    Ok(fs::metadata(path)?.len())
}
