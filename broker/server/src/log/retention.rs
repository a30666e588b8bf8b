//! Which segments are old enough to go. The rule is pure; the log then removes the files, oldest first.
//!
//! What is not decided yet stays, however old or large: readers of committed records have had no chance to see it.

use std::sync::{Arc, atomic::Ordering};

use super::{
    LogConfig, LogError, PartitionLog,
    disk::{replace_file, sync_folder},
    partition::Inner,
    segment::Segment,
};

/// What the rule looks at of one segment.
#[derive(Clone, Copy, Debug)]
struct Age {
    size: u64,
    /// Newest time stamp, -1 if unknown.
    max_timestamp: i64,
    /// First offset of the segment after it.
    next_offset: i64,
}

/// How much of a log must stay in any case, and what it holds besides closed segments.
#[derive(Clone, Copy, Debug)]
struct Rest {
    active_bytes: u64,
    start_offset: i64,
    last_stable: i64,
}

/// How many of the oldest segments go.
fn expired(segments: &[Age], rest: Rest, config: &LogConfig, now_ms: i64) -> usize {
    let by_start = segments.iter().take_while(|age| age.next_offset <= rest.start_offset).count();
    if !config.cleanup_policy.delete {
        return by_start;
    }
    let too_old = |age: &&Age| {
        config.retention_ms.is_some_and(|retention| now_ms.saturating_sub(age.max_timestamp) > retention)
    };
    let timed = |age: &&Age| age.max_timestamp >= 0 || age.size == 0;
    let by_time = segments.iter().take_while(timed).take_while(too_old).count();
    let mut left = rest.active_bytes + segments.iter().map(|age| age.size).sum::<u64>();
    let too_much = |age: &&Age| {
        let rest = left - age.size;
        let goes = config.retention_bytes.is_some_and(|limit| rest >= limit);
        left = rest;
        goes
    };
    let by_age_and_size = by_time.max(segments.iter().take_while(too_much).count());
    let decided = segments.iter().take_while(|age| age.next_offset <= rest.last_stable).count();
    by_start.max(by_age_and_size.min(decided))
}

impl PartitionLog {
    /// Removes the segments that the topic's retention says; returns how many. Blocks on the disk.
    pub fn apply_retention(&self, now_ms: i64) -> Result<usize, LogError> {
        let _cleaning = self.cleaning.lock();
        self.remove_doomed(now_ms)?;
        let config = self.config();
        self.roll_if_expired(&config, now_ms)?;
        let (segments, active_base, rest) = {
            let inner = self.inner.lock();
            let (active_bytes, start_offset) = (inner.active.size, inner.start_offset);
            let rest = Rest { active_bytes, start_offset, last_stable: inner.flushed().last_stable };
            (inner.closed.clone(), inner.active.base_offset, rest)
        };
        let mut ages = Vec::with_capacity(segments.len());
        for (at, segment) in segments.iter().enumerate() {
            let next_offset = segments.get(at + 1).map_or(active_base, |next| next.base_offset);
            ages.push(Age { size: segment.size, max_timestamp: segment.max_timestamp()?, next_offset });
        }
        let count = expired(&ages, rest, &config, now_ms);
        let gone: Vec<Arc<Segment>> = {
            let mut inner = self.inner.lock();
            let gone = inner.closed.drain(..count).collect();
            let first = inner.closed.first().map_or(inner.active.base_offset, |segment| segment.base_offset);
            self.set_start(&mut inner, first);
            gone
        };
        for segment in &gone {
            tracing::info!(
                partition = self.name,
                segment = segment.base_offset,
                bytes = segment.size,
                "expired"
            );
            self.doom(segment.base_offset, now_ms, config.file_delete_delay_ms)?;
            // One after the other also after a power loss: a hole in the middle would be taken for damage.
            sync_folder(&self.folder).map_err(|error| LogError::io("sync", &self.folder, error))?;
        }
        Ok(count)
    }

