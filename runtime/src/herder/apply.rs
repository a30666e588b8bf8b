//! Many connectors brought to what is written down: all of them, or none.
//!
//! At the desk. Everything is checked first, then written in one go (in one transaction where sources are exactly-once). Invariants: as
//! long as any connector is refused, nothing is written; a connector that is as it should be is not touched, so that its tasks
//! do not restart; what is written was decided by the state that it is written upon.

use std::collections::{BTreeMap, BTreeSet};

use api::Props;
use futures::{StreamExt as _, stream};

use super::desk::{Desk, named};
use super::state::ClusterState;
use super::{HerderError, HerderResult, Initial};
use crate::store::config_record::ConfigRecord;

/// How many configurations are checked at once.
const AT_ONCE: usize = 16;

/// A connector as it shall be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its whole configuration.
    pub config: Props,
    /// What it begins with if it is not there yet.
    pub initial: Initial,
}

/// How to apply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Apply {
    /// Delete every connector that is not wanted.
    pub prune: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What becomes of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Created,
    /// It had another configuration.
    Updated,
    /// It is as it should be.
    Unchanged,
    /// It was not wanted any more.
    Deleted,
}

/// What becomes of each connector, or why it cannot be, by name.
pub type Changes = Vec<(String, HerderResult<Change>)>;

impl Desk {
    /// Applies, unless any connector is refused or it is a dry run: then says what would have been done.
    pub(crate) async fn apply(&self, wanted: Vec<Wanted>, how: Apply) -> HerderResult<Changes> {
        self.leading().await?;
        let wanted = stream::iter(wanted).map(|one| self.checked(one)).buffered(AT_ONCE);
        let wanted: Vec<(String, HerderResult<Wanted>)> = wanted.collect().await;
        let refused = wanted.iter().any(|(_, checked)| checked.is_err());
        if refused || how.dry_run {
            return Ok(plan(
                &self.state(),
                wanted.iter().map(|(name, one)| (&**name, one.as_ref())),
                how.prune,
            ));
        }
        let lead = self.lead().await?;
        let changes =
            plan(&self.state(), wanted.iter().map(|(name, one)| (&**name, one.as_ref())), how.prune);
        let by_name: BTreeMap<&str, &Wanted> =
            wanted.iter().filter_map(|(name, one)| Some((&**name, one.as_ref().ok()?))).collect();
        let mut records = Vec::new();
        for (name, change) in &changes {
            let Ok(change) = change else { continue };
            let one = by_name.get(&**name).copied();
            if let (Change::Created, Some(one)) = (change, one) {
                self.write_initial_offsets(name, one.config.clone(), one.initial.offsets.clone()).await?;
            }
            records.extend(recorded(name, *change, one));
        }
        if !records.is_empty() {
            lead.write(&records).await?;
        }
        Ok(changes)
    }

    /// A connector that may be so; one that is so already was checked before.
    async fn checked(&self, mut one: Wanted) -> (String, HerderResult<Wanted>) {
        let name = one.name.clone();
        let check = async {
            one.config = named(&one.name, std::mem::take(&mut one.config))?;
            let stored = self.connector(&one.name).ok().map(|connector| connector.config());
            if stored.as_deref() == Some(&one.config) {
                return Ok(one);
            }
            self.context.checker.check(&one.config).await?;
            if stored.is_none() {
                self.check_initial_offsets(&one.name, &one.config, &one.initial.offsets).await?;
            }
            Ok(one)
        };
        (name, check.await)
    }
}

/// What becomes of whom, in the order in which they are wanted, and then of those that are not.
fn plan<'a>(
    state: &ClusterState,
    wanted: impl Iterator<Item = (&'a str, Result<&'a Wanted, &'a HerderError>)>,
    prune: bool,
) -> Changes {
    let mut changes = Changes::new();
    let mut kept = BTreeSet::new();
    for (name, one) in wanted {
        kept.insert(name.to_owned());
        let change = one.map_err(Clone::clone).map(|one| match state.connector(name) {
            None => Change::Created,
            Some(connector) if *connector.config() == one.config => Change::Unchanged,
            Some(_) => Change::Updated,
        });
        changes.push((name.to_owned(), change));
    }
    if prune {
        let unwanted = state.connectors().filter(|(name, _)| !kept.contains(*name));
        changes.extend(unwanted.map(|(name, _)| (name.clone(), Ok(Change::Deleted))));
    }
    changes
}

/// The records that make a change.
fn recorded(name: &str, change: Change, wanted: Option<&Wanted>) -> Vec<ConfigRecord> {
    let name = name.to_owned();
    let config = |wanted: &Wanted| ConfigRecord::Connector(name.clone(), Some(wanted.config.clone()));
    match (change, wanted) {
        // The target state first: a worker that sees the connector must not start it before it knows (KIP-980).
        (Change::Created, Some(one)) => {
            let target = one.initial.target.map(|target| ConfigRecord::Target(name.clone(), Some(target)));
            target.into_iter().chain([config(one)]).collect()
        }
        (Change::Updated, Some(one)) => vec![config(one)],
        (Change::Deleted, _) => {
            vec![ConfigRecord::Connector(name.clone(), None), ConfigRecord::Target(name, None)]
        }
        (Change::Unchanged | Change::Created | Change::Updated, _) => Vec::new(),
    }
}
