//! Where processes live: on this machine's loopback, or each in a network namespace of its own, joined by cables that can be cut.
//!
//! The namespaces hang on one bridge. A pair is cut by giving one the wrong hardware address of the other: frames go out and nobody
//! takes them, as behind a broken switch. Nothing is refused, connections just hang. That needs `ip`, and no module of the kernel.
//! Invariant: all of it goes with the process that laid it: the bridge lies in a namespace of that process, the others are held
//! by children that end with it.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::places;
use crate::process::Process;

/// The first three numbers of all addresses.
const PREFIX: &str = "10.213.0";
/// The bridge's: processes that start outside of all members' namespaces have it, and nothing cuts it off.
pub const BRIDGE: &str = "10.213.0.1";
/// Nobody's hardware address.
const NOWHERE: &str = "02:00:00:00:00:ff";

/// An address to listen on, and how processes are started so that they have it.
#[derive(Debug, Clone, Default)]
pub struct Home(Option<u8>, Vec<String>);

impl Home {
    /// The address.
    #[must_use]
    pub fn host(&self) -> String {
        self.0.map_or_else(|| "127.0.0.1".to_owned(), address)
    }

    /// A port: this one where it lives alone, a free one elsewhere.
    ///
    /// # Errors
    /// When none is free.
    pub fn port(&self, alone: u16) -> Result<u16> {
        if self.0.is_some() { Ok(alone) } else { places::free_port() }
    }

    /// Starts a binary there.
    ///
    /// # Errors
    /// As [`Process::start_binary`].
    pub fn start(&self, binary: &Path, folder: &Path, arguments: &[&str]) -> Result<Process> {
        let Some((program, before)) = self.1.split_first() else {
            return Process::start_binary(binary, folder, arguments);
        };
        let binary = binary.to_str().context("the binary's path is not text")?;
        let before = before.iter().map(String::as_str).chain([binary]);
        let arguments: Vec<&str> = before.chain(arguments.iter().copied()).collect();
        Process::start_binary(Path::new(program), folder, &arguments)
    }
}

fn address(number: u8) -> String {
    format!("{PREFIX}.{number}")
}

fn hardware(number: u8) -> String {
    format!("02:00:00:00:00:{number:02x}")
}

/// What keeps this system from giving each process a network of its own; `None` if nothing does.
#[must_use]
pub fn missing() -> Option<String> {
    for (program, arguments, package) in [
        ("ip", &["-V"][..], "iproute2"),
        ("unshare", &["-V"], "util-linux"),
        ("nsenter", &["-V"], "util-linux"),
    ] {
        if let Err(error) = run(program, arguments) {
            return Some(format!("{program} does not run; install {package} ({error:#})"));
        }
    }
    let namespace = new_namespace()?;
    Some(format!(
        "the system gives no network namespace, neither as it is nor to a user namespace: {namespace:#}"
    ))
}

/// Why there can be no namespace.
fn new_namespace() -> Option<anyhow::Error> {
    let tried = |arguments: &[&str]| run("unshare", arguments);
    tried(&["--net", "true"]).or_else(|_denied| tried(&["--map-root-user", "--net", "true"])).err()
}

/// Starts the running program again, with the same arguments and one more, in a network namespace of its own. Returns only if
/// that cannot be done.
#[must_use]
pub fn enter_own(argument: &str) -> io::Error {
    let mut command = Command::new("unshare");
    if run("unshare", &["--net", "true"]).is_err() {
        command.arg("--map-root-user");
    }
    match std::env::current_exe() {
        Ok(program) => {
            command.arg("--net").arg(program).args(std::env::args_os().skip(1)).arg(argument).exec()
        }
        Err(error) => error,
    }
}

/// Members, each in a namespace of its own.
#[derive(Debug)]
pub struct Network {
    /// Hold the namespaces: they end when their input does, so with this process at the latest.
    holders: Vec<Child>,
}

