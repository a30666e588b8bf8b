//! Gives time to the groups. The timer sleeps until the earliest deadline of any group, so a broker without groups never wakes.

use std::{sync::Arc, time::Duration};

use super::{coordinator::Cell, state::Group};
use crate::broker::State;

/// Gives time to the groups until shutdown.
pub(crate) async fn run_timer(state: Arc<State>) {
    let coordinator = &state.groups;
    loop {
        let wakes_at = {
            let mut groups = coordinator.groups.lock();
            groups.wakes_at = groups.by_id.values().filter_map(|cell| cell.next_deadline()).min();
            groups.wakes_at
        };
        let sleep = async {
            match wakes_at {
                Some(at) => tokio::time::sleep_until(coordinator.started + Duration::from_millis(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = coordinator.deadline_moved.notified() => {}
            () = state.shutdown.cancelled() => return,
        }
        let mut groups = coordinator.groups.lock();
        let now = coordinator.now();
        let due = |cell: &Cell| cell.next_deadline().is_some_and(|deadline| deadline <= now);
        let due: Vec<String> =
            groups.by_id.iter().filter(|(_, cell)| due(cell)).map(|(id, _)| id.clone()).collect();
        for id in due {
            coordinator.with_group(&mut groups, &id, Group::tick);
            coordinator.tick_consumer_group(&mut groups, &id);
        }
    }
}
