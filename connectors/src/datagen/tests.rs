//! The generator under the laws, and its numbers shared by tasks.

use api::laws::{CommittedOffsets, SourceLaws, bad_config_yields_all_errors, source_context};
use api::{FlatMap, Props, SourceConnector as _};

use crate::datagen::{DatagenSourceConnector, SOURCE};

fn config(said: &[(&str, &str)]) -> Props {
    let all = [&[("topic", "t")], said].concat();
    all.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

async fn numbers(config: Props, count: usize) -> Vec<i64> {
    let mut task = DatagenSourceConnector.task();
    task.start(source_context(config, CommittedOffsets::default())).await.unwrap();
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let records = task.poll().await.unwrap();
        numbers.extend(
            records
                .iter()
                .map(|record| record.source_offset.to_map().get("number").unwrap().as_i64().unwrap()),
        );
    }
    numbers
}

#[tokio::test]
async fn obeys_the_laws() {
    for quickstart in ["orders", "users", "lines"] {
        let config = config(&[("quickstart", quickstart), ("records.max", "1000"), ("batch.size", "70")]);
        SourceLaws { connector: &DatagenSourceConnector, config, records: 1000 }.all().await;
    }
}

#[tokio::test]
async fn tasks_share_the_numbers() {
    let configs = DatagenSourceConnector.task_configs(&config(&[("records.max", "10")]), 3).unwrap();
    let expected = [vec![0, 3, 6, 9], vec![1, 4, 7], vec![2, 5, 8]];
    for (config, expected) in configs.into_iter().zip(expected) {
        assert_eq!(numbers(config, expected.len()).await, expected);
    }
}

#[tokio::test]
async fn a_rate_is_kept() {
    let config = config(&[("records.per.second", "200"), ("quickstart", "lines")]);
    let config = DatagenSourceConnector.task_configs(&config, 1).unwrap().remove(0);
    let begun = std::time::Instant::now();
    numbers(config, 41).await;
    assert!(begun.elapsed() >= std::time::Duration::from_millis(200), "{:?}", begun.elapsed());
}

#[test]
fn bad_options_are_named_all_at_once() {
    let said = [("quickstart", "cats"), ("records.max", "-1"), ("line.bytes", "0")];
    bad_config_yields_all_errors(&SOURCE, &config(&said), &["quickstart", "records.max", "line.bytes"]);
}

#[test]
fn offsets_that_a_user_sets_must_be_the_tasks_own() {
    let partition = FlatMap::new().with("task", 1_i64).with("tasks", 3_i64);
    let check = |number: i64| {
        let offset = FlatMap::new().with("number", number);
        DatagenSourceConnector.check_offsets(&config(&[]), &[(partition.clone(), Some(offset))])
    };
    check(7).unwrap();
    assert!(check(6).unwrap_err().to_string().contains("number 6 is not one of task 1 of 3"));
    assert!(check(-1).is_err());
}
