//! Every option that a topic may have, in one table. Only options that act are here.

use super::{
    OptionKind, TopicOption,
    checks::{at_least, boolean, cleanup_policy, compression, int_at_least, ratio, timestamp_type},
};

const fn option(
    name: &'static str,
    broker_name: &'static str,
    kind: OptionKind,
    default: &'static str,
    check: fn(&str) -> Result<(), String>,
    documentation: &'static str,
) -> TopicOption {
    TopicOption { name, broker_name, kind, default, documentation, check }
}

/// All of them, by name.
pub(crate) static TOPIC_OPTIONS: &[TopicOption] = {
    use OptionKind::{Boolean, Double, Int, List, Long, String};
    &[
        option(
            "cleanup.policy",
            "log.cleanup.policy",
            List,
            "delete",
            cleanup_policy,
            "How old records go: delete, compact, or both.",
        ),
        option(
            "compression.type",
            "compression.type",
            String,
            "producer",
            compression,
            "The codec that batches are kept in: producer keeps that of the producer.",
        ),
        option(
            "delete.retention.ms",
            "log.cleaner.delete.retention.ms",
            Long,
            "86400000",
            at_least::<0>,
            "How long tombstones stay after compaction has seen them.",
        ),
        option(
            "file.delete.delay.ms",
            "log.segment.delete.delay.ms",
            Long,
            "60000",
            at_least::<0>,
            "How long the files of an expired segment stay on disk, out of use.",
        ),
        option(
            "flush.messages",
            "log.flush.interval.messages",
            Long,
            "1",
            at_least::<1>,
            "1: a record is on disk before it is acknowledged to acks=all, as this broker is the only replica. More: records \
             are acknowledged and read once they are written, and so many share an fsync; a power failure may take them.",
        ),
        option(
            "flush.ms",
            "log.flush.interval.ms",
            Long,
            "9223372036854775807",
            at_least::<0>,
            "Where flush.messages is more than 1: the time after which written records are on disk.",
        ),
        option(
            "max.compaction.lag.ms",
            "log.cleaner.max.compaction.lag.ms",
            Long,
            "9223372036854775807",
            at_least::<1>,
            "Records older than this are compacted, however clean the log is.",
        ),
        option(
            "max.message.bytes",
            "message.max.bytes",
            Int,
            "1048588",
            int_at_least::<0>,
            "Largest batch that producers may send.",
        ),
        option(
            "message.timestamp.after.max.ms",
            "log.message.timestamp.after.max.ms",
            Long,
            "3600000",
            at_least::<0>,
            "How far a producer's time stamps may lie ahead of the broker's clock.",
        ),
        option(
            "message.timestamp.before.max.ms",
            "log.message.timestamp.before.max.ms",
            Long,
            "9223372036854775807",
            at_least::<0>,
            "How far a producer's time stamps may lie behind the broker's clock.",
        ),
        option(
            "message.timestamp.type",
            "log.message.timestamp.type",
            String,
            "CreateTime",
            timestamp_type,
            "Whether records bear the producer's time or the broker's.",
        ),
        option(
            "min.cleanable.dirty.ratio",
            "log.cleaner.min.cleanable.ratio",
            Double,
            "0.5",
            ratio,
            "Share of the log that must be new before it is compacted again.",
        ),
        option(
            "min.compaction.lag.ms",
            "log.cleaner.min.compaction.lag.ms",
            Long,
            "0",
            at_least::<0>,
            "Records younger than this are not compacted.",
        ),
        option(
            "min.insync.replicas",
            "min.insync.replicas",
            Int,
            "1",
            int_at_least::<1>,
            "Replicas that must have a record for acks=all; this broker is one.",
        ),
        option(
            "retention.bytes",
            "log.retention.bytes",
            Long,
            "-1",
            at_least::<-1>,
            "Size beyond which the oldest segments of a partition are deleted; -1 is no limit.",
        ),
        option(
            "retention.ms",
            "log.retention.ms",
            Long,
            "604800000",
            at_least::<-1>,
            "Age beyond which segments are deleted; -1 keeps them.",
        ),
        option(
            "segment.bytes",
            "log.segment.bytes",
            Int,
            "1073741824",
            int_at_least::<14>,
            "Size at which a segment is closed.",
        ),
        option(
            "segment.ms",
            "log.roll.ms",
            Long,
            "604800000",
            at_least::<1>,
            "Age at which a segment is closed.",
        ),
        option(
            "unclean.leader.election.enable",
            "unclean.leader.election.enable",
            Boolean,
            "false",
            boolean,
            "Always as good as false: the only replica is in sync.",
        ),
    ]
};
