//! The broker's benchmark: how many records a second, at what processor time, and how small; and the same of another broker, in
//! the same run and the same table.
//!
//! `make bench`, or `bench-broker --bootstrap-servers 127.0.0.1:19092 --name kafka --process PID` for an A/B with a broker that
//! runs on this machine. The scenarios of the two take turns. On a shared machine the processor time per record tells
//! more than the clock.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use broker_client::{Client, ClientConfig, NewTopic, OffsetSpec, TopicResult};
use bytes::Bytes;
use clap::Parser;
use harness::broker::Broker;
use harness::load::{Connection, batch};
use harness::process::processor_seconds;
use harness::{kcat, wait};

/// What librdkafka sends when records come faster than it can send them: `batch.size` is 1,000,000 bytes.
const BATCH_RECORDS: usize = 9_000;
const RECORD_BYTES: usize = 100;
/// Single records whose time is taken.
const SINGLES: usize = 4_000;
/// So many of one kind before so many of the next.
const SINGLES_IN_TURN: usize = 20;
/// Topics of [`PARTITIONS_PER_TOPIC`] partitions for the scenario of many.
const TOPICS: usize = 10;
const PARTITIONS_PER_TOPIC: i32 = 1_000;
/// How long long polls are left alone.
const QUIET: Duration = Duration::from_secs(10);

/// Measures the broker and prints a table.
#[derive(Debug, Parser)]
struct Options {
    /// How many records each measurement moves.
    #[arg(long, default_value_t = 4_500_000)]
    records: u64,
    /// How often each measurement is taken; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Another broker to measure beside ours, host:port.
    #[arg(long)]
    bootstrap_servers: Option<String>,
    /// What to call it.
    #[arg(long, default_value = "other")]
    name: String,
    /// Its process, for its processor time.
    #[arg(long)]
    process: Option<u32>,
    /// Leaves out the scenario of 10,000 partitions.
    #[arg(long)]
    few: bool,
}

/// A broker to measure.
struct Target {
    name: String,
    address: String,
    process: Option<u32>,
    client: Client,
    topics: usize,
}

impl Target {
    fn new(name: &str, address: String, process: Option<u32>) -> Self {
        let config = ClientConfig { bootstrap_servers: vec![address.clone()], ..ClientConfig::default() };
        Self { name: name.to_owned(), address, process, client: Client::new(config), topics: 0 }
    }

    async fn topic(&mut self, fsync: bool) -> Result<String> {
        self.topics += 1;
        let name = format!("bench-{}", self.topics);
        // Kafka does not fsync before it acknowledges, unless a topic says so; Millrace always does.
        let configs = if fsync { vec![("flush.messages".to_owned(), "1".to_owned())] } else { Vec::new() };
        self.create(&name, 1, configs).await?;
        Ok(name)
    }

    async fn create(&self, name: &str, partitions: i32, configs: Vec<(String, String)>) -> Result<()> {
        let topic = NewTopic { name: name.to_owned(), partitions, replication_factor: 1, configs };
        for outcome in self.client.create_topics(&[topic]).await? {
            ensure!(matches!(outcome.result, TopicResult::Done), "creating {name}: {:?}", outcome.result);
        }
        // Kafka answers before it leads the new partitions.
        wait::until(&format!("topic {name}"), wait::PATIENCE, || async {
            self.client.list_offsets(name, 0, OffsetSpec::Latest).await.context("looking for the topic")
        })
        .await
        .map(drop)
    }

    fn processor_seconds(&self) -> Result<f64> {
        self.process.map_or(Ok(0.0), processor_seconds)
    }
}

/// What one measurement gave.
#[derive(Clone, Copy)]
struct Sample {
    records: u64,
    took: Duration,
    cpu: f64,
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
impl Sample {
    fn rate(&self) -> f64 {
        self.records as f64 / self.took.as_secs_f64()
    }

