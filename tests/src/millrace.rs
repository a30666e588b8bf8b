//! The built binary as a user runs it: `millrace standalone` or `millrace distributed` with a worker file, reached over REST.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::Value;

use crate::network::Home;
use crate::process::Process;
use crate::{places, wait};

/// How long a started worker may take until REST answers.
const START_LIMIT: Duration = wait::PATIENCE;

/// Where REST listens in a network of its own.
const REST_PORT: u16 = 8083;

/// A worker with its own folder and ports, and its own broker unless it is one of several.
#[derive(Debug)]
pub struct Millrace {
    folder: PathBuf,
    home: Home,
    rest_port: u16,
    command: &'static str,
    bootstrap_servers: String,
    connectors: Vec<String>,
    binary: Option<PathBuf>,
    process: Option<Process>,
    http: reqwest::Client,
}

impl Millrace {
    /// Starts a worker in this folder, with these settings over the harness's own (ports, data folder), and waits until
    /// REST answers.
    ///
    /// # Errors
    /// When it does not come up, with the end of its log.
    pub async fn standalone(folder: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let mut millrace = Self::prepare(folder, settings)?;
        millrace.start().await?;
        Ok(millrace)
    }

    /// Starts a worker as [`Millrace::standalone`], with connector files on its command line.
    ///
    /// # Errors
    /// As [`Millrace::standalone`].
    pub async fn standalone_with(
        folder: &Path,
        settings: &[(&str, &str)],
        connectors: &[&str],
    ) -> Result<Self> {
        let mut millrace = Self::prepare(folder, settings)?;
        millrace.connectors = connectors.iter().map(ToString::to_string).collect();
        millrace.start().await?;
        Ok(millrace)
    }

