//! `ConnectorRestartApiIntegrationTest` (KIP-745), on one worker and on three: what runs and what failed, times `includeTasks`, times
//! `onlyFailed`.

use reqwest::Method;
use serde_json::json;

use super::stage::Stage;
use super::trio::Trio;

/// What has failed before the restart.
#[derive(Clone, Copy, PartialEq)]
struct Case {
    connector_failed: bool,
    task_failed: bool,
    include_tasks: bool,
    only_failed: bool,
}

/// Restarts, and sees that exactly what is meant is started once more.
async fn check(stage: &Stage, name: &str, case: Case) {
    let failed = |failed| if failed { "FAILED" } else { "RUNNING" };
    let config = stage.source(name, json!({"tasks.max": "2", "restart.attempts.max": "0"}));
    stage.create(name, config.clone()).await;
    stage.is(name, "RUNNING", &["RUNNING"; 2]).await;
    if case.task_failed {
        stage.fail(name, "poll-0", "fatal");
        stage.is(name, "RUNNING", &["FAILED", "RUNNING"]).await;
        stage.heal(name, "poll-0");
    }
    if case.connector_failed {
        stage.fail(name, "task_configs", "fatal");
        let (status, answer) = stage.post(&format!("/connectors/{name}/restart")).await;
        assert_eq!(status, 500, "{answer}");
        stage.heal(name, "task_configs");
    }
    let tasks = [failed(case.task_failed), "RUNNING"];
    stage.is(name, failed(case.connector_failed), &tasks).await;
    let before = ["task_configs", "start-0", "start-1"].map(|place| stage.count(name, place));

    let (include, only) = (case.include_tasks, case.only_failed);
    let (status, plan) =
        stage.post(&format!("/connectors/{name}/restart?includeTasks={include}&onlyFailed={only}")).await;
    let meant = |failed: bool| u8::from(!only || failed);
    let connector = meant(case.connector_failed);
    let tasks = [case.task_failed, false].map(|failed| u8::from(include) * meant(failed));
    if !include && !only {
        assert_eq!((status, &plan), (204, &json!(null)), "{name}");
    } else {
        assert_eq!(status, 202, "{name}: {plan}");
        let state = |restarts: u8, before| if restarts == 1 { "RESTARTING" } else { before };
        assert_eq!(
            plan["connector"]["state"],
            state(connector, failed(case.connector_failed)),
            "{name}: {plan}"
        );
        assert_eq!(plan["tasks"][0]["state"], state(tasks[0], failed(case.task_failed)), "{name}: {plan}");
        assert_eq!(plan["tasks"][1]["state"], state(tasks[1], "RUNNING"), "{name}: {plan}");
    }
    let after = [connector, tasks[0], tasks[1]].map(usize::from);
    for ((place, before), more) in ["task_configs", "start-0", "start-1"].into_iter().zip(before).zip(after) {
        stage.called(name, place, before + more).await;
    }
    let healed = |failed: bool, restarted: u8| if failed && restarted == 0 { "FAILED" } else { "RUNNING" };
    let tasks = [healed(case.task_failed, tasks[0]), "RUNNING"];
    stage.is(name, healed(case.connector_failed, connector), &tasks).await;
    // Nothing else is started: had it been, it would have been before a change that comes after.
    let later = ["task_configs", "start-0", "start-1"].map(|place| stage.count(name, place));
    assert_eq!(later, [0, 1, 2].map(|at| before[at] + after[at]), "{name}");
    stage.delete(name).await;
}

/// Every way to restart, of a connector and tasks that have failed or not.
fn cases(connector_failed: bool, task_failed: bool) -> [(String, Case); 4] {
    [(false, false), (false, true), (true, false), (true, true)].map(|(include_tasks, only_failed)| {
        let case = Case { connector_failed, task_failed, include_tasks, only_failed };
        let flags = [connector_failed, task_failed, include_tasks, only_failed]
            .map(|flag| if flag { 'y' } else { 'n' });
        (format!("restart-{}", flags.iter().collect::<String>()), case)
    })
}

async fn matrix(connector_failed: bool, task_failed: bool) {
    let stage = Stage::shared().await;
    let cases = cases(connector_failed, task_failed);
    futures::future::join_all(cases.iter().map(|(name, case)| check(&stage, name, *case))).await;
}

#[tokio::test]
async fn test_running_connector_and_tasks_restart() {
    matrix(false, false).await;
}

#[tokio::test]
async fn test_failed_tasks_restart() {
    matrix(false, true).await;
}

#[tokio::test]
async fn test_failed_connector_restart() {
    matrix(true, false).await;
}

#[tokio::test]
async fn test_failed_connector_and_tasks_restart() {
    matrix(true, true).await;
}

/// `testMultiWorkerRestart...`: on three workers, one case after another, since whatever else comes and goes would move tasks.
#[tokio::test]
async fn test_multi_worker_restart() {
    let trio = Trio::start().await;
    for (connector_failed, task_failed) in [(false, false), (false, true), (true, false), (true, true)] {
        for (name, case) in cases(connector_failed, task_failed) {
            check(&trio.stage, &name, case).await;
        }
    }
    restart_unknown_connector(&trio.stage).await;
}

#[tokio::test]
async fn test_restart_unknown_connector() {
    restart_unknown_connector(&*Stage::shared().await).await;
}

async fn restart_unknown_connector(stage: &Stage) {
    for query in ["", "?includeTasks=true", "?onlyFailed=true", "?includeTasks=true&onlyFailed=true"] {
        let (status, answer) = stage.call(Method::POST, &format!("/connectors/unknown/restart{query}")).await;
        assert_eq!((status, answer["error_code"].as_u64()), (404, Some(404)), "{query}: {answer}");
    }
}
