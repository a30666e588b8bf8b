//! The level of each logger, and when it was changed.
//!
//! Written by `/admin/loggers`, read there and by the filter that is made from it. Invariant: a logger's level is that of the
//! longest known name that begins its own, as in Log4j.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;

/// The name of the logger that is all of them.
const ROOT: &str = "root";

/// How many loggers can have levels of their own.
const LOGGERS_MAX: usize = 1000;

/// How long a logger's name may be.
const NAME_BYTES_MAX: usize = 256;

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Nothing.
    Off,
    /// Errors (FATAL of Log4j is one of them).
    Error,
    /// Warnings too.
    Warn,
    /// What happens, too.
    Info,
    /// Details too.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// The level of a name of Log4j, in any case.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "OFF" => Self::Off,
            "FATAL" | "ERROR" => Self::Error,
            "WARN" => Self::Warn,
            "INFO" => Self::Info,
            "DEBUG" => Self::Debug,
            "TRACE" | "ALL" => Self::Trace,
            _ => return None,
        })
    }

    /// Log4j's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }
}

/// One logger, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logger {
    /// Its level.
    pub level: Level,
    /// When it was changed, in milliseconds since 1970; `None` if it never was.
    pub last_modified: Option<u64>,
}

/// Why a level was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// No such level.
    #[error("invalid log level '{0}'.")]
    UnknownLevel(String),
    /// A name that no logger can have.
    #[error("invalid logger name '{0}': expected letters, digits, '_', '$', '-', '.' and '::'")]
    InvalidName(String),
    /// More loggers than anyone needs.
    #[error("more than {LOGGERS_MAX} loggers have levels of their own already")]
    TooMany,
    /// The filter could not be replaced.
    #[error("the log filter could not be replaced: {0}")]
    Reload(String),
}

type Reload = Arc<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

/// The levels of all loggers. Clones share them.
#[derive(Clone)]
pub struct Levels {
    loggers: Arc<Mutex<BTreeMap<String, Logger>>>,
    reload: Option<Reload>,
}

impl Levels {
    /// The levels that directives such as `info,runtime::worker=debug` say.
    ///
    /// # Errors
    /// A directive that is malformed.
    pub fn parse(directives: &str) -> Result<Self, LevelError> {
        let mut loggers =
            BTreeMap::from([(ROOT.to_owned(), Logger { level: Level::Info, last_modified: None })]);
        for directive in directives.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
            let (name, level) = match directive.split_once('=') {
                Some((name, level)) => (name, Level::of_name(level)),
                None => match Level::of_name(directive) {
                    Some(level) => (ROOT, Some(level)),
                    None => (directive, Some(Level::Trace)),
                },
            };
            let level = level.ok_or_else(|| LevelError::UnknownLevel(directive.to_owned()))?;
            loggers.insert(target(name)?, Logger { level, last_modified: None });
        }
        Ok(Self { loggers: Arc::new(Mutex::new(loggers)), reload: None })
    }

    /// The same levels, written to a filter whenever they change.
    #[must_use]
    pub(super) fn reloading(
        self,
        reload: impl Fn(EnvFilter) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self { reload: Some(Arc::new(reload)), ..self }
    }

    /// Every logger that has a level of its own.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Logger> {
        self.loggers.lock().clone()
    }

    /// The level that counts for a logger, or `None` for a name that no logger can have.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Logger> {
        let name = target(name).ok()?;
        let loggers = self.loggers.lock();
        if let Some(own) = loggers.get(&name) {
            return Some(*own);
        }
        let above = loggers.iter().filter(|(known, _)| name.starts_with(&format!("{known}::")));
        above
            .max_by_key(|(known, _)| known.len())
            .or_else(|| loggers.get_key_value(ROOT))
            .map(|(_, logger)| *logger)
    }

    /// Whether there can be such a logger, and is such a level.
    ///
    /// # Errors
    /// See [`LevelError`].
    pub fn check(name: &str, level: &str) -> Result<(), LevelError> {
        Level::of_name(level).ok_or_else(|| LevelError::UnknownLevel(level.to_owned()))?;
        target(name).map(drop)
    }

    /// Sets the level of a logger and of those below it that have one of their own; says which were changed.
    ///
    /// # Errors
    /// See [`LevelError`].
    pub fn set(&self, name: &str, level: &str) -> Result<Vec<String>, LevelError> {
        let level = Level::of_name(level).ok_or_else(|| LevelError::UnknownLevel(level.to_owned()))?;
        let name = target(name)?;
        let mut loggers = self.loggers.lock();
        if loggers.len() >= LOGGERS_MAX && !loggers.contains_key(&name) {
            return Err(LevelError::TooMany);
        }
        let logger = Logger { level, last_modified: Some(now()) };
        loggers.insert(name.clone(), logger);
        let below =
            |known: &String| name == ROOT || *known == name || known.starts_with(&format!("{name}::"));
        let mut changed = Vec::new();
        for (known, own) in loggers.iter_mut().filter(|(known, _)| below(known)) {
            *own = logger;
            changed.push(known.clone());
        }
        let filter = filter(&loggers);
        self.reload.as_ref().map_or(Ok(()), |reload| reload(filter)).map_err(LevelError::Reload)?;
        Ok(changed)
    }

    /// The filter of these levels.
    pub(super) fn filter(&self) -> EnvFilter {
        filter(&self.loggers.lock())
    }
}

