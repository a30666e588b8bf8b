//! CreateAcls (key 30): adds ACLs.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 1..=3, flexible 2;
    /// The request: adds ACLs.
    pub struct CreateAclsRequest {
        creations: Vec<AclCreation>;
    }
    /// One of `creations` of [`CreateAclsRequest`].
    pub struct AclCreation {
        resource_type: i8;
        resource_name: Text;
        resource_pattern_type: i8 = 3 => 1..;
        principal: Text;
        host: Text;
        operation: i8;
        permission_type: i8;
    }
}

message! { 1..=3, flexible 2;
    /// Answers [`CreateAclsRequest`].
    pub struct CreateAclsResponse {
        throttle_time_ms: i32;
        results: Vec<AclCreationResult>;
    }
    /// One of `results` of [`CreateAclsResponse`], in the order of the request.
    pub struct AclCreationResult {
        error_code: ErrorCode;
        error_message: Option<Text>;
    }
}
