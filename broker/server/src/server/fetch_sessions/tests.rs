//! Sessions, request by request.

use broker_protocol::messages::fetch::{
    FetchPartition, FetchableTopicResponse, ForgottenTopic, PartitionData,
};
use bytes::Bytes;

use super::*;

const VERSION: i16 = 12;

fn topic(name: &str, partitions: std::ops::Range<i32>) -> FetchTopic {
    let partition = |partition| FetchPartition { partition, ..FetchPartition::default() };
    FetchTopic { topic: name.into(), partitions: partitions.map(partition).collect(), ..Default::default() }
}

fn request(session_id: i32, session_epoch: i32, topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest { session_id, session_epoch, topics, ..FetchRequest::default() }
}

/// Answers every partition with this high watermark; records for those whose number is in `with_records`.
fn answer(topics: &[FetchTopic], high_watermark: i64, with_records: &[i32]) -> FetchResponse {
    let data = |wanted: &FetchPartition| PartitionData {
        partition_index: wanted.partition,
        high_watermark,
        log_start_offset: 0,
        records: Some(if with_records.contains(&wanted.partition) {
            Bytes::from_static(b"records")
        } else {
            Bytes::new()
        }),
        ..PartitionData::default()
    };
    let topic = |topic: &FetchTopic| FetchableTopicResponse {
        topic: topic.topic.clone(),
        topic_id: topic.topic_id,
        partitions: topic.partitions.iter().map(data).collect(),
    };
    FetchResponse { responses: topics.iter().map(topic).collect(), ..FetchResponse::default() }
}

fn partitions(topics: &[FetchTopic]) -> Vec<i32> {
    topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| partition.partition)).collect()
}

fn told(response: &FetchResponse) -> Vec<i32> {
    let all = response.responses.iter().flat_map(|topic| &topic.partitions);
    all.map(|data| data.partition_index).collect()
}

struct Test {
    sessions: FetchSessions,
    now_ms: i64,
    next_id: i32,
}

impl Test {
    fn new(slots: usize) -> Self {
        Self { sessions: FetchSessions::new(slots), now_ms: 0, next_id: 100 }
    }

    fn fetch(
        &mut self,
        mut request: FetchRequest,
        high_watermark: i64,
        with_records: &[i32],
    ) -> FetchResponse {
        match self.sessions.begin(&mut request, VERSION, self.now_ms) {
            Err(error_code) => FetchResponse { error_code, ..FetchResponse::default() },
            Ok(context) => {
                let mut response = answer(&request.topics, high_watermark, with_records);
                self.next_id += 1;
                let at = (VERSION, self.now_ms, self.next_id);
                self.sessions.finish(context, &request.topics, &mut response, at);
                response
            }
        }
    }

    fn open(&mut self, partitions: i32) -> FetchResponse {
        self.fetch(request(0, 0, vec![topic("t", 0..partitions)]), 5, &[])
    }
}

#[test]
fn an_incremental_fetch_tells_only_what_is_new() {
    let mut test = Test::new(10);
    let first = test.open(3);
    assert_eq!((first.session_id, told(&first)), (101, vec![0, 1, 2]));
    let nothing = test.fetch(request(101, 1, vec![]), 5, &[]);
    assert_eq!((nothing.error_code, nothing.session_id, told(&nothing)), (ErrorCode::NONE, 101, vec![]));
    let records = test.fetch(request(101, 2, vec![]), 5, &[1]);
    assert_eq!(told(&records), [1]);
    let moved = test.fetch(request(101, 3, vec![]), 6, &[]);
    let mut all = told(&moved);
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2], "a high watermark that moved is told");
}

#[test]
fn who_got_records_goes_to_the_end_of_the_line() {
    let mut test = Test::new(10);
    test.open(3);
    test.fetch(request(101, 1, vec![]), 5, &[0]);
    let mut next = request(101, 2, vec![]);
    assert!(test.sessions.begin(&mut next, VERSION, 0).is_ok());
    assert_eq!(partitions(&next.topics), [1, 2, 0]);
}

