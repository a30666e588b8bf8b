//! Whether this worker writes what sources give in transactions (`exactly.once.source.support`, KIP-618).
//!
//! Said in the worker's settings, known for good once the broker was asked; validation, herder and tasks ask here. Invariant: what
//! was said explicitly is never weakened; only the default gives way to a broker that has no transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use configs::{Props, config_enum};

config_enum! {
    /// How far exactly-once delivery is switched on.
    pub enum ExactlyOnceSource {
        /// Sources deliver at least once.
        Disabled = "disabled",
        /// Sources deliver at least once, but the leader writes and fences as if they delivered exactly once: the step in
        /// between when a running group of workers is switched over.
        Preparing = "preparing",
        /// Records of sources and their offsets are written in transactions.
        Enabled = "enabled",
    }
}

/// The option's name.
pub(crate) const OPTION: &str = "exactly.once.source.support";

/// What was said, and whether the broker can. Clones are one and the same.
#[derive(Debug, Clone)]
pub struct ExactlyOnce {
    said: ExactlyOnceSource,
    is_default: bool,
    given_up: Arc<AtomicBool>,
}

impl ExactlyOnce {
    pub(super) fn new(said: ExactlyOnceSource, props: &Props) -> Self {
        Self { said, is_default: !props.contains_key(OPTION), given_up: Arc::default() }
    }

    fn now(&self) -> ExactlyOnceSource {
        if self.given_up.load(Ordering::Acquire) { ExactlyOnceSource::Disabled } else { self.said }
    }

    /// Whether sources write in transactions.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.now() == ExactlyOnceSource::Enabled
    }

    /// Whether anything does: the leader writes the config topic in transactions while this is switched on, or is being.
    #[must_use]
    pub fn needs_transactions(&self) -> bool {
        self.now() != ExactlyOnceSource::Disabled
    }

    /// Goes without, since the broker cannot; false when the user asked for it in so many words.
    #[must_use]
    pub fn give_up(&self) -> bool {
        if self.is_default {
            self.given_up.store(true, Ordering::Release);
        }
        self.is_default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_default_gives_way() {
        let default = ExactlyOnce::new(ExactlyOnceSource::Enabled, &Props::new());
        let seen_by_another = default.clone();
        assert!(default.is_enabled() && default.give_up());
        assert!(!seen_by_another.is_enabled() && !seen_by_another.needs_transactions());
        let said = Props::from([(OPTION.to_owned(), "preparing".to_owned())]);
        let said = ExactlyOnce::new(ExactlyOnceSource::Preparing, &said);
        assert!(!said.give_up() && !said.is_enabled() && said.needs_transactions());
    }
}
