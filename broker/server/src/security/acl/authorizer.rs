//! Decides as Kafka's StandardAuthorizer does: super users may all; a matching deny wins over every allow; what no ACL speaks about is
//! denied, or allowed where `allow.everyone.if.no.acl.found` says so.
//!
//! Why nothing is missed: a name is matched by ACLs of that literal name, of the literal `*`, and of prefixes of the name; the first two
//! are looked up, and of the prefixes every length that any prefixed ACL has is tried.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::IpAddr,
};

use super::{Acl, Operation, PatternType, Permission, Resource, ResourceType, WILDCARD};
use crate::security::principal::{Principal, USER};

/// What the settings say about authorization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AuthorizerSettings {
    /// `super.users`.
    pub(crate) super_users: HashSet<Principal>,
    /// `allow.everyone.if.no.acl.found`.
    pub(crate) allow_without_acl: bool,
}

/// The ACLs, laid out for decisions.
#[derive(Debug, Default)]
pub(crate) struct Authorizer {
    settings: AuthorizerSettings,
    by_type: HashMap<ResourceType, Patterns>,
}

#[derive(Debug, Default)]
struct Patterns {
    literal: HashMap<String, Vec<Acl>>,
    prefixed: HashMap<String, Vec<Acl>>,
    prefix_lengths: BTreeSet<usize>,
}

impl Patterns {
    fn matching<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Acl> {
        let literal = [name, WILDCARD].into_iter().filter_map(|name| self.literal.get(name));
        let prefixes = self.prefix_lengths.iter().filter_map(move |length| name.get(..*length));
        literal.chain(prefixes.filter_map(|prefix| self.prefixed.get(prefix))).flatten()
    }

    fn all(&self) -> impl Iterator<Item = &Acl> {
        self.literal.values().chain(self.prefixed.values()).flatten()
    }
}

/// Who asks, as far as ACLs care.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) host: IpAddr,
}

impl Asker<'_> {
    fn is_meant_by(&self, acl: &Acl) -> bool {
        let principal = acl.principal == *self.principal
            || (*acl.principal.kind == *USER && &*acl.principal.name == WILDCARD);
        principal && (acl.host == WILDCARD || acl.host == self.host.to_canonical().to_string())
    }
}

impl Authorizer {
    /// Lays out these ACLs.
    pub(crate) fn new<'a>(settings: AuthorizerSettings, acls: impl Iterator<Item = &'a Acl>) -> Self {
        let mut by_type: HashMap<ResourceType, Patterns> = HashMap::new();
        for acl in acls {
            let patterns = by_type.entry(acl.resource_type).or_default();
            let names = match acl.pattern {
                PatternType::Literal => &mut patterns.literal,
                PatternType::Prefixed => {
                    patterns.prefix_lengths.insert(acl.name.len());
                    &mut patterns.prefixed
                }
            };
            names.entry(acl.name.clone()).or_default().push(acl.clone());
        }
        Self { settings, by_type }
    }

    /// Whether `asker` may do `operation` to `resource`.
    pub(crate) fn allows(&self, asker: Asker<'_>, operation: Operation, resource: Resource<'_>) -> bool {
        if self.settings.super_users.contains(asker.principal) {
            return true;
        }
        let matching = self.by_type.get(&resource.kind).into_iter();
        let (mut spoken_of, mut allowed) = (false, false);
        for acl in matching.flat_map(|patterns| patterns.matching(resource.name)) {
            spoken_of = true;
            if !asker.is_meant_by(acl) {
                continue;
            }
            match acl.permission {
                Permission::Deny if matches!(acl.operation, Operation::All) || acl.operation == operation => {
                    return false;
                }
                Permission::Allow if acl.operation.implies(operation) => allowed = true,
                _ => {}
            }
        }
        allowed || (!spoken_of && self.settings.allow_without_acl)
    }

    /// Whether there is any resource of a type to which `asker` may do `operation`: Kafka's `authorizeByResourceType`.
    pub(crate) fn allows_somewhere(
        &self,
        asker: Asker<'_>,
        operation: Operation,
        kind: ResourceType,
    ) -> bool {
        // A name that nobody uses stands for all those that no ACL speaks about.
        if self.allows(asker, operation, Resource { kind, name: "\u{0}" }) {
            return true;
        }
        let Some(patterns) = self.by_type.get(&kind) else { return false };
        let about = |acl: &&Acl| {
            asker.is_meant_by(acl) && (acl.operation == operation || acl.operation == Operation::All)
        };
        let (denied, allowed): (Vec<&Acl>, Vec<&Acl>) =
            patterns.all().filter(about).partition(|acl| acl.permission == Permission::Deny);
        let is_everything = |acl: &Acl| acl.pattern == PatternType::Literal && acl.name == WILDCARD;
        if denied.iter().any(|acl| is_everything(acl)) {
            return false;
        }
        allowed.into_iter().any(|allow| {
            let covers = |deny: &Acl| match deny.pattern {
                PatternType::Prefixed => allow.name.starts_with(&deny.name),
                PatternType::Literal => allow.pattern == PatternType::Literal && allow.name == deny.name,
            };
            is_everything(allow) || !denied.iter().any(|deny| covers(deny))
        })
    }
}

#[cfg(test)]
mod tests;