#[test]
fn partitions_are_added_changed_and_forgotten() {
    let mut test = Test::new(10);
    test.open(2);
    let mut change = request(101, 1, vec![topic("u", 7..8)]);
    change.topics[0].partitions[0].fetch_offset = 42;
    change.forgotten_topics_data =
        vec![ForgottenTopic { topic: "t".into(), partitions: vec![0, 9], ..Default::default() }];
    assert!(test.sessions.begin(&mut change, VERSION, 0).is_ok());
    assert_eq!(partitions(&change.topics), [1, 7]);
    assert_eq!(change.topics[1].partitions[0].fetch_offset, 42);
    let mut rest = request(101, 2, vec![]);
    rest.forgotten_topics_data = vec![
        ForgottenTopic { topic: "t".into(), partitions: vec![1], ..Default::default() },
        ForgottenTopic { topic: "u".into(), partitions: vec![7], ..Default::default() },
    ];
    assert_eq!(test.sessions.begin(&mut rest, VERSION, 0), Ok(Context::Sessionless));
    assert_eq!(test.sessions.count(), 0, "nothing is wanted any more");
}

#[test]
fn wrong_ids_epochs_and_versions_are_refused() {
    let mut test = Test::new(10);
    test.open(1);
    let code = |test: &mut Test, id, epoch| test.fetch(request(id, epoch, vec![]), 5, &[]).error_code;
    assert_eq!(code(&mut test, 7, 1), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(code(&mut test, 101, 2), ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(code(&mut test, 101, 1), ErrorCode::NONE);
    assert_eq!(code(&mut test, 101, 1), ErrorCode::INVALID_FETCH_SESSION_EPOCH, "the same once more");
    let with_ids = test.sessions.begin(&mut request(101, 2, vec![]), 13, 0);
    assert_eq!(with_ids, Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
    // A full fetch of a session closes it; with the last epoch none begins.
    assert_eq!(code(&mut test, 101, FINAL_EPOCH), ErrorCode::NONE);
    assert_eq!(test.sessions.count(), 0);
}

#[test]
fn an_answer_that_was_overtaken_says_so() {
    let mut test = Test::new(10);
    test.open(1);
    let mut slow = request(101, 1, vec![]);
    let context = test.sessions.begin(&mut slow, VERSION, 0).unwrap();
    test.fetch(request(101, 2, vec![]), 5, &[]);
    let mut response = answer(&slow.topics, 5, &[]);
    test.sessions.finish(context, &slow.topics, &mut response, (VERSION, 0, 0));
    assert_eq!(response.error_code, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
}

#[test]
fn an_error_is_told_each_time_and_so_is_its_end() {
    let mut test = Test::new(10);
    test.open(1);
    for epoch in 1..3 {
        let mut next = request(101, epoch, vec![]);
        let context = test.sessions.begin(&mut next, VERSION, 0).unwrap();
        let mut response = answer(&next.topics, -1, &[]);
        response.responses[0].partitions[0].error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        test.sessions.finish(context, &next.topics, &mut response, (VERSION, 0, 0));
        assert_eq!(told(&response), [0]);
    }
    assert_eq!(told(&test.fetch(request(101, 3, vec![]), 5, &[])), [0]);
    assert!(told(&test.fetch(request(101, 4, vec![]), 5, &[])).is_empty());
}

#[test]
fn sessions_are_bounded_and_the_idle_and_the_small_make_room() {
    let mut test = Test::new(2);
    test.open(2);
    test.open(3);
    let refused = test.open(2);
    assert_eq!((refused.session_id, told(&refused).len()), (0, 2), "no smaller one is there");
    assert_eq!(test.open(3).session_id, 104, "the smallest goes");
    assert_eq!(test.fetch(request(101, 1, vec![]), 5, &[]).error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    test.now_ms = IDLE_MS;
    test.fetch(request(102, 1, vec![]), 5, &[]);
    test.now_ms = IDLE_MS + 1;
    assert_eq!(test.open(1).session_id, 106, "the idle goes");
    assert_eq!(test.fetch(request(104, 1, vec![]), 5, &[]).error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(test.sessions.count(), 2);
    assert_eq!(Test::new(0).open(1).session_id, 0, "without slots there are none");
}

#[test]
fn too_many_partitions_get_no_session() {
    let mut test = Test::new(10);
    let too_many = i32::try_from(PARTITIONS_MAX + 1).unwrap();
    assert_eq!(test.open(too_many).session_id, 0);
    test.open(1);
    let more = request(102, 1, vec![topic("more", 0..too_many)]);
    assert_eq!(test.fetch(more, 5, &[]).error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(test.sessions.count(), 0);
}

#[test]
fn epochs_go_round_without_the_special_ones() {
    assert_eq!((next(1), next(i32::MAX)), (2, 1));
}
