//! How often and how soon a failed task or connector is started again: options of every connector, Millrace's own.
//!
//! Read by the herder when something fails. Invariant: with `restart.attempts.max=0` a failed task stays failed until a person
//! restarts it, as in Kafka Connect.

use configs::config;

config! {
    /// Options of the supervision of a connector and its tasks.
    pub struct SupervisionConfig {
        /// How many times in a row a failed task (or connector) is started again by itself. 0 leaves it failed, as Kafka Connect does.
        attempts_max: u32 = default("restart.attempts.max", 20).kind(ConfigType::Int).importance(Low).check(at_least(0))
            .group("Error Handling").width(Width::Short).display_name("Maximum Restarts in a Row");
        /// How long to wait before the first restart; the wait doubles with each.
        delay: std::time::Duration = default("restart.delay.ms", 1000).importance(Low).check(at_least(1))
            .group("Error Handling").width(Width::Short).display_name("Delay of the First Restart");
        /// The longest wait before a restart.
        delay_max: std::time::Duration = default("restart.delay.max.ms", 300_000).importance(Low).check(at_least(1))
            .group("Error Handling").width(Width::Short).display_name("Maximum Delay Between Restarts");
        /// A run of at least this long makes the next failure the first of a new row.
        reset_after: std::time::Duration = default("restart.reset.ms", 600_000).importance(Low).check(at_least(1))
            .group("Error Handling").width(Width::Short).display_name("Run That Resets the Count of Restarts");
        /// How long one call of a task (start, poll, put, flush, commit) may take before the task is said to be stalled, in its status, the log and the metrics. 0 never says so.
        stall_timeout: std::time::Duration = default("task.stall.timeout.ms", 300_000).importance(Low).check(at_least(0))
            .group("Error Handling").width(Width::Short).display_name("Time Until a Task Counts as Stalled");
        /// Whether a stalled task is given up and started again, as one that failed. A thread that it blocks is left behind.
        stall_restart: bool = default("task.stall.restart", false).importance(Low)
            .group("Error Handling").width(Width::Short).display_name("Restart Stalled Tasks");
    }
}