    /// Writes the worker file, without starting anything yet.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn prepare(folder: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let broker_port = places::free_port()?;
        let text = format!(
            "broker.listeners=PLAINTEXT://127.0.0.1:{broker_port}\nbroker.log.dirs={}\n",
            folder.join("data").display()
        );
        let servers = format!("127.0.0.1:{broker_port}");
        Self::prepare_as("standalone", Home::default(), (servers, text), folder, settings)
    }

    /// Starts a worker in this folder as one of a group that meets at these brokers, and waits until REST answers.
    ///
    /// # Errors
    /// As [`Millrace::standalone`].
    pub async fn distributed(
        folder: &Path,
        bootstrap_servers: &str,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        Self::distributed_at(Home::default(), folder, bootstrap_servers, settings).await
    }

    /// The same, in a network of its own.
    ///
    /// # Errors
    /// As [`Millrace::standalone`].
    pub async fn distributed_at(
        home: Home,
        folder: &Path,
        bootstrap_servers: &str,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let mut millrace = Self::prepare_distributed_at(home, folder, bootstrap_servers, settings)?;
        millrace.start().await?;
        Ok(millrace)
    }

    /// Writes the worker file of one of a group, without starting anything yet.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn prepare_distributed(
        folder: &Path,
        bootstrap_servers: &str,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        Self::prepare_distributed_at(Home::default(), folder, bootstrap_servers, settings)
    }

    fn prepare_distributed_at(
        home: Home,
        folder: &Path,
        bootstrap_servers: &str,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let text = format!("bootstrap.servers={bootstrap_servers}\n");
        let said = (bootstrap_servers.to_owned(), text);
        Self::prepare_as("distributed", home, said, folder, settings)
    }

    fn prepare_as(
        command: &'static str,
        home: Home,
        (bootstrap_servers, mut text): (String, String),
        folder: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let rest_port = home.port(REST_PORT)?;
        text += &format!("listeners=http://{}:{rest_port}\n", home.host());
        text += "offset.flush.interval.ms=500\n";
        for (name, value) in settings {
            text += &format!("{name}={value}\n");
        }
        fs::write(folder.join("worker.properties"), text)?;
        install_crypto();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build()?;
        Ok(Self {
            folder: folder.to_path_buf(),
            home,
            rest_port,
            command,
            bootstrap_servers,
            connectors: Vec::new(),
            binary: None,
            process: None,
            http,
        })
    }

    /// Has another binary of this repository run, which takes the same arguments. Tests on several runtimes may share it:
    /// no connection outlives its request.
    ///
    /// # Errors
    /// When the binary was not built.
    pub fn run_binary(&mut self, name: &str) -> Result<()> {
        self.binary = Some(places::binary(name)?);
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).pool_max_idle_per_host(0);
        self.http = http.build()?;
        Ok(())
    }

    /// Starts the process (again) and waits until REST answers. Gives the time that took.
    ///
    /// # Errors
    /// When it ends or does not answer, with the end of its log.
    pub async fn start(&mut self) -> Result<Duration> {
        let began = Instant::now();
        self.launch()?;
        let url = self.url();
        let process = self.process.as_mut().context("millrace does not run")?;
        while began.elapsed() < START_LIMIT {
            if let Some(status) = process.exited()? {
                bail!("millrace ended with {status} at its start:\n{}", process.log_tail());
            }
            if self.http.get(&url).send().await.is_ok() {
                return Ok(began.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("millrace did not answer within {START_LIMIT:?}:\n{}", process.log_tail())
    }

    /// Starts the process without waiting for anything.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&mut self) -> Result<()> {
        let mut arguments = vec![self.command, "worker.properties"];
        arguments.extend(self.connectors.iter().map(String::as_str));
        let binary = self.binary.clone().map_or_else(places::millrace_binary, Ok)?;
        self.process = Some(self.home.start(&binary, &self.folder, &arguments)?);
        Ok(())
    }

    /// The process, while it runs.
    ///
    /// # Errors
    /// When it was not started or has been stopped.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("millrace does not run")
    }

    /// `127.0.0.1:port` of its brokers.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.bootstrap_servers.clone()
    }

    /// What it is called in statuses.
    #[must_use]
    pub fn worker_id(&self) -> String {
        format!("{}:{}", self.home.host(), self.rest_port)
    }

    /// `http://host:port` of its REST interface.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}:{}", self.home.host(), self.rest_port)
    }

    /// The folder that it runs in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A REST call: the status code and the body (null when there is none; text when it is not JSON).
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.url()));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(if text.is_empty() {
            Value::Null
        } else {
            Value::String(text)
        });
        Ok((status, body))
    }

    /// `GET`, which must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let (status, body) = self.call(Method::GET, path, None).await?;
        ensure!(status == 200, "GET {path}: {status} {body}");
        Ok(body)
    }

    /// Creates a connector over REST and waits until it and all of its tasks run.
    ///
    /// # Errors
    /// When it is refused or fails.
    pub async fn create(&self, name: &str, config: Value) -> Result<()> {
        let body = serde_json::json!({"name": name, "config": config});
        let (status, answer) = self.call(Method::POST, "/connectors", Some(&body)).await?;
        ensure!(status == 201, "creating {name}: {status} {answer}");
        self.running(name).await
    }

    /// Waits until a connector and all of its tasks run.
    ///
    /// # Errors
    /// When they do not, with the status seen last.
    pub async fn running(&self, name: &str) -> Result<()> {
        let path = format!("/connectors/{name}/status");
        wait::until(&format!("connector {name} running"), wait::PATIENCE, || async {
            let status = self.get(&path).await?;
            let tasks = status["tasks"].as_array().context("no tasks in the status")?;
            let running = !tasks.is_empty() && tasks.iter().all(|task| task["state"] == "RUNNING");
            ensure!(running && status["connector"]["state"] == "RUNNING", "{status}");
            Ok(())
        })
        .await
    }

    /// One number of `/metrics`, summed over all lines whose name and labels contain all of `parts`.
    ///
    /// # Errors
    /// When `/metrics` does not answer.
    pub async fn metric(&self, parts: &[&str]) -> Result<f64> {
        let text = self.http.get(format!("{}/metrics", self.url())).send().await?.text().await?;
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }
}

/// Lets TLS libraries know which cryptography to use; the first call counts.
pub fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none()
        && rustls::crypto::ring::default_provider().install_default().is_err()
    {
        eprintln!("another thread chose the cryptography first, which is as good");
    }
}
