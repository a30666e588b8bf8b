//! DeleteAcls (key 31): removes the ACLs that filters find.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 1..=3, flexible 2;
    /// The request: removes the ACLs that filters find.
    pub struct DeleteAclsRequest {
        filters: Vec<DeleteAclsFilter>;
    }
    /// One of `filters` of [`DeleteAclsRequest`].
    pub struct DeleteAclsFilter {
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
    /// Answers [`DeleteAclsRequest`].
    pub struct DeleteAclsResponse {
        throttle_time_ms: i32;
        filter_results: Vec<DeleteAclsFilterResult>;
    }
    /// One of `filter_results` of [`DeleteAclsResponse`], in the order of the request.
    pub struct DeleteAclsFilterResult {
        error_code: ErrorCode;
        error_message: Option<Text>;
        matching_acls: Vec<DeleteAclsMatchingAcl>;
    }
    /// One of `matching_acls` of [`DeleteAclsFilterResult`].
    pub struct DeleteAclsMatchingAcl {
        error_code: ErrorCode;
        error_message: Option<Text>;
        resource_type: i8;
        resource_name: Text;
        pattern_type: i8 = 3 => 1..;
        principal: Text;
        host: Text;
        operation: i8;
        permission_type: i8;
    }
}
