//! Gauges: numbers that a task shows of itself, such as how far it is behind.
//!
//! Off the hot path: a task sets them once per batch at most, `/metrics` reads them when asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A task's own numbers by name. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Gauges(Arc<Mutex<BTreeMap<&'static str, i64>>>);

impl Gauges {
    /// Sets a number. The name is in Prometheus' style with its unit last, such as `behind_source_milliseconds`.
    pub fn set(&self, name: &'static str, value: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, value);
    }

    /// All numbers as they stand.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<&'static str, i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
