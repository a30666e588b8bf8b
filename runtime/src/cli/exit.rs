//! How the process ends: the code and the last words of each kind of failure.
//!
//! Invariant: whoever fails says here, once, which kind of failure it was; only `main` turns that into an exit code. The worker and
//! the broker end with Connect's codes, the commands for people and programs with 1 for the world and 2 for what they were told.

use std::io::Write as _;

/// Why the process ends, and with which code.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(super) code: u8,
    pub(super) message: String,
}

impl Exit {
    /// The worker or broker could not start, or broke down (Connect's code 2).
    pub(crate) fn start(error: impl std::fmt::Display) -> Self {
        Self { code: 2, message: error.to_string() }
    }

    /// A connector of the command line was refused (Connect's code 3).
    pub(crate) fn connector(error: impl std::fmt::Display) -> Self {
        Self { code: 3, message: error.to_string() }
    }

    /// A command was understood and failed: the broker is away, the topic is missing, the group is active.
    pub(crate) fn runtime(error: impl std::fmt::Display) -> Self {
        Self { code: 1, message: error.to_string() }
    }

    /// A command was not understood: its flags or its configuration file are wrong.
    pub(crate) fn usage(error: impl std::fmt::Display) -> Self {
        Self { code: 2, message: error.to_string() }
    }

    /// What a command needs around it is not there: no worker answers.
    pub(crate) fn environment(error: impl std::fmt::Display) -> Self {
        Self { code: 3, message: error.to_string() }
    }

    /// Who reads our output has seen enough (`millrace consume t | head`): not a failure, and no words.
    pub(crate) fn output_closed() -> Self {
        Self { code: 0, message: String::new() }
    }

    /// Standard output cannot be written.
    pub(crate) fn output(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::output_closed(),
            _ => Self::runtime(format!("cannot write to standard output: {error}")),
        }
    }
}

impl From<broker_client::Error> for Exit {
    fn from(error: broker_client::Error) -> Self {
        Self::runtime(chain(&error))
    }
}

/// An error and its causes, as one text.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text.push_str(": ");
            text.push_str(&reason);
        }
        cause = error.source();
    }
    text
}

/// Words for people, on standard error: plain, for logging may not be up.
pub(crate) fn complain(message: &str) {
    if !message.is_empty() {
        say(&format!("millrace: {message}"));
    }
}

/// A line for people, on standard error. Where even that is closed, nobody listens.
pub(crate) fn say(line: &str) {
    let written = writeln!(std::io::stderr(), "{line}");
    drop(written);
}
