//! The laws that every connector must pass. With the feature `laws`, for the tests of connectors; not on the data path.
//!
//! The contracts of [`crate::SourceTask`] and [`crate::SinkTask`] as tests: a connector that passes loses nothing when the
//! runtime stops, restarts or kills it. A law panics, naming itself, when it is broken. The laws bring no executor: they
//! are futures for the test's own. In a connector's tests:
//!
//! ```ignore
//! #[tokio::test]
//! async fn obeys_the_laws() {
//!     SourceLaws { connector: &MyConnector, config: props(), records: 1000 }.all().await;
//! }
//! ```

mod sink;
mod source;

use std::time::{Duration, Instant};

use configs::Props;

use crate::plugin::Plugin;

pub use sink::{Reports, SinkLaws, Target, sink_context};
pub use source::{CommittedOffsets, RememberedTexts, SourceLaws, source_context};

/// How long `stop` may take.
const STOP_MAX: Duration = Duration::from_secs(5);

/// Every option that is wrong is named, all at once.
///
/// # Panics
/// When the declared options of `plugin` find something else wrong with `config` than the options `wrong`.
pub fn bad_config_yields_all_errors(plugin: &Plugin, config: &Props, wrong: &[&str]) {
    let answers = configs::validate((plugin.config)(), config);
    let mut found: Vec<_> =
        answers.iter().filter(|value| !value.errors.is_empty()).map(|value| &*value.name).collect();
    let mut wrong = wrong.to_vec();
    found.sort_unstable();
    wrong.sort_unstable();
    assert_eq!(found, wrong, "{}: not exactly the wrong options are named", plugin.class);
}

fn assert_stopped_in_time(begun: Instant) {
    let taken = begun.elapsed();
    assert!(taken < STOP_MAX, "stop took {taken:?}, which is beyond any worker's patience");
}
