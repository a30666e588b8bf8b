//! Who may do what? ACLs with Kafka's meaning and Kafka's numbers.
//!
//! This file has the words, `authorizer` decides, `filter` finds, `store` keeps. All but `store` is pure.

pub(crate) mod authorizer;
pub(crate) mod filter;
pub(crate) mod store;

use crate::security::principal::Principal;

/// Stands for every name, user or host.
pub(crate) const WILDCARD: &str = "*";
/// The name of the one cluster resource.
pub(crate) const CLUSTER_NAME: &str = "kafka-cluster";

/// Declares an enum whose variants have numbers in the protocol.
macro_rules! numbered {
    ($(#[$attribute:meta])* $name:ident { $($(#[$documentation:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum $name { $($(#[$documentation])* $variant,)* }

        impl $name {
            /// The number in the protocol.
            pub(crate) const fn id(self) -> i8 {
                match self { $(Self::$variant => $number,)* }
            }

            /// Which one has this number.
            pub(crate) const fn of(id: i8) -> Option<Self> {
                match id {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

numbered! {
    /// What an ACL may be about.
    ResourceType {
        Topic = 2,
        Group = 3,
        Cluster = 4,
        TransactionalId = 5,
        DelegationToken = 6,
        User = 7,
    }
}

numbered! {
    /// How an ACL's name is meant.
    PatternType {
        /// The name itself, or `*` for every name.
        Literal = 3,
        /// The beginning of names.
        Prefixed = 4,
    }
}

numbered! {
    /// What is done.
    Operation {
        All = 2,
        Read = 3,
        Write = 4,
        Create = 5,
        Delete = 6,
        Alter = 7,
        Describe = 8,
        ClusterAction = 9,
        DescribeConfigs = 10,
        AlterConfigs = 11,
        IdempotentWrite = 12,
        CreateTokens = 13,
        DescribeTokens = 14,
        TwoPhaseCommit = 15,
    }
}

numbered! {
    /// Whether it may be done.
    Permission {
        Deny = 2,
        Allow = 3,
    }
}

impl ResourceType {
    /// Operations that make sense for it, for `authorized_operations`.
    pub(crate) const fn operations(self) -> &'static [Operation] {
        use Operation::*;
        match self {
            Self::Topic => &[Read, Write, Create, Describe, Delete, Alter, DescribeConfigs, AlterConfigs],
            Self::Group => &[Read, Describe, Delete, DescribeConfigs, AlterConfigs],
            Self::Cluster => {
                &[Create, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, Alter, Describe]
            }
            Self::TransactionalId => &[Describe, Write, TwoPhaseCommit],
            Self::DelegationToken => &[Describe],
            Self::User => &[CreateTokens, DescribeTokens],
        }
    }
}

impl Operation {
    /// Whether being allowed `self` allows `wanted` as well.
    pub(crate) fn implies(self, wanted: Self) -> bool {
        self == Self::All
            || self == wanted
            || match wanted {
                Self::Describe => matches!(self, Self::Read | Self::Write | Self::Delete | Self::Alter),
                Self::DescribeConfigs => self == Self::AlterConfigs,
                _ => false,
            }
    }
}

/// What a request touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resource<'a> {
    pub(crate) kind: ResourceType,
    pub(crate) name: &'a str,
}

impl<'a> Resource<'a> {
    pub(crate) const fn topic(name: &'a str) -> Self {
        Self { kind: ResourceType::Topic, name }
    }

    pub(crate) const fn group(name: &'a str) -> Self {
        Self { kind: ResourceType::Group, name }
    }

    pub(crate) const fn transactional_id(name: &'a str) -> Self {
        Self { kind: ResourceType::TransactionalId, name }
    }

    pub(crate) const CLUSTER: Resource<'static> =
        Resource { kind: ResourceType::Cluster, name: CLUSTER_NAME };
}

/// One ACL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Acl {
    pub(crate) resource_type: ResourceType,
    pub(crate) name: String,
    pub(crate) pattern: PatternType,
    pub(crate) principal: Principal,
    pub(crate) host: String,
    pub(crate) operation: Operation,
    pub(crate) permission: Permission,
}