impl Network {
    /// Lays it. The process must be in a network namespace of its own ([`enter_own`]).
    ///
    /// # Errors
    /// When a command fails, with what it said.
    pub fn lay(members: u8) -> Result<Self> {
        ip(&["link", "set", "lo", "up"])?;
        ip(&["link", "add", "bridge", "type", "bridge"])?;
        ip(&["link", "set", "bridge", "address", &hardware(1), "up"])?;
        ip(&["address", "add", &format!("{}/24", address(1)), "dev", "bridge"])?;
        let mut network = Self { holders: Vec::new() };
        for member in 0..members {
            network.add(member).with_context(|| format!("giving member {member} a network"))?;
        }
        network.heal()?;
        Ok(network)
    }

    fn add(&mut self, member: u8) -> Result<()> {
        let mut command = Command::new("unshare");
        command.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let holder = command.process_group(0).spawn().context("starting unshare")?;
        self.holders.push(holder);
        self.wait_for_namespace(member)?;
        let (number, port) = (number(member), format!("port{member}"));
        let process = self.holder(member)?.to_string();
        let peer = ["peer", "name", "eth0", "address", &hardware(number), "netns", &process];
        ip(&[&["link", "add", &port, "type", "veth"], &peer[..]].concat())?;
        ip(&["link", "set", &port, "master", "bridge", "up"])?;
        self.ip_of(member, &["link", "set", "lo", "up"])?;
        self.ip_of(member, &["address", "add", &format!("{}/24", address(number)), "dev", "eth0"])?;
        self.ip_of(member, &["link", "set", "eth0", "up"])
    }

    /// Waits until the holder has left our namespace for its own.
    fn wait_for_namespace(&mut self, member: u8) -> Result<()> {
        use std::io::{Read as _, Write as _};
        let holder = self.holders.get_mut(usize::from(member)).context("no such member")?;
        // What `cat` is given comes back once it runs, and it runs in the new namespace.
        let (input, output) =
            (holder.stdin.as_mut().context("no input")?, holder.stdout.as_mut().context("no output")?);
        input.write_all(b"!")?;
        let mut answer = [0];
        output.read_exact(&mut answer).context("the namespace's holder does not answer")
    }

    fn holder(&self, member: u8) -> Result<u32> {
        self.holders
            .get(usize::from(member))
            .map(Child::id)
            .with_context(|| format!("there is no member {member}"))
    }

    /// The words that run a command in a member's namespace.
    fn enter(&self, member: u8) -> Result<Vec<String>> {
        Ok(vec!["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", self.holder(member)?)])
    }

    fn ip_of(&self, member: u8, arguments: &[&str]) -> Result<()> {
        let words = self.enter(member)?;
        let [program, namespace] = &words[..] else { bail!("no way into the namespace of member {member}") };
        run(program, &[&[namespace.as_str(), "ip"], arguments].concat())
    }

    /// Where a member's processes live.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn home(&self, member: u8) -> Result<Home> {
        Ok(Home(Some(number(member)), self.enter(member)?))
    }

    /// From now on nothing that one sends reaches the other.
    ///
    /// # Errors
    /// When the command fails.
    pub fn cut(&self, from: u8, to: u8) -> Result<()> {
        self.point(from, to, NOWHERE)
    }

    /// Everyone reaches everyone.
    ///
    /// # Errors
    /// When a command fails.
    pub fn heal(&self) -> Result<()> {
        let members = || 0_u8..u8::try_from(self.holders.len()).unwrap_or(u8::MAX);
        for (from, to) in members().flat_map(|from| members().map(move |to| (from, to))) {
            if from != to {
                self.point(from, to, &hardware(number(to)))?;
            }
        }
        Ok(())
    }

    fn point(&self, from: u8, to: u8, hardware: &str) -> Result<()> {
        let address = address(number(to));
        self.ip_of(
            from,
            &["neighbour", "replace", &address, "lladdr", hardware, "dev", "eth0", "nud", "permanent"],
        )
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for holder in &mut self.holders {
            drop(holder.stdin.take());
            if let Err(error) = holder.wait() {
                eprintln!("a namespace's holder did not end: {error}");
            }
        }
    }
}

/// The last number of a member's addresses; 1 is the bridge's.
const fn number(member: u8) -> u8 {
    member + 10
}

fn ip(arguments: &[&str]) -> Result<()> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output =
        Command::new(program).args(arguments).stdin(Stdio::null()).output().context(program.to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), said.trim());
    Ok(())
}
