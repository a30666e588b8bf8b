//! kill -9 while producers are at work, again and again: what was acknowledged is there, once, at its place.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use broker_protocol::{
    ErrorCode,
    batch::{BatchFields, Batches, InflateLimits},
    messages::{init_producer_id::InitProducerIdRequest, produce::ProduceRequest},
};

use crate::client::{Client, TestError, TestResult, batch, fetch_request, produce_request, start_in};

const ROUNDS: u32 = 8;
/// Acknowledgements of each round before the kill.
const ACKNOWLEDGED_MIN: u32 = 10;
const FOLDER: &str = "MILLRACE_TEST_BROKER_FOLDER";

/// Not a test by itself: the process that is killed. It says where it listens and waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test beside it"]
async fn broker_process() -> TestResult {
    let Some(folder) = std::env::var_os(FOLDER) else { return Ok(()) };
    let broker = start_in(folder.as_ref(), |config| {
        let small_segments = [("log.segment.bytes".to_owned(), "100000".to_owned())];
        config.topic_defaults.extend(small_segments);
    })
    .await?;
    println!("\nlistening {}", broker.addresses()[0]);
    std::future::pending().await
}

pub(crate) struct Killed {
    pub(crate) process: Child,
    pub(crate) address: String,
}

impl Killed {
    /// kill -9, and the end of the process.
    pub(crate) fn kill(&mut self) -> TestResult {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("the broker process could not be killed: {error}");
        }
    }
}

pub(crate) fn spawn(folder: &std::path::Path) -> Result<Killed, TestError> {
    let mut process = Command::new(std::env::current_exe()?)
        .args(["kill::broker_process", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = BufReader::new(process.stdout.take().ok_or("no output")?);
    for line in output.lines() {
        if let Some(address) = line?.strip_prefix("listening ") {
            return Ok(Killed { process, address: address.to_owned() });
        }
    }
    Err("the broker ended without listening".into())
}

/// An idempotent producer of numbered values that goes on where it was when the broker comes back.
struct Producer {
    name: String,
    producer_id: i64,
    next: i32,
    acknowledged: Vec<(i64, String)>,
    /// Of all producers, in this round.
    count: Arc<AtomicU32>,
}

impl Producer {
    fn request(&self) -> (String, ProduceRequest) {
        let value = format!("{}-{}", self.name, self.next);
        let padding = "x".repeat(500);
        let fields = BatchFields {
            producer_id: self.producer_id,
            producer_epoch: 0,
            base_sequence: self.next,
            ..BatchFields::default()
        };
        (value.clone(), produce_request("t", batch(&[&format!("{value} {padding}")], fields), -1))
    }

    /// Produces until the broker is gone.
    async fn run(&mut self, address: &str) -> TestResult {
        let mut client = Client::to(address).await?;
        if self.producer_id < 0 {
            self.producer_id = client.ask(InitProducerIdRequest::default(), 4).await?.producer_id;
        }
        loop {
            let (value, request) = self.request();
            let mut response = client.ask(request, 9).await?;
            let part = response.responses.remove(0).partition_responses.remove(0);
            assert_eq!(part.error_code, ErrorCode::NONE, "{value}: {:?}", part.error_message);
            self.acknowledged.push((part.base_offset, value));
            self.count.fetch_add(1, Ordering::Relaxed);
            self.next += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_exactly_once() -> TestResult {
    let folder = tempfile::tempdir()?;
    let count = Arc::new(AtomicU32::new(0));
    let mut producers: Vec<Producer> = (0..3)
        .map(|number| Producer {
            name: format!("p{number}"),
            producer_id: -1,
            next: 0,
            acknowledged: Vec::new(),
            count: Arc::clone(&count),
        })
        .collect();
    for round in 0..ROUNDS {
        let path = folder.path().to_owned();
        let mut killed =
            tokio::task::spawn_blocking(move || spawn(&path).map_err(|error| error.to_string())).await??;
        if round == 0 {
            Client::to(&killed.address).await?.create("t", 1, &[]).await?;
        }
        count.store(0, Ordering::Relaxed);
        let killing = async {
            // How fast the disk is does not matter; when the kill comes in what is written shall differ.
            while count.load(Ordering::Relaxed) < ACKNOWLEDGED_MIN {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(Duration::from_millis(37 * u64::from(round))).await;
            killed.process.kill()
        };
        let [one, two, three] = &mut producers[..] else { return Err("three producers".into()) };
        let address = killed.address.clone();
        let (done, ..) = tokio::join!(killing, one.run(&address), two.run(&address), three.run(&address));
        done?;
        killed.process.wait()?;
    }
    let acknowledged: usize = producers.iter().map(|producer| producer.acknowledged.len()).sum();
    assert!(acknowledged >= usize::try_from(ROUNDS * ACKNOWLEDGED_MIN)?, "{acknowledged}");
    let stored = read_all(folder.path()).await?;
    for producer in &producers {
        for (offset, value) in &producer.acknowledged {
            let found = usize::try_from(*offset).ok().and_then(|at| stored.get(at));
            assert_eq!(found, Some(value), "acknowledged at offset {offset}");
        }
        let own: Vec<&String> =
            stored.iter().filter(|value| value.starts_with(&format!("{}-", producer.name))).collect();
        let in_order = own.iter().enumerate().all(|(at, value)| **value == format!("{}-{at}", producer.name));
        assert!(in_order, "{} is not complete, in order and once: {own:?}", producer.name);
    }
    Ok(())
}

async fn read_all(folder: &std::path::Path) -> Result<Vec<String>, TestError> {
    let broker = start_in(folder, |_| ()).await?;
    let (mut client, mut values, mut next) = (Client::connect(&broker).await?, Vec::new(), 0);
    loop {
        let response = client.ask(fetch_request("t", next, Duration::ZERO, 0), 12).await?;
        let part = &response.responses[0].partitions[0];
        assert_eq!(part.error_code, ErrorCode::NONE);
        if next == part.high_watermark {
            return Ok(values);
        }
        for batch in Batches::new(part.records.clone().unwrap_or_default()) {
            let batch = batch?;
            for record in &batch.records(InflateLimits::default())? {
                let record = record?;
                assert_eq!(record.offset, i64::try_from(values.len())?, "no offset is missing");
                let text = String::from_utf8(record.value.unwrap_or_default().to_vec())?;
                values.push(text.split(' ').next().unwrap_or_default().to_owned());
            }
            next = batch.header().next_offset();
        }
    }
}
