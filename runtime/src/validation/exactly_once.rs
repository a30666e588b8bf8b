//! Whether a source can do what its settings ask of exactly-once delivery, before it is created (KIP-618).
//!
//! Beside the other rules of validation. Asks the connector, which answers from its settings alone. Source: `DistributedHerder`
//! (`validateSourceConnectorExactlyOnceSupport`, `validateSourceConnectorTransactionBoundary`), whose words these are. Invariant: who
//! requires exactly-once delivery gets it, or no connector.

use api::{ExactlyOnceSupport, Props, SourceConnector};

/// A source's settings that ask for more than worker and connector can do, by name of the setting.
pub(super) fn refusals(
    is_enabled: bool,
    connector: &dyn SourceConnector,
    props: &Props,
) -> Vec<(&'static str, &'static str)> {
    const SUPPORT: &str = "exactly.once.support";
    const BOUNDARY: &str = "transaction.boundary";
    let says = |option: &str, value: &str| {
        props.get(option).is_some_and(|said| said.trim().eq_ignore_ascii_case(value))
    };
    let mut refusals = Vec::new();
    if says(SUPPORT, "required") {
        if !is_enabled {
            refusals.push((SUPPORT, "This worker does not have exactly-once source support enabled."));
        }
        match connector.exactly_once_support(props) {
            Some(ExactlyOnceSupport::Supported) => {}
            Some(ExactlyOnceSupport::Unsupported) => refusals.push((
                SUPPORT,
                "The connector does not support exactly-once semantics with the provided configuration.",
            )),
            None => refusals.push((
                SUPPORT,
                "The connector does not implement the API required for preflight validation of exactly-once source support. Please \
                 consult the documentation for the connector to determine whether it supports exactly-once semantics, and then \
                 consider reconfiguring the connector to use the value \"requested\" for this property (which will disable this \
                 preflight check and allow the connector to be created).",
            )),
        }
    }
    if says(BOUNDARY, "connector") && !connector.can_define_transaction_boundaries(props) {
        refusals.push((
            BOUNDARY,
            "The connector does not support connector-defined transaction boundaries with the given configuration. Please \
             reconfigure it to use a different transaction boundary definition.",
        ));
    }
    refusals
}

#[cfg(test)]
mod tests {
    use api::{Result, SourceTask};

    use super::*;

    struct Source(Option<ExactlyOnceSupport>, bool);

    impl SourceConnector for Source {
        fn task_configs(&self, _config: &Props, _tasks_max: usize) -> Result<Vec<Props>> {
            Ok(Vec::new())
        }

        fn task(&self) -> Box<dyn SourceTask> {
            unreachable!("nothing is run here")
        }

        fn exactly_once_support(&self, _config: &Props) -> Option<ExactlyOnceSupport> {
            self.0
        }

        fn can_define_transaction_boundaries(&self, _config: &Props) -> bool {
            self.1
        }
    }

    #[test]
    fn what_worker_or_connector_cannot_do_is_refused_only_if_it_is_asked_for() {
        let said = |name: &str, text: &str| Props::from([(name.to_owned(), text.to_owned())]);
        let required = said("exactly.once.support", "REQUIRED");
        let texts = |is_enabled, support, props: &Props| {
            let refusals = refusals(is_enabled, &Source(support, false), props);
            refusals.into_iter().map(|(_, text)| text).collect::<Vec<_>>()
        };
        assert!(texts(true, Some(ExactlyOnceSupport::Supported), &required).is_empty());
        assert!(texts(false, None, &said("exactly.once.support", "requested")).is_empty());
        let off = texts(false, Some(ExactlyOnceSupport::Supported), &required);
        assert_eq!(off, ["This worker does not have exactly-once source support enabled."]);
        assert_eq!(
            texts(true, Some(ExactlyOnceSupport::Unsupported), &required),
            ["The connector does not support exactly-once semantics with the provided configuration."]
        );
        assert!(
            texts(true, None, &required)[0].starts_with("The connector does not implement the API required")
        );
        let boundary = said("transaction.boundary", "connector");
        assert_eq!(texts(true, None, &boundary).len(), 1);
        assert!(refusals(true, &Source(None, true), &boundary).is_empty());
    }
}
