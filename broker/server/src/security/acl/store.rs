//! The ACLs at rest: kept beside the logs, durable before a change is acknowledged, in force at once afterwards.
//!
//! Invariant: what decides ([`AclStore::authorizer`]) is never ahead of what is on disk, and a reader sees all of a change or nothing.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::{Mutex, RwLock};

use super::{
    Acl, Operation, PatternType, Permission, ResourceType,
    authorizer::{Authorizer, AuthorizerSettings},
    filter::Filter,
};
use crate::{Error, security::lines};

const FILE: &str = "acls";
const TITLE: &str = "millrace acls 1";
/// ACLs of one broker; a limit on what requests may make it keep.
pub(crate) const ACLS_MAX: usize = 100_000;

/// The store.
#[derive(Debug)]
pub(crate) struct AclStore {
    path: PathBuf,
    settings: AuthorizerSettings,
    /// Held over a change, from what is there to what is in force.
    acls: Mutex<BTreeSet<Acl>>,
    authorizer: RwLock<Arc<Authorizer>>,
}

impl AclStore {
    /// Reads the ACLs of a log directory.
    pub(crate) fn open(log_directory: &Path, settings: AuthorizerSettings) -> Result<Self, Error> {
        let path = log_directory.join(FILE);
        let lines = lines::read(&path, TITLE)?.unwrap_or_default();
        let acls: Result<BTreeSet<Acl>, String> = lines.iter().map(|fields| parse(fields)).collect();
        let acls = acls.map_err(|reason| Error::DamagedSecurity { path: path.clone(), reason })?;
        let authorizer = RwLock::new(Arc::new(Authorizer::new(settings.clone(), acls.iter())));
        Ok(Self { path, settings, acls: Mutex::new(acls), authorizer })
    }

    /// What is in force.
    pub(crate) fn authorizer(&self) -> Arc<Authorizer> {
        Arc::clone(&self.authorizer.read())
    }

    /// The ACLs that a filter finds, in order.
    pub(crate) fn find(&self, filter: &Filter) -> Vec<Acl> {
        self.acls.lock().iter().filter(|acl| filter.finds(acl)).cloned().collect()
    }

    /// Adds ACLs; blocks until they are on disk. One that is there already stays.
    pub(crate) fn add(&self, added: Vec<Acl>) -> Result<(), Error> {
        let mut acls = self.acls.lock();
        let mut changed = acls.clone();
        changed.extend(added);
        if changed.len() > ACLS_MAX {
            return Err(Error::Config {
                setting: "ACLs".to_owned(),
                reason: format!("there would be {}, at most {ACLS_MAX} are kept", changed.len()),
            });
        }
        self.replace(&mut acls, changed)
    }

    /// Removes what the filters find; blocks until that is on disk. Returns what each filter found.
    pub(crate) fn remove(&self, filters: &[Filter]) -> Result<Vec<Vec<Acl>>, Error> {
        let mut acls = self.acls.lock();
        let found = filters
            .iter()
            .map(|filter| acls.iter().filter(|acl| filter.finds(acl)).cloned().collect::<Vec<Acl>>());
        let found: Vec<Vec<Acl>> = found.collect();
        let removed: BTreeSet<&Acl> = found.iter().flatten().collect();
        let kept = acls.iter().filter(|acl| !removed.contains(acl)).cloned().collect();
        self.replace(&mut acls, kept)?;
        Ok(found)
    }

    fn replace(&self, acls: &mut BTreeSet<Acl>, changed: BTreeSet<Acl>) -> Result<(), Error> {
        if changed != *acls {
            lines::write(&self.path, TITLE, changed.iter().map(fields))?;
            *self.authorizer.write() = Arc::new(Authorizer::new(self.settings.clone(), changed.iter()));
            *acls = changed;
        }
        Ok(())
    }
}

fn fields(acl: &Acl) -> Vec<Cow<'_, str>> {
    vec![
        acl.resource_type.id().to_string().into(),
        acl.name.as_str().into(),
        acl.pattern.id().to_string().into(),
        acl.principal.to_string().into(),
        acl.host.as_str().into(),
        acl.operation.id().to_string().into(),
        acl.permission.id().to_string().into(),
    ]
}

fn parse(fields: &[String]) -> Result<Acl, String> {
    let [resource_type, name, pattern, principal, host, operation, permission] = fields else {
        return Err(format!("a line has {} fields, expected 7", fields.len()));
    };
    let wrong = |what: &str, text: &str| format!("{text:?} is no {what}");
    let number = |what: &str, text: &String| {
        text.parse::<i8>().map_err(|error| format!("{}: {error}", wrong(what, text)))
    };
    Ok(Acl {
        resource_type: ResourceType::of(number("resource type", resource_type)?)
            .ok_or_else(|| wrong("resource type", resource_type))?,
        name: name.clone(),
        pattern: PatternType::of(number("pattern type", pattern)?)
            .ok_or_else(|| wrong("pattern type", pattern))?,
        principal: principal.parse()?,
        host: host.clone(),
        operation: Operation::of(number("operation", operation)?)
            .ok_or_else(|| wrong("operation", operation))?,
        permission: Permission::of(number("permission", permission)?)
            .ok_or_else(|| wrong("permission", permission))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::{
        acl::{Resource, authorizer::Asker, filter::FilterFields},
        principal::Principal,
    };

    fn acl(name: &str) -> Acl {
        Acl {
            resource_type: ResourceType::Topic,
            name: name.to_owned(),
            pattern: PatternType::Literal,
            principal: Principal::user("CN=a,O=b"),
            host: "127.0.0.1".to_owned(),
            operation: Operation::Read,
            permission: Permission::Allow,
        }
    }

    fn everything() -> Filter {
        let any =
            FilterFields { resource_type: 1, pattern: 1, operation: 1, permission: 1, ..Default::default() };
        Filter::of(&any).unwrap()
    }

    #[test]
    fn acls_survive_and_act_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = AclStore::open(folder.path(), AuthorizerSettings::default()).unwrap();
        let alice = Principal::user("CN=a,O=b");
        let asker = Asker { principal: &alice, host: "127.0.0.1".parse().unwrap() };
        let may_read =
            |store: &AclStore| store.authorizer().allows(asker, Operation::Read, Resource::topic("t\n1"));
        assert!(!may_read(&store));
        store.add(vec![acl("t\n1"), acl("other"), acl("t\n1")]).unwrap();
        assert!(may_read(&store));
        drop(store);

        let store = AclStore::open(folder.path(), AuthorizerSettings::default()).unwrap();
        assert!(may_read(&store));
        assert_eq!(store.find(&everything()), [acl("other"), acl("t\n1")]);
        let named = FilterFields {
            name: Some("t\n1"),
            resource_type: 1,
            pattern: 1,
            operation: 1,
            permission: 1,
            ..Default::default()
        };
        let found = store.remove(&[Filter::of(&named).unwrap(), everything()]).unwrap();
        assert_eq!(found, [vec![acl("t\n1")], vec![acl("other"), acl("t\n1")]]);
        assert!(!may_read(&store));
        let store = AclStore::open(folder.path(), AuthorizerSettings::default()).unwrap();
        assert!(store.find(&everything()).is_empty());
    }

    #[test]
    fn a_damaged_file_stops_the_start() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "millrace acls 1\nrubbish\n").unwrap();
        let error = AclStore::open(folder.path(), AuthorizerSettings::default()).unwrap_err();
        assert!(matches!(error, Error::DamagedSecurity { .. }), "{error}");
    }
}
