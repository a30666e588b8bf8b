//! Heartbeats beside everything else, and the proof of membership that they give.
//!
//! The coordinator throws a member out when it has heard nothing for a session. It cannot have done so earlier than one session
//! after the last request that it answered was *sent*; so from then on a member that hears nothing must take itself for thrown
//! out, a little earlier even, to have time to stop what it does. Time is monotonic: a process that was halted finds out with
//! its first step. Invariant: while the standing is neither `Lost` nor `Unproven`, nobody else can have been given
//! what this member holds, but by its own answer to a rebalance.

use std::sync::Arc;
use std::time::Duration;

use broker_protocol::ErrorCode;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::coordination::{Coordination, Pulse};

/// How much faster the heart beats after a round: another round often follows, and is heard of by a heartbeat.
const EXCITED: u32 = 4;
/// How long it does.
const EXCITEMENT: Duration = Duration::from_secs(2);

/// How a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// In its generation.
    Stable,
    /// The group wants everyone to join again; what a member holds is still its own.
    Rebalancing,
    /// The group went on without it: what it held may be another's.
    Lost(ErrorCode),
    /// It has not heard of the coordinator for so long that it may be out: what it held may be another's soon.
    Unproven,
}

impl Standing {
    /// Whether what the member held may be another's.
    pub fn is_out(self) -> bool {
        matches!(self, Self::Lost(_) | Self::Unproven)
    }
}

/// What the beating heart and its member share.
#[derive(Debug)]
pub(super) struct Beats {
    standing: watch::Sender<Standing>,
    state: Mutex<State>,
    interval: Duration,
    /// How long after its sending an answered request proves membership.
    lease: Duration,
}

#[derive(Debug, Clone, Copy)]
struct State {
    generation: i32,
    proven_at: Instant,
    joined_at: Instant,
}

impl Beats {
    pub(super) fn new(interval: Duration, session_timeout: Duration) -> Self {
        let now = Instant::now();
        Self {
            standing: watch::Sender::new(Standing::Stable),
            state: Mutex::new(State { generation: -1, proven_at: now, joined_at: now }),
            interval,
            // A sixth of the session is left for stopping.
            lease: session_timeout - session_timeout / 6,
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// The member is in a new generation. One that was out, or is new, holds nothing: for it time begins now.
    pub(super) fn joined(&self, generation: i32, is_new: bool, now: Instant) {
        {
            let mut state = self.state.lock();
            let proven_at = if is_new { now } else { state.proven_at };
            *state = State { generation, proven_at, joined_at: now };
        }
        self.standing.send_replace(Standing::Stable);
    }

    /// The answer to a request of this moment says that the coordinator knows the member.
    pub(super) fn proven(&self, asked_at: Instant) {
        let mut state = self.state.lock();
        state.proven_at = state.proven_at.max(asked_at);
    }

    /// Beats until the member is out.
    pub(super) async fn beat(self: Arc<Self>, coordination: Arc<Coordination>) {
        loop {
            let State { generation, proven_at, joined_at } = *self.state.lock();
            let proof_ends = proven_at + self.lease;
            let excited = joined_at.elapsed() < EXCITEMENT;
            let pause = if excited { self.interval / EXCITED } else { self.interval };
            sleep(pause.min(proof_ends.saturating_duration_since(Instant::now()))).await;
            let now = Instant::now();
            if now >= self.state.lock().proven_at + self.lease {
                tracing::debug!("no heartbeat was answered for {:?}", self.lease);
                self.standing.send_replace(Standing::Unproven);
                return;
            }
            // Half of the time that is left, so that there is time for another attempt, over another connection.
            let patience = (proof_ends.saturating_duration_since(now) / 2).max(self.interval);
            let answer = tokio::time::timeout(patience, coordination.heartbeat(generation, patience)).await;
            match answer {
                Ok(Ok(pulse)) => {
                    if self.heard(pulse, generation, now) {
                        return;
                    }
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a heartbeat failed");
                    coordination.learn_from(&error);
                }
                Err(_elapsed) => tracing::debug!("a heartbeat was not answered within {patience:?}"),
            }
        }
    }

    /// Takes in an answer to a heartbeat of a generation; whether the member is out.
    fn heard(&self, pulse: Pulse, generation: i32, asked_at: Instant) -> bool {
        let current = self.state.lock().generation == generation;
        let standing = match pulse {
            Pulse::Stable | Pulse::Rebalancing => {
                self.proven(asked_at);
                if pulse == Pulse::Stable { Standing::Stable } else { Standing::Rebalancing }
            }
            // The member is known, but a round went on while its answer was on the way here: it is to join again.
            Pulse::Lost(ErrorCode::ILLEGAL_GENERATION) => Standing::Rebalancing,
            Pulse::Lost(code) => Standing::Lost(code),
        };
        // A late answer says nothing about the generation that came since.
        if current || standing.is_out() {
            self.standing.send_if_modified(|known| std::mem::replace(known, standing) != standing);
        }
        standing.is_out()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_answer_says_nothing_about_the_next_generation() {
        let beats = Beats::new(Duration::from_millis(200), Duration::from_secs(3));
        beats.joined(1, true, Instant::now());
        assert!(!beats.heard(Pulse::Rebalancing, 1, Instant::now()));
        assert_eq!(*beats.watch().borrow(), Standing::Rebalancing);
        beats.joined(2, false, Instant::now());
        assert!(!beats.heard(Pulse::Rebalancing, 1, Instant::now()));
        assert!(!beats.heard(Pulse::Lost(ErrorCode::ILLEGAL_GENERATION), 1, Instant::now()));
        assert_eq!(*beats.watch().borrow(), Standing::Stable);
        assert!(beats.heard(Pulse::Lost(ErrorCode::UNKNOWN_MEMBER_ID), 1, Instant::now()));
        assert!(beats.watch().borrow().is_out());
    }

    #[test]
    fn proof_counts_from_when_the_question_was_sent() {
        let beats = Beats::new(Duration::from_millis(200), Duration::from_secs(3));
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        beats.joined(1, true, start);
        beats.proven(after(1));
        beats.proven(start);
        beats.joined(2, false, after(2));
        assert_eq!(beats.state.lock().proven_at, after(1));
        beats.joined(3, true, after(2));
        assert_eq!(beats.state.lock().proven_at, after(2));
    }
}
