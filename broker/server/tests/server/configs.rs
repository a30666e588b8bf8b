//! Configs over the wire: defaults are listed with where they come from, and changes act on what is there.

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        alter_configs::{self, AlterConfigsRequest},
        describe_configs::{DescribeConfigsRequest, DescribeConfigsResource},
        incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest},
    },
};

use crate::client::{Client, TestResult, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configs_are_described_with_their_sources_and_altered() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("good", 3, &[("cleanup.policy", "compact")]).await?;
    let describe = || {
        let resource = DescribeConfigsResource {
            resource_type: 2,
            resource_name: "good".into(),
            configuration_keys: None,
        };
        DescribeConfigsRequest {
            resources: vec![resource],
            include_synonyms: true,
            include_documentation: true,
        }
    };
    let described = client.ask(describe(), 4).await?;
    let found = |name: &str| {
        described.results[0]
            .configs
            .iter()
            .find(|config| *config.name == *name)
            .map(|config| (config.value.clone(), config.config_source))
    };
    assert_eq!(found("cleanup.policy"), Some((Some("compact".into()), 1)));
    assert_eq!(found("retention.ms"), Some((Some("604800000".into()), 5)));
    let append =
        AlterableConfig { name: "cleanup.policy".into(), config_operation: 2, value: Some("delete".into()) };
    let resource =
        AlterConfigsResource { resource_type: 2, resource_name: "good".into(), configs: vec![append] };
    let altered = client
        .ask(IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false }, 1)
        .await?;
    assert_eq!(altered.responses[0].error_code, ErrorCode::NONE);
    let described = client.ask(describe(), 1).await?;
    let policy = described.results[0].configs.iter().find(|config| &*config.name == "cleanup.policy");
    assert_eq!(policy.and_then(|config| config.value.clone()), Some(Text::from("compact,delete")));
    let only = alter_configs::AlterableConfig { name: "retention.ms".into(), value: Some("5".into()) };
    let resource = alter_configs::AlterConfigsResource {
        resource_type: 2,
        resource_name: "good".into(),
        configs: vec![only],
    };
    let replace = AlterConfigsRequest { resources: vec![resource], validate_only: false };
    assert_eq!(client.ask(replace, 2).await?.responses[0].error_code, ErrorCode::NONE);
    let described = client.ask(describe(), 1).await?;
    let policy = described.results[0].configs.iter().find(|config| &*config.name == "cleanup.policy");
    assert_eq!(policy.and_then(|config| config.value.clone()), Some(Text::from("delete")), "the rest goes");
    Ok(())
}