    fn cpu_per_million(&self) -> f64 {
        self.cpu / self.records as f64 * 1e6
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scenario {
    ProduceFsync,
    Produce,
    Consume,
    Kcat,
}

impl Scenario {
    const ALL: [Self; 4] = [Self::ProduceFsync, Self::Produce, Self::Consume, Self::Kcat];

    const fn what(self) -> &'static str {
        match self {
            Self::ProduceFsync => "produce acks=all, fsynced before the answer",
            Self::Produce => "produce acks=1",
            Self::Consume => "consume",
            Self::Kcat => "kcat (librdkafka) -P acks=all, fsynced",
        }
    }

    const fn aim(self) -> f64 {
        match self {
            Self::ProduceFsync => 500_000.0,
            Self::Produce => 1_000_000.0,
            Self::Consume => 2_000_000.0,
            Self::Kcat => 0.0,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-broker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut broker = Broker::start(folder.path(), &[]).await?;
    let mut targets =
        vec![Target::new("millrace", broker.bootstrap_servers(), Some(broker.process()?.id()?))];
    if let Some(address) = &options.bootstrap_servers {
        targets.push(Target::new(&options.name, address.clone(), options.process));
    }
    println!(
        "| what | broker | records/s | aim | broker's processor time per million |\n| --- | --- | ---: | ---: | ---: |"
    );
    let lines = folder.path().join("lines");
    write_lines(&lines, options.records / 4)?;
    let load = Load { batch: batch(BATCH_RECORDS, RECORD_BYTES)?, records: options.records, lines: &lines };
    for scenario in Scenario::ALL {
        let mut samples = vec![Vec::new(); targets.len()];
        for _ in 0..options.rounds {
            for (target, samples) in targets.iter_mut().zip(&mut samples) {
                samples.push(load.measure(scenario, target).await?);
            }
        }
        for (target, samples) in targets.iter().zip(samples) {
            print(scenario, target, samples)?;
        }
    }
    println!("\n| what | broker | p50 | p99 |\n| --- | --- | ---: | ---: |");
    print_latencies(folder.path(), &mut targets).await?;
    if !options.few {
        many_partitions(&mut broker, &targets[0]).await?;
    }
    Ok(())
}

/// What is sent.
struct Load<'a> {
    batch: Bytes,
    records: u64,
    lines: &'a Path,
}

impl Load<'_> {
    async fn measure(&self, scenario: Scenario, target: &mut Target) -> Result<Sample> {
        eprintln!("{}: {} ...", target.name, scenario.what());
        let fsync = matches!(scenario, Scenario::ProduceFsync | Scenario::Kcat);
        let count = usize::try_from(self.records)? / BATCH_RECORDS;
        let mut records = u64::try_from(count * BATCH_RECORDS)?;
        let topic = target.topic(fsync).await?;
        if scenario == Scenario::Consume {
            // All of it is readable before the clock runs.
            Connection::open(&target.address).await?.produce_many(&topic, -1, &self.batch, count).await?;
        }
        let before = target.processor_seconds()?;
        let connection = Connection::open(&target.address).await;
        let took = match scenario {
            Scenario::ProduceFsync => connection?.produce_many(&topic, -1, &self.batch, count).await?,
            Scenario::Produce => connection?.produce_many(&topic, 1, &self.batch, count).await?,
            Scenario::Consume => connection?.consume(&topic, records).await?,
            Scenario::Kcat => {
                let began = Instant::now();
                kcat::produce(&target.address, &topic, "none", self.lines)?;
                records = self.records / 4;
                began.elapsed()
            }
        };
        Ok(Sample { records, took, cpu: target.processor_seconds()? - before })
    }
}

fn print(scenario: Scenario, target: &Target, mut samples: Vec<Sample>) -> Result<()> {
    samples.sort_by(|one, other| one.rate().total_cmp(&other.rate()));
    let median = samples.get(samples.len() / 2).context("no rounds")?;
    let aim = if scenario.aim() > 0.0 { format!("{:.0}", scenario.aim()) } else { String::new() };
    let cpu = target.process.map_or(String::new(), |_| format!("{:.3} s", median.cpu_per_million()));
    println!("| {} | {} | {:.0} | {aim} | {cpu} |", scenario.what(), target.name, median.rate());
    Ok(())
}

/// Median and 99th of a hundred, in milliseconds.
fn quantiles(mut times: Vec<Duration>) -> Result<(f64, f64)> {
    times.sort();
    let at = |percent: usize| times.get(times.len() * percent / 100).context("no times");
    Ok((at(50)?.as_secs_f64() * 1e3, at(99)?.as_secs_f64() * 1e3))
}

/// Single records beside what the device takes for as much, a few of each in turn: others use the device as well, in bursts.
/// They have a task of their own, which runs where its answers arrive: the main thread would have to be woken once more for each.
async fn print_latencies(folder: &Path, targets: &mut [Target]) -> Result<()> {
    let mut singles = Vec::new();
    for target in targets.iter_mut() {
        singles.push(Singles::open(target).await?);
    }
    let (device, singles) = tokio::spawn(take_turns(Device::create(folder)?, singles)).await??;
    let (middle, slow) = quantiles(device.times)?;
    println!("| write and fdatasync of the device | | {middle:.2} ms | {slow:.2} ms |");
    for (target, single) in targets.iter().zip(singles) {
        let (middle, slow) = quantiles(single.times)?;
        println!("| single record, acks=all, fsynced | {} | {middle:.2} ms | {slow:.2} ms |", target.name);
    }
    Ok(())
}

async fn take_turns(mut device: Device, mut singles: Vec<Singles>) -> Result<(Device, Vec<Singles>)> {
    for _ in 0..SINGLES / SINGLES_IN_TURN {
        device.measure()?;
        for single in &mut singles {
            single.measure().await?;
        }
    }
    Ok((device, singles))
}

/// The device: as much as a batch of one record, behind the one before.
struct Device {
    file: File,
    position: u64,
    times: Vec<Duration>,
}

impl Device {
    fn create(folder: &Path) -> Result<Self> {
        Ok(Self { file: File::create(folder.join("fsyncs"))?, position: 0, times: Vec::new() })
    }

