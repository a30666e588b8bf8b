//! Which versions of which APIs a broker speaks, and the one to use: the newest that both have.

use std::collections::HashMap;

use broker_protocol::messages::api_versions::ApiVersionsResponse;
use broker_protocol::{ApiKey, Request};

use crate::error::{Error, Result};

/// A broker's answer to ApiVersions.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    ranges: HashMap<i16, (i16, i16)>,
    /// The level of `transaction.version` that the cluster settled on (KIP-584).
    transaction_version: i16,
}

impl Versions {
    pub(crate) fn new(response: &ApiVersionsResponse) -> Self {
        let ranges = response.api_keys.iter();
        let feature =
            response.finalized_features.iter().find(|feature| feature.name == "transaction.version");
        Self {
            ranges: ranges.map(|api| (api.api_key, (api.min_version, api.max_version))).collect(),
            transaction_version: feature.map_or(0, |feature| feature.max_version_level),
        }
    }

    /// The newest version of `R` up to `newest` that the broker has too.
    pub(crate) fn choose<R: Request>(&self, newest: i16, broker: &str) -> Result<i16> {
        let (min, max) = (*R::VERSIONS.start(), newest.min(*R::VERSIONS.end()));
        let theirs = self.ranges.get(&R::KEY.into());
        let common = theirs.map(|(their_min, their_max)| (min.max(*their_min), max.min(*their_max)));
        match common {
            Some((lowest, highest)) if lowest <= highest => Ok(highest),
            _ => Err(Error::UnsupportedApi {
                broker: broker.to_owned(),
                api: R::KEY,
                ours: format!("{min} to {max}"),
                theirs: theirs.map_or("none".to_owned(), |(min, max)| format!("{min} to {max}")),
            }),
        }
    }

    /// Whether transactions go by KIP-890: partitions are added by producing to them, and every end bumps the epoch.
    pub(crate) fn has_transactions_v2(&self) -> bool {
        self.transaction_version >= 2
    }

    /// Whether the broker offers the API at all.
    pub(crate) fn offers(&self, api: ApiKey) -> bool {
        self.ranges.contains_key(&api.into())
    }
}
