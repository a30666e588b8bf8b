//! What the fuzz targets call: opening a log, and loading the broker's own topics, from whatever lies on the disk. Only there
//! with the feature `fuzzing`. Errors are fine; what opens must take appends and give them back.

use std::{path::Path, sync::Arc};

use broker_protocol::batch::{Batch, BatchBuilder, BatchFields, check_produced};

use crate::{
    BrokerConfig,
    group::Coordinator,
    log::{CleanupPolicy, FlushQueue, LogConfig, LogDirectory, PartitionLog, PartitionPlace, SystemDisk},
    topics::{OFFSETS_TOPIC, TRANSACTIONS_TOPIC, Topics, options::TopicConfigs},
    transactions::Transactions,
};

fn batch(records: &[(&[u8], Option<&[u8]>)]) -> Option<Batch> {
    let mut builder = BatchBuilder::new(1024);
    for (key, value) in records {
        builder.append(1, Some(key), *value, &[]).ok()?;
    }
    check_produced(builder.finish(&BatchFields::default()).ok()?.0.into()).ok()
}

fn open(root: &Path, queue: &Arc<FlushQueue>) -> Option<Arc<PartitionLog>> {
    let directory = Arc::new(LogDirectory::open(root, Arc::new(SystemDisk)).ok()?);
    let place = PartitionPlace { topic: "t".into(), topic_id: uuid::Uuid::nil(), partition: 0 };
    let config = LogConfig {
        segment_bytes: 4096,
        cleanup_policy: CleanupPolicy { delete: true, compact: true },
        min_cleanable_dirty_ratio: 0.0,
        ..LogConfig::default()
    };
    PartitionLog::open(&place, &directory, queue, Arc::new(config)).ok()
}

/// Opens the partition `t-0` of a log directory, reads all of it, appends, compacts, and does so once more.
///
/// # Panics
/// If what was appended is not there afterwards.
pub fn open_and_use(root: &Path) {
    for round in 0..2 {
        let queue = Arc::new(FlushQueue::default());
        let Some(log) = open(root, &queue) else { return };
        let mut offset = log.offsets().start;
        while let Ok(bytes) = log.read(offset, 1 << 16, true) {
            let mut next = offset;
            for batch in broker_protocol::batch::Batches::new(bytes).flatten() {
                next = batch.header().next_offset();
            }
            if next <= offset {
                break;
            }
            offset = next;
        }
        let Some(batch) = batch(&[(b"key", Some(b"value"))]) else { return };
        if let Ok(appended) = log.append(&batch, round)
            && log.flush_now().is_ok()
        {
            let read = log.read(appended.base_offset, 1 << 16, true);
            assert!(read.is_ok_and(|bytes| !bytes.is_empty()), "what was appended is not there");
        }
        // Damage is an error that names the file, and nothing else.
        drop((log.batch_at_timestamp(0), log.newest_batch(), log.apply_retention(2)));
        drop(log.compact(2));
        drop(log.close());
        // What is queued holds the log, and the log holds the queue.
        queue.clear();
    }
}

/// Loads groups and transactions from topics that hold these keys and values.
pub fn load_internal_topics(root: &Path, records: &[(&[u8], Option<&[u8]>)]) {
    let Ok(directory) = LogDirectory::open(root, Arc::new(SystemDisk)) else { return };
    let queue = Arc::new(FlushQueue::default());
    let opened = Topics::open(Arc::new(directory), Arc::clone(&queue), TopicConfigs::new());
    let Ok(topics) = opened else { return };
    for name in [OFFSETS_TOPIC, TRANSACTIONS_TOPIC] {
        let Ok(topic) = topics.create(name, 1, TopicConfigs::new()) else { return };
        if let (Some(log), Some(batch)) = (topic.partition(0), batch(records)) {
            drop((log.append(&batch, 1), log.flush_now()));
        }
    }
    queue.clear();
    drop((Coordinator::open(&BrokerConfig::default(), &topics), Transactions::open(&topics)));
}
