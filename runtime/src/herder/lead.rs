//! Who may decide: the leader of the group, once it has read all that leaders before it wrote.
//!
//! Before every change of the config topic. Requests wait here through a rebalance rather than fail. Invariants: who holds a
//! [`Lead`] has a state that contains every record of every earlier leader, and nobody else of this worker writes meanwhile;
//! with exactly-once sources no earlier leader can write any more, either, since the leader's transactional id fences them.

use std::time::{Duration, Instant};

use tokio::sync::{MutexGuard, watch};

use super::desk::{Desk, failed};
use super::{HerderError, HerderErrorKind, HerderResult, TaskId};
use crate::membership::{GroupView, Member, Work};
use crate::store::config_record::ConfigRecord;

/// How often a connector that is being moved is asked for again.
const MOVE_POLL: Duration = Duration::from_millis(25);

/// The right to write to the config topic, as long as it is held.
pub(crate) struct Lead<'a> {
    /// The generation that it was read for last.
    claimed: MutexGuard<'a, Option<i32>>,
    desk: &'a Desk,
}

/// This worker's place in the group, as far as it decides who may answer. Clones follow the same group.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// What the herder's task says of the group.
    pub(crate) view: watch::Receiver<GroupView>,
    /// How long somebody waits for the group to settle.
    pub(crate) patience: Duration,
}

impl Place {
    /// The place in a group that this view shows; waiting is over a little before a request's time is, so that it is answered.
    pub(crate) fn new(view: watch::Receiver<GroupView>, request_timeout: Duration) -> Self {
        Self { view, patience: request_timeout.mul_f32(0.9) }
    }

    /// Waits until the group's view says what is looked for.
    async fn when<T>(&self, found: impl Fn(&GroupView) -> Option<T> + Send) -> HerderResult<T> {
        let mut view = self.view.clone();
        let waited = async {
            loop {
                let seen = found(&view.borrow_and_update());
                if let Some(seen) = seen {
                    return Ok(seen);
                }
                view.changed().await.map_err(|error| {
                    HerderError::internal(format!("the worker is on its way out: {error}"))
                })?;
            }
        };
        tokio::time::timeout(self.patience, waited).await.unwrap_or_else(|_elapsed| {
            let stage = self.view.borrow().stage;
            Err(HerderError::new(
                HerderErrorKind::Rebalancing,
                format!(
                    "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was \
                     underway. The worker is currently {stage}."
                ),
            ))
        })
    }

    /// Returns once this worker leads.
    ///
    /// # Errors
    /// `Elsewhere` when another does; `Rebalancing` when nobody does for too long.
    pub(crate) async fn leading(&self) -> HerderResult<()> {
        let leader = |view: &GroupView| match view.member.as_ref()? {
            member if member.is_leader => Some(Ok(())),
            member => Some(Err(HerderError::elsewhere(member.leader_url.clone()?))),
        };
        self.when(leader).await?
    }

    /// Returns once a connector is this worker's.
    ///
    /// # Errors
    /// `Elsewhere` when it is another's, or the leader must be asked whose it is; as [`Place::leading`].
    pub(crate) async fn owning_connector(&self, name: &str) -> HerderResult<()> {
        self.owning(
            |work| matches!(work, Work::Share(share) if !share.connectors.contains(name)),
            |member| member.owners.connectors.get(name).cloned(),
        )
        .await
    }

    /// Returns once a task is this worker's.
    ///
    /// # Errors
    /// As [`Place::owning_connector`].
    pub(crate) async fn owning_task(&self, id: &TaskId) -> HerderResult<()> {
        self.owning(
            |work| matches!(work, Work::Share(share) if !share.tasks.contains(id)),
            |member| member.owners.tasks.get(id).cloned(),
        )
        .await
    }

    async fn owning(
        &self,
        not_ours: impl Fn(&Work) -> bool + Send + Sync,
        owner: impl Fn(&Member) -> Option<String> + Send + Sync,
    ) -> HerderResult<()> {
        let found = |view: &GroupView| match view.member.as_ref()? {
            member if !not_ours(&member.work) => Some(Ok(())),
            // What has no owner yet is given one by the round that is to come: wait.
            member if member.is_leader => Some(Err(HerderError::elsewhere(owner(member)?))),
            member => Some(Err(HerderError::elsewhere(member.leader_url.clone()?))),
        };
        self.when(found).await?
    }
}

impl Desk {
    /// Who may answer.
    pub(crate) fn place(&self) -> Place {
        Place::new(self.group.clone(), self.context.config.rest.request_timeout)
    }

    /// As [`Place::leading`].
    ///
    /// # Errors
    /// As [`Place::leading`].
    pub(crate) async fn leading(&self) -> HerderResult<()> {
        self.place().leading().await
    }

