//! What can be said to the file connectors. `file`, `topic` and `batch.size` are Connect's; the others are ours.
//!
//! Invariant: every option that is declared here does what its documentation says.

use std::time::Duration;

api::configs::config! {
    /// Options of the file source.
    pub struct FileSourceConfig {
        /// The file to read. Without it, the standard input is read. A file that does not exist yet is waited for.
        file: Option<String> = optional("file").importance(High);
        /// The topic to write the lines to.
        topic: String = required("topic").importance(High).check(non_empty()).check(topic_name());
        /// How many lines are read at most before they are sent.
        batch_lines_max: usize = default("batch.size", 2000).kind(ConfigType::Int).importance(Low).check(at_least(1));
        /// How long a line may be, in bytes. A longer one fails the task before it fills the memory.
        line_bytes_max: usize = default("line.bytes.max", 1_048_576).kind(ConfigType::Int).importance(Low).check(at_least(1));
        /// How long the end of the file must have been quiet until a last line without a line break is sent as it is, in
        /// milliseconds. What is appended to it later comes as a line of its own.
        last_line_quiet: Duration = default("last.line.quiet.ms", 5000).importance(Low);
        /// How often a file that does not grow is looked at, in milliseconds, where the system does not tell when it changes: on network
        /// file systems. Elsewhere new lines are read at once.
        poll_wait: Duration = default("poll.wait.ms", 100).importance(Low).check(at_least(1));
        /// The directories in and under which `file` must lie, after symbolic links are followed. Empty: any directory but
        /// `/proc`, `/sys` and `/dev`.
        allowed_directories: Vec<String> = default("allowed.directories", "").importance(Low);
    }
}

api::configs::config! {
    /// Options of the file sink.
    pub struct FileSinkConfig {
        /// The file to append to; it is created if it does not exist. Without it, lines go to the standard output.
        file: Option<String> = optional("file").importance(High);
        /// The directories in and under which `file` must lie, after symbolic links are followed. Empty: any directory but
        /// `/proc`, `/sys` and `/dev`.
        allowed_directories: Vec<String> = default("allowed.directories", "").importance(Low);
    }
}
