//! `millrace connectors delete`, `pause`, `resume`, `stop`, `restart`: one question for each name.
//!
//! Every name is tried, whatever became of the ones before; the first failure's kind is the exit code.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::confirm;
use super::super::exit::Exit;
use super::super::output;
use super::worker::Worker;

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct NamesArgs {
    /// The connectors
    #[arg(required = true)]
    names: Vec<String>,
}

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    #[command(flatten)]
    names: NamesArgs,
    /// Do not ask, even on a terminal
    #[arg(long, short = 'y')]
    yes: bool,
}

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct RestartArgs {
    #[command(flatten)]
    names: NamesArgs,
    /// Their tasks too
    #[arg(long)]
    include_tasks: bool,
    /// Only what has failed
    #[arg(long)]
    only_failed: bool,
}

/// One thing to do with a connector.
#[derive(Debug)]
pub(super) struct Order {
    method: Method,
    /// The last segment of the path, if there is one.
    action: Option<&'static str>,
    query: String,
    done: &'static str,
}

pub(super) const PAUSE: Order = Order::put("pause", "paused");
pub(super) const RESUME: Order = Order::put("resume", "resumed");
pub(super) const STOP: Order = Order::put("stop", "stopped");

impl Order {
    const fn put(action: &'static str, done: &'static str) -> Self {
        Self { method: Method::PUT, action: Some(action), query: String::new(), done }
    }

    /// Gives the order to every connector.
    pub(super) async fn run(&self, worker: &Worker, names: &NamesArgs, json: bool) -> Result<(), Exit> {
        let mut failures: Vec<Exit> = Vec::new();
        let mut outcomes: Vec<Value> = Vec::new();
        for name in &names.names {
            let mut path = vec!["connectors", name];
            path.extend(self.action);
            let failure = worker.call(self.method.clone(), &path, &self.query, None).await.err();
            let error = failure.as_ref().map(|exit| exit.message.clone());
            if !json && error.is_none() {
                output::text(&format!("{} connector {name}\n", self.done))?;
            }
            outcomes.push(json!({"name": name, "done": error.is_none(), "error": error}));
            failures
                .extend(failure.map(|exit| Exit { message: format!("{name}: {}", exit.message), ..exit }));
        }
        if json {
            output::json(&Value::from(outcomes))?;
        }
        let words: Vec<_> = failures.iter().map(|exit| exit.message.as_str()).collect();
        failures.first().map_or(Ok(()), |first| Err(Exit { code: first.code, message: words.join("\n") }))
    }
}

pub(super) async fn delete(worker: &Worker, arguments: &DeleteArgs, json: bool) -> Result<(), Exit> {
    confirm::ask(&format!("delete {}?", arguments.names.names.join(", ")), arguments.yes).await?;
    let order = Order { method: Method::DELETE, action: None, query: String::new(), done: "deleted" };
    order.run(worker, &arguments.names, json).await
}

pub(super) async fn restart(worker: &Worker, arguments: &RestartArgs, json: bool) -> Result<(), Exit> {
    let (tasks, failed) = (arguments.include_tasks, arguments.only_failed);
    let query = format!("includeTasks={tasks}&onlyFailed={failed}");
    let order = Order { method: Method::POST, action: Some("restart"), query, done: "restarted" };
    order.run(worker, &arguments.names, json).await
}
