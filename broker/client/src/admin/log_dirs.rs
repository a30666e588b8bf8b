//! How much room partitions take on the brokers' disks.

use std::collections::HashMap;

use broker_protocol::ApiKey;
use broker_protocol::messages::describe_log_dirs::{DescribableLogDirTopic, DescribeLogDirsRequest};

use super::refused;
use crate::client::Client;
use crate::error::Result;
use crate::net::connection::Connection;

impl Client {
    /// Bytes of each partition of a topic, as its largest replica has them. Brokers that do not tell are left out.
    pub async fn partition_bytes(&self, topic: &str, partitions: &[i32]) -> Result<HashMap<i32, i64>> {
        let asked = DescribableLogDirTopic { topic: topic.into(), partitions: partitions.to_vec() };
        let request = DescribeLogDirsRequest { topics: Some(vec![asked]) };
        let request = &request;
        self.retrying(|| async move {
            self.refresh(Some(&[]), false).await?;
            let metadata = self.metadata();
            let mut sizes: HashMap<i32, i64> = HashMap::new();
            for address in metadata.brokers.keys().filter_map(|id| metadata.address(*id)) {
                let connection = self.at(&address).await?;
                if !connection.versions().offers(ApiKey::DescribeLogDirs) {
                    continue;
                }
                for (partition, bytes) in sizes_at(&connection, request, topic).await? {
                    let known = sizes.entry(partition).or_default();
                    *known = bytes.max(*known);
                }
            }
            Ok(sizes)
        })
        .await
    }
}

/// What one broker has; a future replica that is being copied between directories does not count.
async fn sizes_at(
    connection: &Connection,
    request: &DescribeLogDirsRequest,
    topic: &str,
) -> Result<Vec<(i32, i64)>> {
    let response = connection.call(request, i16::MAX, None).await?;
    response
        .error_code
        .check()
        .map_err(|code| refused(connection, ApiKey::DescribeLogDirs, format!("topic {topic}"), code, None))?;
    let topics = response.results.into_iter().flat_map(|directory| directory.topics);
    let partitions = topics.filter(|it| it.name == topic).flat_map(|it| it.partitions);
    Ok(partitions.filter(|it| !it.is_future_key).map(|it| (it.partition_index, it.partition_size)).collect())
}
