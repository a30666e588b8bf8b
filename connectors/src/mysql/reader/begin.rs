//! What to do at the start: `snapshot.mode` and what is known, as one table. Pure.

use crate::mysql::config::snapshot::{SnapshotConfig, SnapshotMode};

/// What the committed offset says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none.
    Nothing,
    /// A snapshot was not complete.
    Unfinished,
    /// A place in the binlog.
    Finished,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// Take a snapshot, or take up the unfinished one.
    Snapshot {
        /// Of rows too, or of shapes only.
        with_rows: bool,
    },
    /// Go on from the offset.
    GoOn,
    /// Go on from the offset, with the shapes that the server has now.
    Recover,
    /// Nothing.
    Nothing,
}

/// Decides.
pub(super) const fn decide(config: &SnapshotConfig, found: Found) -> Begin {
    let shapes_only = Begin::Snapshot { with_rows: false };
    let with_rows = Begin::Snapshot { with_rows: true };
    match (config.mode, found) {
        (SnapshotMode::Always, _) => with_rows,
        (
            SnapshotMode::Initial | SnapshotMode::WhenNeeded | SnapshotMode::InitialOnly,
            Found::Nothing | Found::Unfinished,
        ) => with_rows,
        (SnapshotMode::InitialOnly, Found::Finished) => Begin::Nothing,
        (SnapshotMode::Initial | SnapshotMode::WhenNeeded, Found::Finished) => Begin::GoOn,
        (SnapshotMode::NoData | SnapshotMode::SchemaOnly, Found::Nothing | Found::Unfinished) => shapes_only,
        (SnapshotMode::NoData | SnapshotMode::SchemaOnly, Found::Finished) => Begin::GoOn,
        (SnapshotMode::Recovery | SnapshotMode::SchemaOnlyRecovery, Found::Nothing | Found::Unfinished) => {
            shapes_only
        }
        (SnapshotMode::Recovery | SnapshotMode::SchemaOnlyRecovery, Found::Finished) => Begin::Recover,
        (SnapshotMode::ConfigurationBased, found) => based(config, found),
    }
}

const fn based(config: &SnapshotConfig, found: Found) -> Begin {
    match (config.based_on_data, config.based_on_schema, found) {
        (true, _, _) => Begin::Snapshot { with_rows: true },
        (false, true, Found::Nothing | Found::Unfinished) => Begin::Snapshot { with_rows: false },
        (false, true, Found::Finished) => Begin::Recover,
        (false, false, Found::Finished) if config.based_on_stream => Begin::GoOn,
        (false, false, _) if config.based_on_stream => Begin::Snapshot { with_rows: false },
        (false, false, _) => Begin::Nothing,
    }
}

impl SnapshotConfig {
    /// Whether the binlog is followed after the snapshot.
    pub(super) fn follows(&self) -> bool {
        match self.mode {
            SnapshotMode::InitialOnly => false,
            SnapshotMode::ConfigurationBased => self.based_on_stream,
            _ => true,
        }
    }

    /// Whether a new snapshot is taken when the server no longer has the binlog at the offset.
    pub(super) fn retakes_lost(&self) -> bool {
        match self.mode {
            SnapshotMode::WhenNeeded => true,
            SnapshotMode::ConfigurationBased => self.based_on_data_error,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use api::configs::Props;

    use super::*;

    fn config(said: &[(&str, &str)]) -> SnapshotConfig {
        let props: Props =
            said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        SnapshotConfig::parse(&props).unwrap()
    }

    #[test]
    fn each_mode_does_what_debezium_does() {
        let rows = Begin::Snapshot { with_rows: true };
        let shapes = Begin::Snapshot { with_rows: false };
        for (mode, expected) in [
            ("always", [rows, rows, rows]),
            ("initial", [rows, rows, Begin::GoOn]),
            ("initial_only", [rows, rows, Begin::Nothing]),
            ("when_needed", [rows, rows, Begin::GoOn]),
            ("no_data", [shapes, shapes, Begin::GoOn]),
            ("schema_only", [shapes, shapes, Begin::GoOn]),
            ("recovery", [shapes, shapes, Begin::Recover]),
            ("configuration_based", [Begin::Nothing; 3]),
        ] {
            let config = config(&[("snapshot.mode", mode)]);
            let found = [Found::Nothing, Found::Unfinished, Found::Finished];
            assert_eq!(found.map(|found| decide(&config, found)), expected, "{mode}");
        }
    }

    #[test]
    fn a_mode_of_flags_obeys_each() {
        let based = |flag: &str| {
            let flag = format!("snapshot.mode.configuration.based.{flag}");
            config(&[("snapshot.mode", "configuration_based"), (&flag, "true")])
        };
        assert_eq!(decide(&based("snapshot.data"), Found::Finished), Begin::Snapshot { with_rows: true });
        assert_eq!(decide(&based("snapshot.schema"), Found::Finished), Begin::Recover);
        assert_eq!(decide(&based("start.stream"), Found::Finished), Begin::GoOn);
        assert!(based("start.stream").follows() && !based("snapshot.data").follows());
        assert!(based("snapshot.on.data.error").retakes_lost());
    }
}
