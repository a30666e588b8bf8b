//! The broker alone, as `millrace broker` with a broker file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;

use crate::network::Home;
use crate::process::Process;
use crate::{places, wait};

/// Where it listens in a network of its own.
const PORT: u16 = 9092;

/// A broker with its own folder and port.
#[derive(Debug)]
pub struct Broker {
    folder: PathBuf,
    home: Home,
    port: u16,
    process: Option<Process>,
}

impl Broker {
    /// Starts a broker in this folder with these settings over the harness's own, and waits until it takes connections.
    ///
    /// # Errors
    /// When it does not come up, with the end of its log.
    pub async fn start(folder: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_at(Home::default(), folder, settings).await
    }

    /// The same, in a network of its own.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub async fn start_at(home: Home, folder: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let port = home.port(PORT)?;
        let (host, data) = (home.host(), folder.join("data"));
        let mut text = format!("listeners=PLAINTEXT://{host}:{port}\nlog.dirs={}\n", data.display());
        for (name, value) in settings {
            text += &format!("{name}={value}\n");
        }
        fs::write(folder.join("broker.properties"), text)?;
        let mut broker = Self { folder: folder.to_path_buf(), home, port, process: None };
        broker.restart().await?;
        Ok(broker)
    }

    /// Starts it (again) on the same data and port.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub async fn restart(&mut self) -> Result<()> {
        drop(self.process.take());
        let binary = places::millrace_binary()?;
        let started = self.home.start(&binary, &self.folder, &["broker", "broker.properties"])?;
        let process = self.process.insert(started);
        let address = format!("{}:{}", self.home.host(), self.port);
        let connected = wait::until("the broker", wait::PATIENCE, || async {
            TcpStream::connect(&address).await.map(drop).context("connecting")
        });
        match connected.await {
            Ok(()) => Ok(()),
            Err(error) => bail!("{error:#}\n{}", process.log_tail()),
        }
    }

    /// The process, while it runs.
    ///
    /// # Errors
    /// When it has been stopped.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("the broker does not run")
    }

    /// `host:port`.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        format!("{}:{}", self.home.host(), self.port)
    }
}
