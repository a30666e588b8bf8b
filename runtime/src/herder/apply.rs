//! Many connectors made what they are to be, at once: for those who keep them in files.
//!
//! At the leader's desk. Configurations are checked side by side, then compared and written under one lock. Invariants: applying the same
//! again changes nothing; a connector that fails its check stays as it was, and holds nobody else up.

use std::collections::BTreeSet;

use api::Props;
use futures::FutureExt;
use futures::stream::{self, StreamExt};

use super::desk::{Desk, named};
use super::state::ClusterState;
use super::{Applied, ApplyMode, HerderError, HerderResult, TargetState, Wanted};
use crate::store::config_record::ConfigRecord;

/// Checks that are under way at once: a check may ask a database.
const CHECKS_MAX: usize = 16;

/// Records that are written at once, so that one transaction stays small.
const RECORDS_MAX: usize = 200;

impl Desk {
    pub(crate) async fn apply(
        &self,
        wanted: Vec<Wanted>,
        mode: ApplyMode,
    ) -> HerderResult<Vec<(String, Applied)>> {
        let mut names = BTreeSet::new();
        if let Some(twice) = wanted.iter().find(|wanted| !names.insert(wanted.name.clone())) {
            return Err(HerderError::bad_request(format!("connector {} is there twice", twice.name)));
        }
        self.leading().await?;
        let checked: Vec<_> = stream::iter(wanted)
            .map(|wanted| self.checked(wanted).boxed())
            .buffered(CHECKS_MAX)
            .collect()
            .await;
        let mut lead = self.lead().await?;
        let state = self.state();
        let mut answers = Vec::new();
        let mut records = Vec::new();
        for (name, checked) in checked {
            let applied = match checked {
                Ok(wanted) => change(&state, wanted, &mut records),
                Err(error) => Applied::Failed(error),
            };
            answers.push((name, applied));
        }
        if mode.prune {
            for (name, _) in state.connectors().filter(|(name, _)| !names.contains(*name)) {
                records.push(ConfigRecord::Connector(name.clone(), None));
                records.push(ConfigRecord::Target(name.clone(), None));
                answers.push((name.clone(), Applied::Deleted));
            }
        }
        if !mode.dry_run {
            for some in records.chunks(RECORDS_MAX) {
                lead.write_some(some).await?;
            }
        }
        Ok(answers)
    }

    /// The name, and the connector if its configuration is in order. What is there already was checked before.
    async fn checked(&self, wanted: Wanted) -> (String, HerderResult<Wanted>) {
        let name = wanted.name.clone();
        let outcome = async {
            let config = named(&name, wanted.config)?;
            if self.connector(&name).is_ok_and(|known| *known.config() == config) {
                return Ok(Wanted { config, ..wanted });
            }
            self.context.checker.check(&config).await?;
            Ok(Wanted { config, ..wanted })
        };
        let outcome = outcome.await;
        (name, outcome)
    }
}

/// What has to be written for a connector to be as wanted.
fn change(state: &ClusterState, wanted: Wanted, records: &mut Vec<ConfigRecord>) -> Applied {
    let Wanted { name, config, target } = wanted;
    let known = state.connector(&name);
    let same_config = known.is_some_and(|known| *known.config() == config);
    let same_target =
        target.is_none_or(|target| target == known.map_or(TargetState::Started, |known| known.target()));
    if known.is_some() && same_config && same_target {
        return Applied::Unchanged;
    }
    records.extend(records_of(
        name,
        config,
        (!same_target).then_some(target).flatten(),
        !same_config,
        known.is_some(),
    ));
    if known.is_some() { Applied::Updated } else { Applied::Created }
}

/// A new connector's target comes first, so that it never runs before it is known (KIP-980); a stopped one loses its tasks.
fn records_of(
    name: String,
    config: Props,
    target: Option<TargetState>,
    reconfigured: bool,
    exists: bool,
) -> Vec<ConfigRecord> {
    let mut records = Vec::new();
    if exists && target == Some(TargetState::Stopped) {
        records.push(ConfigRecord::Commit(name.clone(), 0));
    }
    records.extend(target.map(|target| ConfigRecord::Target(name.clone(), Some(target))));
    if reconfigured {
        records.push(ConfigRecord::Connector(name, Some(config)));
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, class: &str, target: Option<TargetState>) -> Wanted {
        let config = [("connector.class".to_owned(), class.to_owned())].into();
        Wanted { name: name.to_owned(), config, target }
    }

    #[test]
    fn only_what_differs_is_written_and_a_second_time_nothing() {
        let mut state = ClusterState::default();
        let mut offset = 0;
        let mut apply = |wanted: Wanted| {
            let mut records = Vec::new();
            let applied = change(&state, wanted, &mut records);
            let count = records.len();
            for record in records {
                state.apply(offset, record);
                offset += 1;
            }
            (applied, count)
        };
        assert_eq!(apply(wanted("a", "X", Some(TargetState::Paused))), (Applied::Created, 2));
        assert_eq!(apply(wanted("a", "X", Some(TargetState::Paused))), (Applied::Unchanged, 0));
        assert_eq!(apply(wanted("a", "X", None)), (Applied::Unchanged, 0));
        assert_eq!(apply(wanted("a", "Y", None)), (Applied::Updated, 1));
        assert_eq!(apply(wanted("a", "Y", Some(TargetState::Stopped))), (Applied::Updated, 2));
        assert_eq!(apply(wanted("b", "X", Some(TargetState::Started))), (Applied::Created, 1));
    }
}
