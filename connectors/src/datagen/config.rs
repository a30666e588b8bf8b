//! What can be said to the generator.
//!
//! Invariant: every option that is declared here does what its documentation says.

api::configs::config_enum! {
    /// What is generated.
    pub enum Quickstart {
        /// Structs of an order: `ordertime`, `orderid`, `itemid`, `orderunits`, `address`. The key is `orderid`.
        Orders = "ORDERS",
        /// Structs of a user: `registertime`, `userid`, `regionid`, `gender`. The key is `userid`.
        Users = "USERS",
        /// Text of a fixed length, without a key.
        Lines = "LINES",
    }
}

api::configs::config! {
    /// Options of the generator.
    pub struct DatagenSourceConfig {
        /// The topic to write to.
        topic: String = required("topic").importance(High).check(non_empty()).check(topic_name());
        /// What is generated: structs of orders or users, or lines of text.
        quickstart: Quickstart = default("quickstart", Quickstart::Orders).importance(High);
        /// How many records all tasks together generate; without it they never end.
        records_max: Option<u64> = optional("records.max").importance(Medium);
        /// How many records all tasks together generate in a second; 0 is as many as they can.
        records_per_second: u64 = default("records.per.second", 0).importance(Medium);
        /// Where the numbers come from: the same seed gives the same records.
        random_seed: u64 = default("random.seed", 1).importance(Low);
        /// How long a line is, in bytes, for `LINES`.
        line_bytes: usize = default("line.bytes", 100).kind(ConfigType::Int).importance(Low).check(range(1, 1_048_576));
        /// How many records are generated at most before they are sent.
        batch_records_max: usize = default("batch.size", 2000).kind(ConfigType::Int).importance(Low).check(range(1, 1_000_000));
        /// How many records of a task make a transaction, with `transaction.boundary` set to `connector`.
        transaction_records: u64 = default("transaction.records", 0).importance(Low);
        /// Every so many-th transaction is aborted, with `transaction.boundary` set to `connector`: readers of committed records never see
        /// it. 0 is none.
        transaction_abort_every: u64 = default("transaction.abort.every", 0).importance(Low);
    }
}
