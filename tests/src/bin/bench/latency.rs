//! From commit in MySQL to readable in the topic, at a steady 5,000 rows a second.
//!
//! A writer commits a transaction of 10 rows every 2 ms, on the clock and not as fast as it goes; a consumer of committed records waits at the
//! topic's end. A row's time runs from when `COMMIT` was answered to when the consumer has the record. A record that is there before the
//! writer heard of its commit took no time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use broker_client::{Client, ClientConfig, ConsumerConfig, Isolation, PartitionConsumer, TopicPartition};
use harness::database::{Database, Kind};
use harness::millrace::Millrace;
use harness::pipeline;
use mysql_async::prelude::Queryable;
use serde_json::json;

use super::figures::Figure;
use super::workload::PAYMENTS;

/// Rows of one transaction.
const ROWS: u64 = 10;
/// Time from one transaction to the next.
const PERIOD: Duration = Duration::from_millis(2);
/// How long it is written.
const SPAN: Duration = Duration::from_secs(20);
/// What is left out at the start: connections and caches are cold.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long the last record may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The sessions that write in turns, so that one slow commit does not hold up the next.
const SESSIONS: usize = 4;

const TOPIC: &str = "shop.bench.payments";

/// When each row was committed, by its number from 0 on.
type Commits = Vec<(Instant, Instant)>;

/// Writes and reads for a while.
pub(crate) async fn measure() -> Result<Vec<Figure>> {
    eprintln!("commit -> readable in the topic at 5,000 rows/s, {} s ...", SPAN.as_secs());
    let database = Database::start(Kind::MySql).await?;
    PAYMENTS.create(&database).await?;
    let folder = tempfile::tempdir()?;
    let mut millrace = Millrace::standalone(folder.path(), &[]).await?;
    let mut config = pipeline::mysql_source(&database, "bench");
    config["table.include.list"] = json!("bench.payments");
    millrace.create("bench", config).await?;

    let client = Client::new(ClientConfig {
        bootstrap_servers: vec![millrace.bootstrap_servers()],
        ..ClientConfig::default()
    });
    database.run(&[&PAYMENTS.insert(0..1)]).await?;
    harness::far_end::FarEnd::new(&millrace.bootstrap_servers()).holds(TOPIC, 1, LIMIT).await?;
    let isolation = Isolation::ReadCommitted;
    let config = ConsumerConfig { isolation, ..ConsumerConfig::default() };
    let consumer = PartitionConsumer::assign(&client, vec![(TopicPartition::new(TOPIC, 0), 0)], config);

    let before = millrace.process()?.processor_seconds()?;
    let transactions = u32::try_from(SPAN.as_nanos() / PERIOD.as_nanos())?;
    let rows = usize::try_from(u64::from(transactions) * ROWS)?;
    let reading = tokio::spawn(read(consumer, rows));
    let (commits, late) = write(Arc::new(database), transactions).await?;
    let arrivals = tokio::time::timeout(LIMIT, reading).await.context("not all rows arrived")???;
    let processor = millrace.process()?.processor_seconds()? - before;
    figures(&commits, &arrivals, late, processor)
}

/// Commits on the clock. Gives when each row's commit was asked for and answered, and how late the latest was begun.
async fn write(database: Arc<Database>, transactions: u32) -> Result<(Commits, Duration)> {
    let start = Instant::now() + Duration::from_millis(100);
    let writers: Vec<_> = (0..SESSIONS)
        .map(|session| tokio::spawn(write_every(Arc::clone(&database), session, transactions, start)))
        .collect();
    let mut commits = Vec::new();
    for writer in writers {
        commits.extend(writer.await??);
    }
    commits.sort_by_key(|(number, ..)| *number);
    let late = commits.iter().map(|(number, asked, _)| *asked - (start + PERIOD * *number)).max();
    let rows = commits.into_iter().flat_map(|(_, asked, answered)| vec![(asked, answered); 10]);
    Ok((rows.collect(), late.unwrap_or_default()))
}

async fn write_every(
    database: Arc<Database>,
    session: usize,
    transactions: u32,
    start: Instant,
) -> Result<Vec<(u32, Instant, Instant)>> {
    let mut conn = database.connect().await?;
    let mut done = Vec::new();
    for number in (0..transactions).skip(session).step_by(SESSIONS) {
        let first = u64::from(number) * ROWS;
        // The rows say their number as their customer.
        let insert = PAYMENTS.insert(first..first + ROWS);
        tokio::time::sleep_until((start + PERIOD * number).into()).await;
        let asked = Instant::now();
        conn.query_drop(insert).await?;
        done.push((number, asked, Instant::now()));
    }
    conn.disconnect().await?;
    Ok(done)
}

/// When each row could be read, by its number. The first record is the one that was there before.
async fn read(mut consumer: PartitionConsumer, rows: usize) -> Result<Vec<Instant>> {
    let mut seen: Vec<Option<Instant>> = vec![None; rows];
    let (mut left, mut first) = (rows, true);
    while left > 0 {
        let fetched = consumer.poll().await?;
        let now = Instant::now();
        for record in fetched.iter().flat_map(|fetched| &fetched.records) {
            if std::mem::take(&mut first) {
                continue;
            }
            let value = record.value.as_deref().context("a record has no value")?;
            let number = customer(value).context("a record names no customer")?;
            let place = seen.get_mut(number).with_context(|| format!("nobody wrote row {number}"))?;
            ensure!(place.replace(now).is_none(), "row {number} came twice");
            left -= 1;
        }
    }
    seen.into_iter().map(|seen| seen.context("a row is missing")).collect()
}

/// The number behind `"customer":` in a change event.
fn customer(value: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\"customer\":";
    let at = value.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let digits = value.get(at..)?.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn figures(commits: &Commits, arrivals: &[Instant], late: Duration, processor: f64) -> Result<Vec<Figure>> {
    let warm = usize::try_from(WARM_UP.as_nanos() / PERIOD.as_nanos())? * usize::try_from(ROWS)?;
    let pairs = commits.iter().zip(arrivals).skip(warm);
    let mut took: Vec<f64> = pairs
        .clone()
        .map(|((_, answered), arrived)| arrived.saturating_duration_since(*answered).as_secs_f64() * 1e3)
        .collect();
    took.sort_by(f64::total_cmp);
    let mut commit: Vec<f64> =
        pairs.map(|((asked, answered), _)| (*answered - *asked).as_secs_f64() * 1e3).collect();
    commit.sort_by(f64::total_cmp);
    let note = format!(
        "median {:.1} ms, worst {:.1} ms; a commit took {:.1} ms (p99 {:.1}) and began {:.1} ms late at worst; {processor:.1} s of processor time",
        part_of(&took, 0.5),
        part_of(&took, 1.0),
        part_of(&commit, 0.5),
        part_of(&commit, 0.99),
        late.as_secs_f64() * 1e3,
    );
    let what = "commit -> readable in the topic at 5,000 rows/s: 99 of 100";
    Ok(vec![Figure::falling(what, part_of(&took, 0.99), 10.0, "ms").noted(note)])
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index"
)]
fn part_of(sorted: &[f64], part: f64) -> f64 {
    let at = ((sorted.len() as f64 * part).ceil() as usize).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
