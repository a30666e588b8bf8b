//! DescribeAcls (key 29): asks which ACLs there are.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 1..=3, flexible 2;
    /// The request: asks which ACLs there are. Types, operations and permissions are numbers as in Kafka's ACL enums.
    pub struct DescribeAclsRequest {
        resource_type_filter: i8;
        resource_name_filter: Option<Text>;
        pattern_type_filter: i8 = 3 => 1..;
        principal_filter: Option<Text>;
        host_filter: Option<Text>;
        operation: i8;
        permission_type: i8;
    }
}

message! { 1..=3, flexible 2;
    /// Answers [`DescribeAclsRequest`].
    pub struct DescribeAclsResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode;
        error_message: Option<Text>;
        resources: Vec<DescribeAclsResource>;
    }
    /// One of `resources` of [`DescribeAclsResponse`].
    pub struct DescribeAclsResource {
        resource_type: i8;
        resource_name: Text;
        pattern_type: i8 = 3 => 1..;
        acls: Vec<AclDescription>;
    }
    /// One of `acls` of [`DescribeAclsResource`].
    pub struct AclDescription {
        principal: Text;
        host: Text;
        operation: i8;
        permission_type: i8;
    }
}
