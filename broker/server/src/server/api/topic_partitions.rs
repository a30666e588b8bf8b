//! DescribeTopicPartitions: what Metadata says, in pages of so many partitions with a cursor to the next one.
//!
//! Which partitions stand on a page is decided by [`page`], apart from where they come from.

use std::sync::Arc;

use broker_protocol::{
    ErrorCode, Uuid,
    messages::describe_topic_partitions::{
        Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
        DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
    },
};

use super::wire_id;
use crate::{broker::State, topics::Topic, topics::check_name};

/// Partitions of a page (Kafka's `max.request.partition.size.limit`).
const PAGE_PARTITIONS_MAX: i32 = 2000;

/// Partitions `from..to` of one of the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slice {
    topic: usize,
    from: i32,
    to: i32,
}

/// Cuts a page out of topics with these many partitions, of which the first begins at `from`; what comes after it follows.
fn page(counts: &[i32], from: i32, limit: i32) -> (Vec<Slice>, Option<(usize, i32)>) {
    let (mut slices, mut left) = (Vec::new(), limit);
    for (topic, count) in counts.iter().enumerate() {
        let from = if topic == 0 { from.min(*count) } else { 0 };
        if left == 0 {
            return (slices, Some((topic, from)));
        }
        let to = count.min(&from.saturating_add(left)).to_owned();
        slices.push(Slice { topic, from, to });
        left -= to - from;
        if to < *count {
            return (slices, Some((topic, to)));
        }
    }
    (slices, None)
}

/// Answers DescribeTopicPartitions.
pub(in crate::server) fn describe(
    state: &State,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let mut names: Vec<String> = if request.topics.is_empty() {
        state.topics.all().iter().map(|topic| topic.name.to_string()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.to_string()).collect()
    };
    if request.cursor.as_ref().is_some_and(|cursor| cursor.partition_index < 0) {
        let topics = names.into_iter().map(|name| failed(name, ErrorCode::INVALID_REQUEST)).collect();
        return DescribeTopicPartitionsResponse { topics, ..DescribeTopicPartitionsResponse::default() };
    }
    names.sort_unstable();
    names.dedup();
    let (mut from, limit) = (0, request.response_partition_limit.clamp(1, PAGE_PARTITIONS_MAX));
    if let Some(cursor) = &request.cursor {
        names.retain(|name| name.as_str() >= &*cursor.topic_name);
        if names.first().is_some_and(|first| **first == *cursor.topic_name) {
            from = cursor.partition_index;
        }
    }
    let found: Vec<Option<Arc<Topic>>> = names.iter().map(|name| state.topics.get(name)).collect();
    let counts: Vec<i32> = found.iter().map(|topic| topic.as_deref().map_or(0, count)).collect();
    let (slices, next) = page(&counts, from, limit);
    let topics = slices.iter().map(|slice| match &found[slice.topic] {
        Some(topic) => describe_topic(state, topic, slice),
        None if check_name(&names[slice.topic]).is_err() => {
            failed(names[slice.topic].clone(), ErrorCode::INVALID_TOPIC_EXCEPTION)
        }
        None => failed(names[slice.topic].clone(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    });
    let next_cursor = next
        .map(|(topic, partition_index)| Cursor { topic_name: names[topic].as_str().into(), partition_index });
    DescribeTopicPartitionsResponse {
        topics: topics.collect(),
        next_cursor,
        ..DescribeTopicPartitionsResponse::default()
    }
}

fn count(topic: &Topic) -> i32 {
    i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX)
}

fn failed(name: String, error_code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code,
        name: Some(name.into()),
        topic_id: Uuid::ZERO,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn describe_topic(state: &State, topic: &Topic, slice: &Slice) -> DescribeTopicPartitionsResponseTopic {
    let node = state.config.node_id;
    let partition = |partition_index| DescribeTopicPartitionsResponsePartition {
        partition_index,
        leader_id: node,
        leader_epoch: 0,
        replica_nodes: vec![node],
        isr_nodes: vec![node],
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..DescribeTopicPartitionsResponsePartition::default()
    };
    DescribeTopicPartitionsResponseTopic {
        name: Some((&*topic.name).into()),
        topic_id: wire_id(topic),
        is_internal: topic.is_internal(),
        partitions: (slice.from..slice.to).map(partition).collect(),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks all pages and says which partitions came, in order.
    fn walk(counts: &[i32], limit: i32) -> Vec<(usize, i32)> {
        let (mut seen, mut at) = (Vec::new(), Some((0, 0)));
        while let Some((topic, from)) = at {
            let (slices, next) = page(&counts[topic..], from, limit);
            let on_page: i32 = slices.iter().map(|slice| slice.to - slice.from).sum();
            assert!(on_page <= limit);
            let numbers = |slice: &Slice| {
                let topic = topic + slice.topic;
                (slice.from..slice.to).map(move |partition| (topic, partition))
            };
            seen.extend(slices.iter().flat_map(numbers));
            at = next.map(|(next, from)| (topic + next, from));
        }
        seen
    }

    #[test]
    fn pages_hold_every_partition_once() {
        let counts = [3, 0, 1, 5, 2];
        let all: Vec<(usize, i32)> =
            (0..5).flat_map(|topic| (0..counts[topic]).map(move |partition| (topic, partition))).collect();
        for limit in 1..13 {
            assert_eq!(walk(&counts, limit), all, "pages of {limit}");
        }
    }

    #[test]
    fn a_cursor_beyond_the_last_partition_goes_on_with_the_next_topic() {
        let (slices, next) = page(&[3, 2], 9, 10);
        let expected = [Slice { topic: 0, from: 3, to: 3 }, Slice { topic: 1, from: 0, to: 2 }];
        assert_eq!((slices, next), (expected.to_vec(), None));
    }
}