fn filter(loggers: &BTreeMap<String, Logger>) -> EnvFilter {
    let directive = |(name, logger): (&String, &Logger)| match name.as_str() {
        ROOT => logger.level.name().to_ascii_lowercase(),
        name => format!("{name}={}", logger.level.name().to_ascii_lowercase()),
    };
    let directives: Vec<String> = loggers.iter().map(directive).collect();
    EnvFilter::new(directives.join(","))
}

/// The target that a logger's name stands for: dots separate as `::` does.
fn target(name: &str) -> Result<String, LevelError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '-' | '.' | ':');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(legal) {
        return Err(LevelError::InvalidName(name.chars().take(NAME_BYTES_MAX).collect()));
    }
    Ok(name.replace('.', "::"))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Levels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Levels").field(&self.loggers.lock()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(levels: &Levels, name: &str) -> Level {
        levels.get(name).unwrap().level
    }

    #[test]
    fn a_logger_has_the_level_of_the_nearest_name_above() {
        let levels = Levels::parse("warn,runtime::worker=debug").unwrap();
        assert_eq!(level(&levels, "runtime.worker.source"), Level::Debug);
        assert_eq!(level(&levels, "runtime::workers"), Level::Warn);
        assert_eq!(level(&levels, "root"), Level::Warn);
        assert_eq!(levels.get("a b"), None);
    }

    #[test]
    fn setting_a_level_changes_those_below_and_the_filter() {
        let (sent, filters) = std::sync::mpsc::channel();
        let levels = Levels::parse("info,a::b=trace").unwrap();
        let levels =
            levels.reloading(move |filter| sent.send(filter.to_string()).map_err(|error| error.to_string()));
        assert_eq!(levels.set("a", "debug").unwrap(), ["a", "a::b"]);
        let mut directives: Vec<String> = filters.recv().unwrap().split(',').map(str::to_owned).collect();
        directives.sort();
        assert_eq!(directives, ["a::b=debug", "a=debug", "info"]);
        assert!(levels.get("a.b").unwrap().last_modified.is_some());
        assert_eq!(levels.set("root", "ERROR").unwrap().len(), 3);
    }

    #[test]
    fn mistakes_are_named() {
        let levels = Levels::parse("").unwrap();
        assert_eq!(levels.set("root", "LOUD").unwrap_err().to_string(), "invalid log level 'LOUD'.");
        assert!(levels.set("a=b,c", "INFO").is_err());
        assert!(Levels::parse("a=loud").is_err());
    }
}
