//! Changes of topics that are there: more partitions, other settings.

use broker_protocol::ApiKey;
use broker_protocol::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use broker_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};

use super::description::ConfigChange;
use super::refused;
use super::topics::{TOPIC_RESOURCE, millis};
use crate::client::Client;
use crate::error::Result;

/// IncrementalAlterConfigs' operations.
const SET: i8 = 0;
const DELETE: i8 = 1;

impl Client {
    /// Changes single settings of a topic; the others stay.
    pub async fn alter_topic_configs(&self, topic: &str, changes: &[ConfigChange]) -> Result<()> {
        let resource = AlterConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: topic.into(),
            configs: changes.iter().map(alterable).collect(),
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let request = &request;
        self.retrying(|| async move {
            let connection = self.controller().await?;
            let response = connection.call(request, i16::MAX, None).await?;
            let answer = response.responses.into_iter().next().unwrap_or_default();
            answer.error_code.check().map_err(|code| {
                let (api, message) = (ApiKey::IncrementalAlterConfigs, answer.error_message.as_ref());
                refused(&connection, api, format!("topic {topic}"), code, message)
            })
        })
        .await
    }

    /// Gives a topic more partitions: `count` in all.
    pub async fn create_partitions(&self, topic: &str, count: i32) -> Result<()> {
        let request = CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic { name: topic.into(), count, assignments: None }],
            timeout_ms: millis(self.config().request_timeout),
            validate_only: false,
        };
        let request = &request;
        self.retrying(|| async move {
            let connection = self.controller().await?;
            let response = connection.call(request, i16::MAX, None).await?;
            let answer = response.results.into_iter().next().unwrap_or_default();
            answer.error_code.check().map_err(|code| {
                let (api, message) = (ApiKey::CreatePartitions, answer.error_message.as_ref());
                refused(&connection, api, format!("topic {topic}"), code, message)
            })
        })
        .await
    }
}

fn alterable(change: &ConfigChange) -> AlterableConfig {
    match change {
        ConfigChange::Set { name, value } => AlterableConfig {
            name: name.as_str().into(),
            config_operation: SET,
            value: Some(value.as_str().into()),
        },
        ConfigChange::Delete { name } => {
            AlterableConfig { name: name.as_str().into(), config_operation: DELETE, value: None }
        }
    }
}