    fn measure(&mut self) -> Result<()> {
        let bytes = [7_u8; 171];
        for _ in 0..SINGLES_IN_TURN {
            let began = Instant::now();
            self.file.write_all_at(&bytes, self.position)?;
            self.file.sync_data()?;
            self.times.push(began.elapsed());
            self.position += 171;
        }
        Ok(())
    }
}

/// A producer of single records that waits for each.
struct Singles {
    connection: Connection,
    topic: String,
    batch: Bytes,
    times: Vec<Duration>,
}

impl Singles {
    async fn open(target: &mut Target) -> Result<Self> {
        let topic = target.topic(true).await?;
        let connection = Connection::open(&target.address).await?;
        Ok(Self { connection, topic, batch: batch(1, RECORD_BYTES)?, times: Vec::new() })
    }

    async fn measure(&mut self) -> Result<()> {
        for _ in 0..SINGLES_IN_TURN {
            let began = Instant::now();
            self.connection.produce(&self.topic, 0..1, -1, &self.batch).await?;
            self.times.push(began.elapsed());
        }
        Ok(())
    }
}

/// Ten thousand partitions with a record each: how soon they serve again after a stop and after a kill, how much memory that
/// takes, and what long polls on all of them cost while nothing comes.
async fn many_partitions(broker: &mut Broker, target: &Target) -> Result<()> {
    let one = batch(1, RECORD_BYTES)?;
    let names: Vec<_> = (0..TOPICS).map(|number| format!("many-{number}")).collect();
    let mut connection = Connection::open(&target.address).await?;
    for name in &names {
        eprintln!("{PARTITIONS_PER_TOPIC} partitions of {name} ...");
        target.create(name, PARTITIONS_PER_TOPIC, Vec::new()).await?;
        connection.produce(name, 0..PARTITIONS_PER_TOPIC, -1, &one).await?;
    }
    println!("\n| 10,000 partitions with a record each | measured | aim |\n| --- | ---: | ---: |");
    broker.process()?.terminate().await?;
    println!("| ready after a clean stop | {:.2} s | 2 s |", ready(broker, &names).await?.as_secs_f64());
    broker.process()?.kill()?;
    println!("| ready after kill -9 | {:.2} s | 2 s |", ready(broker, &names).await?.as_secs_f64());
    let mut polls = Vec::new();
    for name in &names {
        let mut poll = Connection::open(&target.address).await?;
        poll.long_poll(name, PARTITIONS_PER_TOPIC, 1, QUIET * 3).await?;
        polls.push(poll);
    }
    tokio::time::sleep(QUIET / 5).await;
    let before = broker.process()?.processor_seconds()?;
    tokio::time::sleep(QUIET).await;
    let used = broker.process()?.processor_seconds()? - before;
    println!("| processor time of {TOPICS} long polls on all of them, in {QUIET:?} | {used:.2} s | 0 s |");
    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    let memory = broker.process()?.memory()?.1 as f64 / f64::from(1 << 20);
    println!("| peak memory | {memory:.0} MiB | 200 MiB |");
    Ok(())
}

/// From the start until every topic is there with all of its partitions.
async fn ready(broker: &mut Broker, names: &[String]) -> Result<Duration> {
    let began = Instant::now();
    broker.restart().await?;
    let address = broker.bootstrap_servers();
    wait::until("all topics", wait::PATIENCE, || async {
        let client =
            Client::new(ClientConfig { bootstrap_servers: vec![address.clone()], ..ClientConfig::default() });
        for name in names {
            ensure!(client.partitions_for(name, false).await? == PARTITIONS_PER_TOPIC, "{name} is not whole");
        }
        Ok(())
    })
    .await?;
    Ok(began.elapsed())
}

fn write_lines(path: &Path, lines: u64) -> Result<()> {
    let mut writer = std::io::BufWriter::new(fs::File::create(path)?);
    for number in 0..lines {
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        writeln!(writer, "{number:010} {mixed:016x} {:072x}", u128::from(mixed).pow(2))?;
    }
    Ok(writer.flush()?)
}
