//! What a member holds between rounds: what it runs, and what it gives up but has not stopped yet.
//!
//! Between the talk with the group and the herder; pure. Why nothing runs twice: a member claims whatever it runs, until it has
//! stopped it; the leader gives out only what nobody claims; and a member whose claims may not have reached the leader (it is out of
//! the group) claims nothing until everything has stopped. What a member was given in a round whose answer it never saw it never ran,
//! and does not claim.
//!
//! What is handed over is the exception: the leader gave it to another in the round in which it took it from here, since the other's start
//! shuts out whoever ran it before (see `assignor`). It is stopped here like all that is given up, but no longer claimed: it is the other's.
//! Invariant: what runs here is part of [`Place::claimed`], or handed over.

use std::collections::BTreeSet;

use crate::herder::Assignment;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    share: Assignment,
    giving_up: Assignment,
    /// Counts what the herder was told, so that its answer is known to be about the last of it.
    told: u64,
    /// What the herder was told last takes something away, and it has not said that it is gone.
    waiting: bool,
    out: bool,
}

impl Place {
    /// What it runs.
    pub(super) const fn share(&self) -> &Assignment {
        &self.share
    }

    /// What nobody else may be given.
    pub(super) fn claimed(&self) -> Assignment {
        self.share.union(&self.giving_up)
    }

    /// The number of what the herder was told last.
    pub(super) const fn told(&self) -> u64 {
        self.told
    }

    /// Whether a round may be joined: not before everything has stopped, after it was out.
    pub(super) const fn may_join(&self) -> bool {
        !self.out
    }

    /// Takes in the end of a round: what is new, and what is to be given up.
    pub(super) fn take(&mut self, assigned: &Assignment, revoked: &Assignment, handed: &Assignment) {
        let claimed = self.claimed();
        self.share = claimed.without(revoked).union(assigned);
        self.giving_up = claimed.without(&self.share).without(handed);
        self.tell(self.giving_up != Assignment::default());
    }

    /// Takes in the end of a round in which everyone was told all of its work.
    pub(super) fn replace(&mut self, assigned: &Assignment) {
        let gone = self.claimed().without(assigned);
        self.take(assigned, &gone, &Assignment::default());
    }

    /// The group went on without it, or may have: everything is to be stopped.
    pub(super) fn lose(&mut self) {
        self.give_up_all();
        self.out = true;
    }

    /// Everything is to be stopped.
    pub(super) fn give_up_all(&mut self) {
        self.giving_up = self.claimed();
        self.share = Assignment::default();
        // Even if nothing was held the herder is to say so: something may have run on before it heard of an earlier loss.
        self.tell(true);
    }

    fn tell(&mut self, waiting: bool) {
        self.told += 1;
        self.waiting = waiting;
    }

    /// The herder says that nothing runs beyond what it was told under this number. Whether others wait for that. Not to be called
    /// between a claim and the end of its round: what was claimed must still be claimed then.
    pub(super) fn stopped(&mut self, told: u64) -> bool {
        if told != self.told || !self.waiting {
            return false;
        }
        let others_wait = self.giving_up != Assignment::default();
        self.giving_up = Assignment::default();
        self.waiting = false;
        self.out = false;
        others_wait
    }

    /// Whether the herder has still to say that something is gone.
    #[cfg(test)]
    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting
    }
}

impl Assignment {
    /// All of both.
    pub(super) fn union(&self, other: &Self) -> Self {
        Self {
            connectors: self.connectors.union(&other.connectors).cloned().collect(),
            tasks: self.tasks.union(&other.tasks).cloned().collect(),
        }
    }

    /// What is not in the other.
    pub(super) fn without(&self, other: &Self) -> Self {
        Self {
            connectors: self.connectors.difference(&other.connectors).cloned().collect(),
            tasks: self.tasks.difference(&other.tasks).cloned().collect(),
        }
    }

    /// What is in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let both = |one: &BTreeSet<String>, other| one.intersection(other).cloned().collect();
        Self {
            connectors: both(&self.connectors, &other.connectors),
            tasks: self.tasks.intersection(&other.tasks).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herder::TaskId;

    fn tasks(numbers: &[u32]) -> Assignment {
        let tasks = numbers.iter().map(|number| TaskId::new("c", *number)).collect();
        Assignment { connectors: BTreeSet::new(), tasks }
    }

    #[test]
    fn what_is_given_up_is_claimed_until_it_is_gone() {
        let mut place = Place::default();
        place.take(&tasks(&[0, 1, 2]), &tasks(&[]), &tasks(&[]));
        assert!(!place.stopped(place.told()), "nothing was given up");
        place.take(&tasks(&[5]), &tasks(&[1, 2]), &tasks(&[]));
        let earlier = place.told();
        assert_eq!((place.share(), place.claimed()), (&tasks(&[0, 5]), tasks(&[0, 1, 2, 5])));
        place.take(&tasks(&[]), &tasks(&[2]), &tasks(&[]));
        assert_eq!(place.share(), &tasks(&[0, 1, 5]), "the leader did not ask for 1 again: it stays");
        assert!(!place.stopped(earlier), "that was about an earlier share");
        assert!(place.stopped(place.told()));
        assert_eq!(place.claimed(), tasks(&[0, 1, 5]));
        assert!(!place.stopped(place.told()), "said once");
    }

    #[test]
    fn what_is_handed_over_is_the_others_at_once() {
        let mut place = Place::default();
        place.take(&tasks(&[0, 1, 2]), &tasks(&[]), &tasks(&[]));
        place.take(&tasks(&[]), &tasks(&[1, 2]), &tasks(&[2]));
        assert_eq!((place.share(), place.claimed()), (&tasks(&[0]), tasks(&[0, 1])));
        assert!(place.stopped(place.told()), "others wait for 1");
        place.take(&tasks(&[]), &tasks(&[0]), &tasks(&[0]));
        assert_eq!(place.claimed(), tasks(&[]));
        assert!(!place.stopped(place.told()), "nobody waits for 0");
        place.take(&tasks(&[0]), &tasks(&[]), &tasks(&[]));
        assert_eq!(place.share(), &tasks(&[0]), "it may come back");
    }

    #[test]
    fn whoever_was_out_comes_back_with_nothing() {
        let mut place = Place::default();
        place.take(&tasks(&[0]), &tasks(&[]), &tasks(&[]));
        place.lose();
        assert!(!place.may_join() && place.share() == &tasks(&[]));
        place.stopped(place.told());
        assert!(place.may_join() && place.claimed() == tasks(&[]));
    }
}
