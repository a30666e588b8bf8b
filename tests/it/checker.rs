//! The broker keeps its promises through faults: a few seeded rounds of the checker (`make check-broker` runs hundreds).

use harness::checker::Campaign;

#[tokio::test]
async fn no_fault_breaks_a_promise_of_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let report = Campaign { seed: 1, rounds: 8 }.run(folder.path()).await.unwrap();
    assert!(report.wrong.is_empty(), "{}", report.wrong.join("\n"));
    assert!(report.acknowledged > 0 && report.transactions > 0 && report.read > 0, "{report:?}");
}
