//! What each caller of REST may do: roles, over all connectors or over those whose names begin alike.
//!
//! Parsed from `rest.role.<name>`, asked for every request; pure. Invariant: what no grant allows is refused, and a grant for
//! some connectors allows nothing that concerns all of them.

use std::collections::BTreeMap;

use configs::{ConfigError, ConfigErrors, Props};

/// The prefix of the options that give roles.
pub(crate) const ROLE_PREFIX: &str = "rest.role.";

/// The name under which requests without credentials get their role.
const ANONYMOUS: &str = "ANONYMOUS";

/// The name under which everyone else who logged in gets their role.
const OTHERS: &str = "*";

/// What a caller may do. Each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Viewer,
    /// Pause, resume, stop and restart, too.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// Its name in the settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Admin]
            .into_iter()
            .find(|role| role.name().eq_ignore_ascii_case(name))
    }
}

/// What a request touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Nothing that belongs to a connector: a role over any connector will do.
    Worker,
    /// One connector.
    Connector(&'a str),
    /// All connectors, or the worker itself: needs a role over all of them.
    Everything,
}

/// A role over the connectors whose names begin with a prefix; an empty one is all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    role: Role,
    prefix: String,
}

/// Everything that one caller may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

impl Grants {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![Grant { role: Role::Admin, prefix: String::new() }])
    }

    /// Whether a role's work is allowed on this.
    #[must_use]
    pub fn allow(&self, role: Role, scope: Scope<'_>) -> bool {
        self.0.iter().filter(|grant| grant.role >= role).any(|grant| match scope {
            Scope::Worker => true,
            Scope::Connector(name) => name.starts_with(&grant.prefix),
            Scope::Everything => grant.prefix.is_empty(),
        })
    }

    /// Reads `operator:shop-, viewer`: roles, each with the beginning of connectors' names or over all.
    fn parse(text: &str) -> Result<Self, String> {
        let grants = text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| {
            let (role, prefix) = part.split_once(':').unwrap_or((part, ""));
            let role = Role::of_name(role.trim()).ok_or_else(|| {
                format!("unknown role {role:?}: expected viewer, operator or admin, each with or without \":\" and the beginning of connectors' names")
            })?;
            let prefix = prefix.trim();
            Ok(Grant { role, prefix: prefix.strip_suffix('*').unwrap_or(prefix).to_owned() })
        });
        let grants: Vec<Grant> = grants.collect::<Result<_, String>>()?;
        if grants.is_empty() {
            Err("expected viewer, operator or admin".to_owned())
        } else {
            Ok(Self(grants))
        }
    }
}

/// The grants of all callers.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    by_name: BTreeMap<String, Grants>,
}

impl Roles {
    /// Reads the options with the prefix `rest.role.`.
    pub(super) fn of(props: &Props, errors: &mut ConfigErrors) -> Self {
        let mut by_name = BTreeMap::new();
        for (option, text) in props {
            let Some(name) = option.strip_prefix(ROLE_PREFIX) else { continue };
            match Grants::parse(text) {
                Ok(grants) => drop(by_name.insert(name.to_owned(), grants)),
                Err(reason) => errors.push(ConfigError::invalid(option, text, reason)),
            }
        }
        Self { by_name }
    }

    /// Whether any role was given.
    #[must_use]
    pub fn are_said(&self) -> bool {
        !self.by_name.is_empty()
    }

    /// What somebody who logged in may do: everything, unless roles were given.
    #[must_use]
    pub fn of_name(&self, name: &str) -> Grants {
        if !self.are_said() {
            return Grants::all();
        }
        let own = self.by_name.get(name).filter(|_| name != ANONYMOUS && name != OTHERS);
        own.or_else(|| self.by_name.get(OTHERS)).cloned().unwrap_or_default()
    }

    /// What requests without credentials may do, if they may do anything.
    #[must_use]
    pub fn of_anonymous(&self) -> Option<&Grants> {
        self.by_name.get(ANONYMOUS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(said: &[(&str, &str)]) -> Result<Roles, ConfigErrors> {
        let props =
            said.iter().map(|(name, text)| (format!("rest.role.{name}"), (*text).to_owned())).collect();
        let mut errors = ConfigErrors::new();
        let roles = Roles::of(&props, &mut errors);
        errors.into_result(roles)
    }

    #[test]
    fn a_grant_reaches_as_far_as_its_prefix() {
        let roles = roles(&[("ops", "operator:shop-*, viewer"), ("*", "viewer:demo-")]).unwrap();
        let ops = roles.of_name("ops");
        let shop = Scope::Connector("shop-1");
        assert!(ops.allow(Role::Operator, shop) && ops.allow(Role::Viewer, Scope::Everything));
        assert!(!ops.allow(Role::Admin, shop) && !ops.allow(Role::Operator, Scope::Connector("shop")));
        assert!(!ops.allow(Role::Operator, Scope::Everything), "some connectors are not all");
        let other = roles.of_name("somebody");
        assert!(
            other.allow(Role::Viewer, Scope::Connector("demo-x")) && other.allow(Role::Viewer, Scope::Worker)
        );
        assert!(!other.allow(Role::Viewer, shop) && !other.allow(Role::Viewer, Scope::Everything));
        assert_eq!(roles.of_anonymous(), None);
    }

    #[test]
    fn without_roles_everyone_who_logged_in_is_an_admin_and_with_roles_nobody_unnamed_is_anything() {
        assert!(Roles::default().of_name("a").allow(Role::Admin, Scope::Everything));
        let roles = roles(&[("ANONYMOUS", "admin")]).unwrap();
        assert!(!roles.of_name("a").allow(Role::Viewer, Scope::Worker));
        assert!(!roles.of_name("ANONYMOUS").allow(Role::Viewer, Scope::Worker), "a name is no way around");
    }

    #[test]
    fn mistakes_are_named() {
        for text in ["", "root", "viewer, :a", "admin;viewer"] {
            assert!(roles(&[("a", text)]).unwrap_err().to_string().contains("rest.role.a"), "{text}");
        }
    }
}
