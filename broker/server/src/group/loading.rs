//! What the log tells of groups, gathered record by record while the broker starts.
//!
//! A record that cannot be read is passed over with a line in the log: its group starts anew, which costs a rebalance and no offsets.

use std::collections::HashMap;

use broker_protocol::group_records::{GroupMetadataKey, GroupMetadataValue, decode, key_version};
use bytes::Bytes;

use super::{
    consumer::{LoadedConsumerGroup, is_consumer_key},
    remembered::GROUP_KEY_VERSION,
};

/// The latest word on every group.
#[derive(Debug, Default)]
pub(super) struct LoadedGroups {
    pub(super) classic: HashMap<String, GroupMetadataValue>,
    pub(super) consumer: HashMap<String, LoadedConsumerGroup>,
}

impl LoadedGroups {
    /// Takes one record of the log, in the order of the log; those that are not about groups are left to others.
    pub(super) fn apply(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        let Some(key) = key else { return };
        let applied = match key_version(key) {
            Some(GROUP_KEY_VERSION) => self.apply_classic(key, value),
            Some(version) if is_consumer_key(version) => {
                let (key, value) = (Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice));
                LoadedConsumerGroup::apply(&mut self.consumer, version, key, value)
            }
            _ => Ok(()),
        };
        if let Err(error) = applied {
            tracing::warn!(
                "a record of a group cannot be read, its members will have to join again: {error}"
            );
        }
    }

    fn apply_classic(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), broker_protocol::DecodeError> {
        let key: GroupMetadataKey = decode(Bytes::copy_from_slice(key))?;
        let id = key.group.to_string();
        match value {
            Some(value) => {
                // If it cannot be read, what was before it does not hold any more either.
                self.classic.remove(&id);
                self.classic.insert(id, decode(Bytes::copy_from_slice(value))?);
            }
            None => {
                self.classic.remove(&id);
            }
        }
        Ok(())
    }
}
