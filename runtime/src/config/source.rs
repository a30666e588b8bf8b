//! The options of every source connector, beside those of every connector (Connect's `SourceConnectorConfig`).
//!
//! Read by validation and by source tasks.

use configs::{config, config_enum};

use super::connector::alias_list;

config_enum! {
    /// Whether a source must be exactly-once.
    pub enum ExactlyOnceSupport {
        /// If the connector can.
        Requested = "requested",
        /// Refuse the configuration if the connector cannot.
        Required = "required",
    }
}

config_enum! {
    /// When a transaction ends.
    pub enum TransactionBoundary {
        /// With each batch that a task polls.
        Poll = "poll",
        /// After a time.
        Interval = "interval",
        /// When the connector says so.
        Connector = "connector",
    }
}

config! {
    /// Options of every source connector.
    pub struct SourceConfig {
        /// Groups of configurations for topics that this connector creates.
        topic_creation_groups: Vec<String> = default("topic.creation.groups", "").importance(Low).check(alias_list("unique topic creation groups"))
            .group("Topic Creation").order(1).width(Width::Long).display_name("Topic Creation Groups");
        /// `required` refuses the configuration unless worker and connector deliver it exactly once; `requested` takes what there is.
        exactly_once_support: ExactlyOnceSupport = default("exactly.once.support", "requested").importance(Medium)
            .group("Exactly Once Support").order(2).width(Width::Short).display_name("Exactly once support");
        /// When a transaction ends: between batches (`poll`), after an `interval`, or when the `connector` says so. With `poll`, batches that
        /// follow one another at once share a transaction, for a tenth of a second at most.
        transaction_boundary: TransactionBoundary = default("transaction.boundary", "poll").importance(Medium)
            .group("Exactly Once Support").order(3).width(Width::Short).display_name("Transaction Boundary");
        /// How long a transaction lasts when `transaction.boundary` is `interval`; by default the worker's offset.flush.interval.ms.
        transaction_boundary_interval: Option<std::time::Duration> = optional("transaction.boundary.interval.ms").importance(Low)
            .group("Exactly Once Support").order(4).width(Width::Short).display_name("Transaction boundary interval");
        /// A topic of its own for the offsets of this connector; by default the worker's. The worker's keeps a copy.
        offsets_storage_topic: Option<String> = optional("offsets.storage.topic").importance(Low).check(non_empty())
            .group("offsets.topic").order(1).width(Width::Long).display_name("Offsets topic");
    }
}
