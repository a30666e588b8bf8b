//! What is wrong with what was said, in Kafka's words, so that people and tools find the messages they know.
//!
//! The invariant: an error names its option, and shows no secret: PASSWORD values are hidden where the error is made, values that came
//! from a config provider by [`ConfigErrors::mask`].

use std::fmt;

use crate::password::HIDDEN;
use crate::provider::Secrets;

/// One thing that is wrong with one option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The option, with its prefix.
    pub name: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// The shapes of a [`ConfigError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A required option was not given.
    Missing,
    /// The value does not fit; `value` is what was said (or [`HIDDEN`]), `reason` what was expected.
    Invalid {
        /// What was said.
        value: String,
        /// What was expected.
        reason: String,
    },
    /// Anything else, as a whole sentence.
    Other(String),
}

impl ConfigError {
    /// `Missing required configuration "y" which has no default value.`
    #[must_use]
    pub fn missing(name: &str) -> Self {
        Self { name: name.to_owned(), problem: Problem::Missing }
    }

    /// `Invalid value x for configuration y: reason`
    #[must_use]
    pub fn invalid(name: &str, value: impl fmt::Display, reason: impl fmt::Display) -> Self {
        let problem = Problem::Invalid { value: value.to_string(), reason: reason.to_string() };
        Self { name: name.to_owned(), problem }
    }

    /// A sentence of its own about the option `name`.
    #[must_use]
    pub fn other(name: &str, sentence: impl fmt::Display) -> Self {
        Self { name: name.to_owned(), problem: Problem::Other(sentence.to_string()) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.problem {
            Problem::Missing => {
                write!(formatter, "Missing required configuration \"{name}\" which has no default value.")
            }
            Problem::Invalid { value, reason } if reason.is_empty() => {
                write!(formatter, "Invalid value {value} for configuration {name}")
            }
            Problem::Invalid { value, reason } => {
                write!(formatter, "Invalid value {value} for configuration {name}: {reason}")
            }
            Problem::Other(sentence) => formatter.write_str(sentence),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Everything that is wrong, in the order of the declaration; prints one line an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// No errors yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one.
    pub fn push(&mut self, error: ConfigError) {
        self.0.push(error);
    }

    /// Adds all of another's.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The errors one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }

    /// `Ok(value)` if nothing is wrong, else all that is.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The same errors about the options under `prefix`: a transform knows `field`, its connector `transforms.a.field`.
    #[must_use]
    pub fn prefixed(mut self, prefix: &str) -> Self {
        for error in &mut self.0 {
            error.name.insert_str(0, prefix);
        }
        self
    }

    /// The same errors without what a config provider gave: `port=${file:..}` must not print the file's secret as an invalid port.
    #[must_use]
    pub fn mask(mut self, secrets: &Secrets) -> Self {
        for error in &mut self.0 {
            let resolved = secrets.is_resolved(&error.name);
            match &mut error.problem {
                Problem::Missing => {}
                Problem::Invalid { value, reason } => {
                    *value = if resolved { HIDDEN.to_owned() } else { secrets.mask(value) };
                    *reason = secrets.mask(reason);
                }
                Problem::Other(sentence) => *sentence = secrets.mask(sentence),
            }
        }
        self
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl FromIterator<ConfigError> for ConfigErrors {
    fn from_iter<I: IntoIterator<Item = ConfigError>>(errors: I) -> Self {
        Self(errors.into_iter().collect())
    }
}

impl IntoIterator for ConfigErrors {
    type Item = ConfigError;
    type IntoIter = std::vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(formatter, "{}{error}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// A settings file that cannot be read: which file, which line, what is wrong and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be opened or read.
    #[error("{file}: cannot be read: {source}")]
    Unreadable {
        /// The file as it was named.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than any settings file ought to be.
    #[error("{file}: has {bytes} bytes, a settings file may have at most {bytes_max}")]
    TooLarge {
        /// The file as it was named.
        file: String,
        /// How large it is.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// One line is malformed.
    #[error("{file}:{line}: {problem}")]
    Line {
        /// The file as it was named.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The file reads well but says something it may not; `path` is where.
    #[error("{file}: {path}: {problem}")]
    Content {
        /// The file as it was named.
        file: String,
        /// The place inside the document.
        path: String,
        /// What is wrong there.
        problem: String,
    },
}
