//! `millrace connectors logs`.
//!
//! Lines come as JSON, one a line, and are printed one by one: following ends only with the worker or the reader.

use std::io::Write as _;

use clap::Args;
use serde_json::Value;

use super::super::exit::Exit;
use super::super::output::Output;
use super::worker::Worker;

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// The connector
    name: String,
    /// Go on printing lines as they come
    #[arg(long, short = 'f')]
    follow: bool,
    /// How many of the last lines to begin with
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    tail: u32,
    /// Only what this task says
    #[arg(long, value_name = "N")]
    task: Option<u32>,
}

pub(super) async fn run(worker: &Worker, arguments: &LogsArgs, json: bool) -> Result<(), Exit> {
    let mut query = format!("tail={}&follow={}", arguments.tail, arguments.follow);
    if let Some(task) = arguments.task {
        query += &format!("&task={task}");
    }
    let mut output = Output::open();
    worker
        .lines(&["connectors", &arguments.name, "logs"], &query, |line| {
            let line = if json { line.to_owned() } else { for_people(line)? };
            writeln!(output.writer(), "{line}").map_err(|error| Exit::output(&error))?;
            output.flush()
        })
        .await
}

/// `2026-11-22T04:05:06.789Z WARN task 0 runtime::worker::sink: what was said`
fn for_people(line: &str) -> Result<String, Exit> {
    let line: Value = serde_json::from_str(line)
        .map_err(|error| Exit::runtime(format!("the worker sent a line that is not JSON: {error}")))?;
    let word = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let time = line["time"].as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let time = time.map_or_else(|| "-".to_owned(), |time| format!("{time:.3}"));
    let task = line["task"].as_u64().map_or_else(String::new, |task| format!(" task {task}"));
    Ok(format!("{time} {}{task} {}: {}", word("level"), word("logger"), word("message")))
}

#[cfg(test)]
mod tests {
    use super::for_people;

    #[test]
    fn a_line_is_printed_for_people() {
        let line = r#"{"number":1,"time":1000,"level":"WARN","task":2,"logger":"a::b","message":"no way"}"#;
        assert_eq!(for_people(line).unwrap(), "1970-01-01T00:00:01.000Z WARN task 2 a::b: no way");
        assert_eq!(for_people("nonsense").unwrap_err().code, 1);
    }
}