    /// A log whose newest record is too old loses that one, too: its segment is closed first.
    fn roll_if_expired(&self, config: &LogConfig, now_ms: i64) -> Result<(), LogError> {
        let mut inner = self.inner.lock();
        let newest = inner.active.index.max_timestamp();
        let old = config.retention_ms.is_some_and(|retention| now_ms.saturating_sub(newest) > retention);
        if config.cleanup_policy.delete && old && newest >= 0 && inner.active.size > 0 {
            self.check_alive()?;
            self.roll(&mut inner)?;
        }
        Ok(())
    }

    /// Forgets the producers that were not heard of since `oldest_ms` and have no transaction open.
    pub fn expire_producers(&self, oldest_ms: i64) {
        self.inner.lock().producers.expire(oldest_ms);
    }

    /// Moves the start of the log to `offset`; records before it are gone at once, their files with the next retention.
    pub fn delete_before(&self, offset: i64) -> Result<i64, LogError> {
        let mut inner = self.inner.lock();
        self.check_alive()?;
        if offset < 0 || offset > inner.flushed_offset {
            let (start, end) = (inner.start_offset, inner.flushed_offset);
            return Err(LogError::OutOfRange { offset, start, end });
        }
        if offset > inner.start_offset {
            let path = self.folder.join(super::START_OFFSET_FILE);
            let written = replace_file(&path, format!("{offset}\n").as_bytes());
            written.map_err(|error| LogError::io("write", path, error))?;
            self.set_start(&mut inner, offset);
        }
        Ok(inner.start_offset)
    }

    fn set_start(&self, inner: &mut Inner, offset: i64) {
        inner.start_offset = inner.start_offset.max(offset);
        self.start.store(inner.start_offset, Ordering::Release);
        // The last stable offset is never before the start.
        self.publish(inner);
    }
}

#[cfg(test)]
mod tests {
    use super::super::CleanupPolicy;
    use super::*;

    const REST: Rest = Rest { active_bytes: 0, start_offset: 0, last_stable: i64::MAX };

    fn ages() -> Vec<Age> {
        (0..4).map(|at| Age { size: 100, max_timestamp: at * 10, next_offset: (at + 1) * 5 }).collect()
    }

    fn config(retention_ms: Option<i64>, retention_bytes: Option<u64>) -> LogConfig {
        LogConfig { retention_ms, retention_bytes, ..LogConfig::default() }
    }

    #[test]
    fn by_time_goes_what_is_older_and_by_size_what_is_too_much() {
        assert_eq!(expired(&ages(), REST, &config(Some(15), None), 30), 2);
        assert_eq!(expired(&ages(), REST, &config(None, Some(200)), 30), 2);
        assert_eq!(expired(&ages(), Rest { active_bytes: 150, ..REST }, &config(None, Some(200)), 30), 3);
        assert_eq!(expired(&ages(), REST, &config(None, None), i64::MAX), 0);
    }

    #[test]
    fn compacted_logs_keep_old_segments_but_not_deleted_records() {
        let compact = CleanupPolicy { delete: false, compact: true };
        let config = LogConfig { cleanup_policy: compact, ..config(Some(1), Some(1)) };
        assert_eq!(expired(&ages(), REST, &config, 1_000), 0);
        assert_eq!(expired(&ages(), Rest { start_offset: 11, ..REST }, &config, 1_000), 2);
    }

    #[test]
    fn a_segment_without_time_stamps_stays() {
        let ages = [Age { size: 1, max_timestamp: -1, next_offset: 1 }];
        assert_eq!(expired(&ages, REST, &config(Some(1), None), 1_000), 0);
    }

    #[test]
    fn an_open_transaction_keeps_its_segment_and_those_behind_it() {
        for (last_stable, gone) in [(0, 0), (4, 0), (5, 1), (12, 2), (20, 4)] {
            let rest = Rest { last_stable, ..REST };
            assert_eq!(expired(&ages(), rest, &config(Some(1), None), 1_000), gone, "{last_stable}");
            assert_eq!(expired(&ages(), rest, &config(None, Some(0)), 1_000), gone, "{last_stable}");
        }
        // What was deleted on purpose goes all the same.
        let deleted = Rest { last_stable: 10, start_offset: 10, ..REST };
        assert_eq!(expired(&ages(), deleted, &config(None, None), 0), 2);
    }
}