    /// Has a connector restarted by whoever has it; one that is on its way to a worker is waited for.
    ///
    /// # Errors
    /// As [`Place::owning_connector`], and what the restart came to.
    pub(super) async fn restart_wherever(&self, name: &str) -> HerderResult<()> {
        let place = self.place();
        let deadline = Instant::now() + place.patience;
        loop {
            place.owning_connector(name).await?;
            match self.restart_connector(name).await {
                Err(error) if error.kind == HerderErrorKind::Rebalancing && Instant::now() < deadline => {
                    tokio::time::sleep(MOVE_POLL).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Returns once this worker leads, with the right to write.
    ///
    /// # Errors
    /// As [`Place::leading`]; and when the config topic cannot be read.
    pub(crate) async fn lead(&self) -> HerderResult<Lead<'_>> {
        loop {
            self.leading().await?;
            let mut claimed = self.writes.lock().await;
            // It may have been a long queue.
            let Some(generation) = led_generation(&self.group.borrow()) else { continue };
            if *claimed != Some(generation) {
                self.configs.claim().await.map_err(failed)?;
                *claimed = Some(generation);
            }
            return Ok(Lead { claimed, desk: self });
        }
    }

    /// Waits until this worker has read what another, to whom a request was forwarded, has written for it.
    pub(crate) async fn catch_up(&self) {
        if let Err(error) = self.configs.read_to_end().await {
            tracing::warn!(%error, "cannot read what the leader has written; it will be read later");
        }
    }
}

impl Lead<'_> {
    /// Writes records, in order, and waits until the state contains them.
    ///
    /// # Errors
    /// `Rebalancing` when another leader has taken over; `Timeout` when they may not have been written.
    pub(crate) async fn write(mut self, records: &[ConfigRecord]) -> HerderResult<()> {
        self.write_some(records).await
    }

    /// The same, keeping the right.
    ///
    /// # Errors
    /// As [`Lead::write`].
    pub(crate) async fn write_some(&mut self, records: &[ConfigRecord]) -> HerderResult<()> {
        let Err(error) = self.desk.configs.write(records).await else { return Ok(()) };
        if !is_fenced(&error) {
            return Err(failed(error));
        }
        // Whether it still leads is the group's to say; if it does, the next request takes the right anew.
        *self.claimed = None;
        Err(HerderError::new(
            HerderErrorKind::Rebalancing,
            format!("Cannot complete request momentarily: another worker has taken the lead. {error}"),
        ))
    }
}

fn is_fenced(error: &api::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if current.downcast_ref::<broker_client::Error>().is_some_and(broker_client::Error::is_fenced) {
            return true;
        }
        cause = current.source();
    }
    false
}

/// The generation that this worker leads, if it leads.
pub(super) fn led_generation(view: &GroupView) -> Option<i32> {
    view.member.as_ref().filter(|member| member.is_leader).map(|member| member.generation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herder::Assignment;
    use crate::membership::Owners;
    use std::sync::Arc;

    fn member(is_leader: bool, leader_url: Option<&str>) -> Member {
        let owners = Owners {
            connectors: [("far".to_owned(), "http://owner/".to_owned())].into(),
            tasks: [(TaskId::new("far", 0), "http://owner/".to_owned())].into(),
        };
        let share =
            Assignment { connectors: ["near".to_owned()].into(), tasks: [TaskId::new("near", 0)].into() };
        Member {
            generation: 3,
            is_leader,
            leader_url: leader_url.map(str::to_owned),
            config_offset: 0,
            owners: Arc::new(owners),
            work: Work::Share(share),
        }
    }

    fn view(member: Option<Member>) -> GroupView {
        GroupView { member, stage: "joining the group" }
    }

    fn place(member: Option<Member>) -> (watch::Sender<GroupView>, Place) {
        let (sender, receiver) = watch::channel(view(member));
        (sender, Place::new(receiver, Duration::from_secs(100)))
    }

    fn elsewhere(outcome: HerderResult<()>) -> Option<String> {
        outcome.unwrap_err().elsewhere
    }

    #[tokio::test]
    async fn a_leader_decides_and_a_follower_says_who_does() {
        let (_leader, leads) = place(Some(member(true, None)));
        leads.leading().await.unwrap();
        let (_follower, follows) = place(Some(member(false, Some("http://leader/"))));
        assert_eq!(elsewhere(follows.leading().await).as_deref(), Some("http://leader/"));
        follows.owning_connector("near").await.unwrap();
        follows.owning_task(&TaskId::new("near", 0)).await.unwrap();
        let asked = elsewhere(follows.owning_connector("far").await);
        assert_eq!(asked.as_deref(), Some("http://leader/"), "the leader knows whose it is");
        let asked = elsewhere(leads.owning_connector("far").await);
        assert_eq!(asked.as_deref(), Some("http://owner/"));
        assert_eq!(
            elsewhere(leads.owning_task(&TaskId::new("far", 0)).await).as_deref(),
            Some("http://owner/")
        );
    }

    #[tokio::test]
    async fn requests_wait_through_a_rebalance_and_fail_only_in_the_end() {
        let (group, place) = place(None);
        let waiting = tokio::spawn({
            let place = place.clone();
            async move { place.leading().await }
        });
        tokio::task::yield_now().await;
        group.send_replace(view(Some(member(true, None))));
        waiting.await.unwrap().unwrap();
        group.send_replace(view(None));
        let place = Place { patience: Duration::from_millis(20), ..place };
        let error = place.leading().await.unwrap_err();
        assert_eq!(error.kind, HerderErrorKind::Rebalancing);
        assert!(error.message.starts_with("Cannot complete request momentarily due to no known leader URL"));
        assert!(error.message.ends_with("joining the group."), "{}", error.message);
        // What nobody owns yet is waited for, too.
        group.send_replace(view(Some(member(true, None))));
        let error = place.owning_connector("new").await.unwrap_err();
        assert_eq!((error.kind, error.elsewhere), (HerderErrorKind::Rebalancing, None));
    }
}
