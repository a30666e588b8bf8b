//! `ConnectorClientPolicyIntegrationTest` (KIP-458): which client settings a connector may override.

use serde_json::{Value, json};

use super::stage::Stage;

const TUNING: &str = "consumer.override.max.poll.records";
const IDENTITY: &str = "consumer.override.security.protocol";

async fn created(stage: &Stage, name: &str, option: &str, value: &str) -> (u16, Value) {
    stage.submit(name, stage.sink("policy-input", json!({option: value}))).await
}

#[tokio::test]
async fn test_create_with_no_allowed_overrides_for_none_policy() {
    let stage = Stage::with(&[("connector.client.config.override.policy", "None")]).await;
    for (option, value) in [(TUNING, "5"), (IDENTITY, "PLAINTEXT")] {
        let (status, answer) = created(&stage, "none", option, value).await;
        assert_eq!(status, 400, "{answer}");
        let setting = option.trim_start_matches("consumer.override.");
        assert!(answer["message"].as_str().unwrap().contains(setting), "{answer}");
    }
    stage.create("plain", stage.sink("policy-input", json!({}))).await;
}

#[tokio::test]
async fn test_create_with_allowed_and_not_allowed_overrides_for_principal_policy() {
    let stage = Stage::with(&[("connector.client.config.override.policy", "Principal")]).await;
    let login = "consumer.override.sasl.mechanism";
    let (status, answer) = created(&stage, "principal", login, "PLAIN").await;
    assert_eq!(status, 201, "{answer}");
    let (status, answer) = created(&stage, "tuned", TUNING, "5").await;
    assert_eq!(status, 400, "{answer}");
}

#[tokio::test]
async fn test_create_with_allowed_overrides_for_default_and_all_policy() {
    let stage = Stage::shared().await;
    let (status, answer) = created(&stage, "policy-all", TUNING, "5").await;
    assert_eq!(status, 201, "{answer}");
    stage.is("policy-all", "RUNNING", &["RUNNING"]).await;
    stage.delete("policy-all").await;
}
