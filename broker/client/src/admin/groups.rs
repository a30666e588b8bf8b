//! Groups: which there are, who is in them, and how to be rid of one.

use std::collections::HashMap;

use broker_protocol::ApiKey;
use broker_protocol::messages::delete_groups::DeleteGroupsRequest;
use broker_protocol::messages::describe_groups::{DescribeGroupsRequest, DescribedGroup};
use broker_protocol::messages::list_groups::ListGroupsRequest;

use super::refused;
use crate::client::Client;
use crate::error::Result;
use crate::net::connection::Connection;
use crate::types::{GroupDescription, GroupListing, GroupMember};

/// From version 6 on an unknown group is an error and not `Dead`.
const DESCRIBE_VERSION_MAX: i16 = 5;

impl Client {
    /// The groups of all brokers.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>> {
        self.retrying(|| async move {
            self.refresh(Some(&[]), false).await?;
            let metadata = self.metadata();
            let mut groups = Vec::new();
            for address in metadata.brokers.keys().filter_map(|id| metadata.address(*id)) {
                let connection = self.at(&address).await?;
                let response = connection.call(&ListGroupsRequest::default(), i16::MAX, None).await?;
                let code = response.error_code;
                code.check()
                    .map_err(|code| refused(&connection, ApiKey::ListGroups, "all groups", code, None))?;
                groups.extend(response.groups.into_iter().map(|group| GroupListing {
                    group: group.group_id.to_string(),
                    protocol_type: group.protocol_type.to_string(),
                    state: group.group_state.to_string(),
                }));
            }
            Ok(groups)
        })
        .await
    }

    /// The groups of all brokers with their members, which classic groups tell: of groups of another kind the list is all there is.
    pub async fn describe_groups(&self) -> Result<Vec<GroupDescription>> {
        self.retrying(|| async move {
            self.refresh(Some(&[]), false).await?;
            let metadata = self.metadata();
            let mut groups = Vec::new();
            for address in metadata.brokers.keys().filter_map(|id| metadata.address(*id)) {
                groups.extend(groups_at(&*self.at(&address).await?).await?);
            }
            groups.sort_by(|one: &GroupDescription, other| one.group.cmp(&other.group));
            Ok(groups)
        })
        .await
    }

    /// One group. A group that nobody knows is described as `Dead`, as Kafka does.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription> {
        let request = DescribeGroupsRequest { groups: vec![group.into()], ..Default::default() };
        let request = &request;
        self.retrying(|| async move {
            let connection = self.at(&self.coordinator(group).await?).await?;
            let response = connection.call(request, DESCRIBE_VERSION_MAX, None).await?;
            let described = response.groups.into_iter().next().unwrap_or_default();
            described.error_code.check().map_err(|code| {
                refused(&connection, ApiKey::DescribeGroups, format!("group {group}"), code, None)
            })?;
            Ok(description(described))
        })
        .await
    }

    /// Deletes a group without members, and its offsets.
    pub async fn delete_group(&self, group: &str) -> Result<()> {
        let request = DeleteGroupsRequest { groups_names: vec![group.into()] };
        let request = &request;
        self.retrying(|| async move {
            let connection = self.at(&self.coordinator(group).await?).await?;
            let response = connection.call(request, i16::MAX, None).await?;
            let code = response.results.first().map(|result| result.error_code).unwrap_or_default();
            code.check().map_err(|code| {
                refused(&connection, ApiKey::DeleteGroups, format!("group {group}"), code, None)
            })
        })
        .await
    }
}

/// The groups of one broker: the list says which, a second request who is in them.
async fn groups_at(connection: &Connection) -> Result<Vec<GroupDescription>> {
    let listed = connection.call(&ListGroupsRequest::default(), i16::MAX, None).await?;
    listed
        .error_code
        .check()
        .map_err(|code| refused(connection, ApiKey::ListGroups, "all groups", code, None))?;
    let names = listed.groups.iter().map(|group| group.group_id.clone()).collect();
    let request = DescribeGroupsRequest { groups: names, ..Default::default() };
    let response = connection.call(&request, DESCRIBE_VERSION_MAX, None).await?;
    let mut described: HashMap<_, _> =
        response.groups.into_iter().map(|group| (group.group_id.clone(), group)).collect();
    let groups = listed.groups.into_iter().map(|listed| {
        let found = described.remove(&listed.group_id);
        match found.filter(|found| found.error_code.is_ok() && found.group_state != "Dead") {
            Some(found) => description(found),
            None => GroupDescription {
                group: listed.group_id.to_string(),
                state: listed.group_state.to_string(),
                protocol_type: listed.protocol_type.to_string(),
                protocol: String::new(),
                members: Vec::new(),
            },
        }
    });
    Ok(groups.collect())
}

fn description(group: DescribedGroup) -> GroupDescription {
    let members = group.members.into_iter().map(|member| GroupMember {
        member_id: member.member_id.to_string(),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: member.member_assignment,
    });
    GroupDescription {
        group: group.group_id.to_string(),
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        protocol: group.protocol_data.to_string(),
        members: members.collect(),
    }
}
