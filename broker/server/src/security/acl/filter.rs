//! Finds ACLs: the filters of DescribeAcls and DeleteAcls.
//!
//! In a filter, no value means every value; the pattern type MATCH finds all ACLs that speak about a name, whatever their pattern.

use super::{Acl, Operation, PatternType, Permission, ResourceType, WILDCARD};

/// The number that means every value.
const ANY: i8 = 1;
/// The pattern type MATCH.
const MATCH: i8 = 2;

/// A filter, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    resource_type: Option<ResourceType>,
    name: Option<String>,
    pattern: PatternFilter,
    principal: Option<String>,
    host: Option<String>,
    operation: Option<Operation>,
    permission: Option<Permission>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PatternFilter {
    Any,
    Match,
    Only(PatternType),
}

/// A filter as it stands in a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct FilterFields<'a> {
    pub(crate) resource_type: i8,
    pub(crate) name: Option<&'a str>,
    pub(crate) pattern: i8,
    pub(crate) principal: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    pub(crate) operation: i8,
    pub(crate) permission: i8,
}

impl Filter {
    /// Checks a filter.
    ///
    /// # Errors
    /// A number that is none of Kafka's, by field.
    pub(crate) fn of(fields: &FilterFields<'_>) -> Result<Self, String> {
        fn any_or<T>(id: i8, found: Option<T>, what: &str) -> Result<Option<T>, String> {
            match found {
                _ if id == ANY => Ok(None),
                Some(value) => Ok(Some(value)),
                None => Err(format!("The AclBindingFilter must not contain UNKNOWN elements: {what} {id}")),
            }
        }
        let pattern = match fields.pattern {
            MATCH => PatternFilter::Match,
            id => any_or(id, PatternType::of(id), "pattern type")?
                .map_or(PatternFilter::Any, PatternFilter::Only),
        };
        Ok(Self {
            resource_type: any_or(
                fields.resource_type,
                ResourceType::of(fields.resource_type),
                "resource type",
            )?,
            name: fields.name.map(str::to_owned),
            pattern,
            principal: fields.principal.map(str::to_owned),
            host: fields.host.map(str::to_owned),
            operation: any_or(fields.operation, Operation::of(fields.operation), "operation")?,
            permission: any_or(fields.permission, Permission::of(fields.permission), "permission type")?,
        })
    }

    /// Whether it finds this ACL.
    pub(crate) fn finds(&self, acl: &Acl) -> bool {
        self.resource_type.is_none_or(|wanted| wanted == acl.resource_type)
            && self.finds_name(acl)
            && self.principal.as_ref().is_none_or(|wanted| *wanted == acl.principal.to_string())
            && self.host.as_ref().is_none_or(|wanted| *wanted == acl.host)
            && self.operation.is_none_or(|wanted| wanted == acl.operation)
            && self.permission.is_none_or(|wanted| wanted == acl.permission)
    }

    fn finds_name(&self, acl: &Acl) -> bool {
        let name = self.name.as_ref();
        match self.pattern {
            PatternFilter::Only(pattern) => {
                pattern == acl.pattern && name.is_none_or(|name| *name == acl.name)
            }
            PatternFilter::Any => name.is_none_or(|name| *name == acl.name),
            PatternFilter::Match => name.is_none_or(|name| match acl.pattern {
                PatternType::Literal => *name == acl.name || acl.name == WILDCARD,
                PatternType::Prefixed => name.starts_with(&acl.name),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::principal::Principal;

    fn acl(name: &str, pattern: PatternType) -> Acl {
        Acl {
            resource_type: ResourceType::Topic,
            name: name.to_owned(),
            pattern,
            principal: Principal::user("alice"),
            host: "*".to_owned(),
            operation: Operation::Read,
            permission: Permission::Allow,
        }
    }

    #[test]
    fn patterns_are_found_as_they_are_meant() {
        let filter = |name, pattern| {
            let fields = FilterFields {
                resource_type: ANY,
                name,
                pattern,
                operation: ANY,
                permission: ANY,
                ..FilterFields::default()
            };
            Filter::of(&fields).unwrap()
        };
        let (exact, all, prefix) = (
            acl("abc", PatternType::Literal),
            acl("*", PatternType::Literal),
            acl("ab", PatternType::Prefixed),
        );
        let found = |filter: &Filter| [&exact, &all, &prefix].map(|acl| filter.finds(acl));
        assert_eq!(found(&filter(None, ANY)), [true, true, true]);
        assert_eq!(found(&filter(Some("abc"), ANY)), [true, false, false]);
        assert_eq!(found(&filter(Some("abc"), MATCH)), [true, true, true]);
        assert_eq!(found(&filter(Some("abd"), MATCH)), [false, true, true]);
        assert_eq!(found(&filter(Some("ab"), PatternType::Literal.id())), [false, false, false]);
        assert_eq!(found(&filter(Some("ab"), PatternType::Prefixed.id())), [false, false, true]);
        assert_eq!(found(&filter(None, PatternType::Literal.id())), [true, true, false]);
    }

    #[test]
    fn each_field_narrows_and_unknown_numbers_are_refused() {
        let acl = acl("abc", PatternType::Literal);
        let whole = FilterFields {
            resource_type: 2,
            name: Some("abc"),
            pattern: 3,
            principal: Some("User:alice"),
            host: Some("*"),
            operation: 3,
            permission: 3,
        };
        let finds = |fields: FilterFields<'_>| Filter::of(&fields).unwrap().finds(&acl);
        assert!(finds(whole.clone()));
        assert!(!finds(FilterFields { resource_type: 3, ..whole.clone() }));
        assert!(!finds(FilterFields { name: Some("x"), ..whole.clone() }));
        assert!(!finds(FilterFields { pattern: 4, ..whole.clone() }));
        assert!(!finds(FilterFields { principal: Some("User:bob"), ..whole.clone() }));
        assert!(!finds(FilterFields { host: Some("1.2.3.4"), ..whole.clone() }));
        assert!(!finds(FilterFields { operation: 4, ..whole.clone() }));
        assert!(!finds(FilterFields { permission: 2, ..whole.clone() }));
        for unknown in [
            FilterFields { resource_type: 0, ..whole.clone() },
            FilterFields { pattern: 0, ..whole.clone() },
            FilterFields { operation: 99, ..whole.clone() },
            FilterFields { permission: -1, ..whole.clone() },
        ] {
            assert!(Filter::of(&unknown).is_err(), "{unknown:?}");
        }
    }
}
