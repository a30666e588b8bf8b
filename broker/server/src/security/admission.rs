//! Who may connect: how many connections there are in all, per listener and per address, and how much is written about those refused.
//!
//! Invariant: a place that was given is given back when its [`Place`] is dropped, whatever became of the connection.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Limits on connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    /// `max.connections`.
    pub(crate) all: usize,
    /// `max.connections.per.ip`.
    pub(crate) per_address: usize,
    /// `max.connections.per.ip.overrides`.
    pub(crate) overrides: HashMap<IpAddr, usize>,
}

/// Counts connections.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: ConnectionLimits,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    by_listener: HashMap<usize, usize>,
}

/// A place that a connection holds.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    address: IpAddr,
    listener: usize,
}

impl Admission {
    /// Nothing is open yet.
    pub(crate) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, open: Mutex::new(Open::default()) }
    }

    /// A place for a connection from this address to a listener, or the setting that forbids it.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        listener: usize,
        listener_max: Option<usize>,
    ) -> Result<Place, &'static str> {
        let address = address.to_canonical();
        let mut open = self.open.lock();
        if open.all >= self.limits.all {
            return Err("max.connections");
        }
        let on_listener = open.by_listener.get(&listener).copied().unwrap_or_default();
        if listener_max.is_some_and(|max| on_listener >= max) {
            return Err("max.connections of the listener");
        }
        let from_address = open.by_address.get(&address).copied().unwrap_or_default();
        if from_address >= self.limits.overrides.get(&address).copied().unwrap_or(self.limits.per_address) {
            return Err("max.connections.per.ip");
        }
        open.all += 1;
        open.by_address.insert(address, from_address + 1);
        open.by_listener.insert(listener, on_listener + 1);
        Ok(Place { admission: Arc::clone(self), address, listener })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock();
        open.all = open.all.saturating_sub(1);
        if let Some(count) = open.by_listener.get_mut(&self.listener) {
            *count = count.saturating_sub(1);
        }
        match open.by_address.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.by_address.remove(&self.address);
            }
        }
    }
}

/// Lets a few lines through per period and counts the rest: clients must not be able to fill the log.
#[derive(Debug)]
pub(crate) struct LineLimit {
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    written: u32,
    dropped: u64,
}

impl LineLimit {
    const LINES: u32 = 10;
    const PERIOD: Duration = Duration::from_secs(10);

    /// Nothing was written yet.
    pub(crate) fn new() -> Self {
        Self { window: Mutex::new(Window::default()) }
    }

    /// Whether a line may be written, and how many were not since the last one.
    pub(crate) fn take(&self, now: Instant) -> Option<u64> {
        let mut window = self.window.lock();
        if window.began.is_none_or(|began| now.duration_since(began) >= Self::PERIOD) {
            window.began = Some(now);
            window.written = 0;
        }
        if window.written >= Self::LINES {
            window.dropped += 1;
            return None;
        }
        window.written += 1;
        Some(std::mem::take(&mut window.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_holds_and_places_come_back() {
        let (one, two): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let limits = ConnectionLimits { all: 4, per_address: 2, overrides: HashMap::from([(two, 3)]) };
        let admission = Arc::new(Admission::new(limits));
        let admit = |address| admission.admit(address, 0, None);
        let first = admit(one).unwrap();
        let second = admit("::ffff:10.0.0.1".parse().unwrap()).unwrap();
        assert_eq!(admit(one).unwrap_err(), "max.connections.per.ip");
        drop(first);
        let again = admit(one).unwrap();
        assert_eq!(admission.admit(two, 0, Some(2)).unwrap_err(), "max.connections of the listener");
        let others = [admission.admit(two, 1, Some(2)).unwrap(), admit(two).unwrap()];
        assert_eq!(admit(two).unwrap_err(), "max.connections");
        drop((second, again, others));
        assert_eq!(admission.open.lock().all, 0);
        assert!(admission.open.lock().by_address.is_empty());
    }

    #[test]
    fn lines_are_limited_and_the_missing_ones_counted() {
        let (limit, start) = (LineLimit::new(), Instant::now());
        let written = (0..25).filter(|_| limit.take(start).is_some()).count();
        assert_eq!(written, 10);
        assert_eq!(limit.take(start + LineLimit::PERIOD), Some(15));
        assert_eq!(limit.take(start + LineLimit::PERIOD), Some(0));
    }
}
