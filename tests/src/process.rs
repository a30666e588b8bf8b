//! The built binary as a process: started in a folder, its output in a log, killed or asked to stop.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::places;

/// How long a process may take to stop after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A process of ours; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Option<Child>,
    log: PathBuf,
}

impl Process {
    /// Runs `millrace` with these arguments in a folder; its output is appended to `millrace.log` there.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(folder: &Path, arguments: &[&str]) -> Result<Self> {
        Self::start_binary(&places::millrace_binary()?, folder, arguments)
    }

    /// Runs another binary in the same way.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_binary(binary: &Path, folder: &Path, arguments: &[&str]) -> Result<Self> {
        let log = folder.join("millrace.log");
        let output = fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = Command::new(binary);
        // A group of its own: Ctrl-C is for whoever runs the harness, which then stops the process itself.
        command.args(arguments).current_dir(folder).process_group(0);
        let child =
            command.stdout(output.try_clone()?).stderr(output).spawn().context("starting millrace")?;
        Ok(Self { child: Some(child), log })
    }

    /// How the process ended, if it did.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child.as_mut().map_or(Ok(None), |child| child.try_wait().context("looking after millrace"))
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not within the limit.
    pub async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.exited()? {
                self.child = None;
                return Ok(status);
            }
            ensure!(began.elapsed() < limit, "millrace did not end within {limit:?}:\n{}", self.log_tail());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When there is nothing to kill.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("millrace does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal("TERM")?;
        match self.ended(STOP_LIMIT).await {
            Ok(status) => Ok(status),
            Err(error) => {
                self.kill()?;
                bail!("after SIGTERM: {error:#}")
            }
        }
    }

    /// Sends a signal by its name, such as `STOP`.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, name: &str) -> Result<()> {
        let process = self.id()?.to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &process]).status()?;
        ensure!(sent.success(), "could not send SIG{name} to {process}");
        Ok(())
    }

    /// The last lines of the output.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = self.log();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// The whole output, of earlier starts too.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_else(|error| format!("(no log: {error})"))
    }

    /// The resident memory in bytes: now, and its peak.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn memory(&self) -> Result<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let bytes = |name: &str| {
            let line =
                status.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
            let kibibytes = line.split_whitespace().nth(1).with_context(|| format!("no number in {line}"))?;
            Ok::<_, anyhow::Error>(kibibytes.parse::<u64>()? * 1024)
        };
        Ok((bytes("VmRSS:")?, bytes("VmHWM:")?))
    }

    /// The processor time that the process has used, in seconds, on all cores together.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn processor_seconds(&self) -> Result<f64> {
        processor_seconds(self.id()?)
    }

    /// Its number.
    ///
    /// # Errors
    /// When it does not run.
    pub fn id(&self) -> Result<u32> {
        self.child.as_ref().map(Child::id).context("millrace does not run")
    }
}

/// The processor time that a process has used, in seconds, on all cores together.
///
/// # Errors
/// When there is none of that number.
pub fn processor_seconds(process: u32) -> Result<f64> {
    /// `USER_HZ`, which Linux has fixed at 100 for programs.
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Fields are counted after the command's name, which stands in parentheses and may hold anything.
    let fields = text.rsplit(')').next().context("no fields")?.split_whitespace().skip(11).take(2);
    Ok(fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND)
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.is_some()
            && let Err(error) = self.kill()
        {
            eprintln!("stopping millrace: {error:#}");
        }
    }
}
