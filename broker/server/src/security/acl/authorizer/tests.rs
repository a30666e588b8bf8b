//! The decision table of Kafka's StandardAuthorizer.

use super::*;

const HOST: &str = "10.0.0.1";

/// `allow|deny principal operation literal|prefix name [host]`, on topics.
fn acl(text: &str) -> Acl {
    let words: Vec<&str> = text.split(' ').collect();
    Acl {
        resource_type: ResourceType::Topic,
        permission: if words[0] == "allow" { Permission::Allow } else { Permission::Deny },
        principal: Principal::user(words[1]),
        operation: operation(words[2]),
        pattern: if words[3] == "literal" { PatternType::Literal } else { PatternType::Prefixed },
        name: words[4].to_owned(),
        host: words.get(5).unwrap_or(&"*").to_string(),
    }
}

fn operation(name: &str) -> Operation {
    let all = (2..=15).filter_map(Operation::of);
    let found = all.into_iter().find(|operation| format!("{operation:?}").eq_ignore_ascii_case(name));
    found.unwrap()
}

fn authorizer(acls: &[&str], allow_without_acl: bool) -> Authorizer {
    let super_users = HashSet::from([Principal::user("root")]);
    let acls: Vec<Acl> = acls.iter().map(|text| acl(text)).collect();
    Authorizer::new(AuthorizerSettings { super_users, allow_without_acl }, acls.iter())
}

fn allows(authorizer: &Authorizer, user: &str, wanted: &str, topic: &str) -> bool {
    let principal = Principal::user(user);
    let asker = Asker { principal: &principal, host: HOST.parse().unwrap() };
    authorizer.allows(asker, operation(wanted), Resource::topic(topic))
}

#[test]
fn the_decision_table_holds() {
    // ACLs; user, operation, topic; allowed?
    let table: &[(&[&str], &str, &str, &str, bool)] = &[
        (&[], "alice", "read", "t", false),
        (&[], "root", "read", "t", true),
        (&["deny root all literal t"], "root", "read", "t", true),
        (&["allow alice read literal t"], "alice", "read", "t", true),
        (&["allow alice read literal t"], "bob", "read", "t", false),
        (&["allow alice read literal t"], "alice", "write", "t", false),
        (&["allow alice read literal t"], "alice", "read", "t2", false),
        (&["allow alice read literal *"], "alice", "read", "t2", true),
        (&["allow * read literal t"], "bob", "read", "t", true),
        (&["allow alice read prefix te"], "alice", "read", "test", true),
        (&["allow alice read prefix te"], "alice", "read", "te", true),
        (&["allow alice read prefix te"], "alice", "read", "t", false),
        (&["allow alice read prefix é"], "alice", "read", "ée", true),
        (&["allow alice read prefix é"], "alice", "read", "aé", false),
        (&["allow alice all literal t"], "alice", "delete", "t", true),
        (&["allow alice all literal t", "deny alice read literal t"], "alice", "read", "t", false),
        (&["allow alice all literal t", "deny alice read literal t"], "alice", "write", "t", true),
        (&["allow alice all literal t", "deny * read literal *"], "alice", "read", "t", false),
        (&["allow alice all literal t", "deny alice all prefix t"], "alice", "write", "t", false),
        (&["allow alice all literal t", "deny bob all literal t"], "alice", "write", "t", true),
        // What one permission implies.
        (&["allow alice read literal t"], "alice", "describe", "t", true),
        (&["allow alice write literal t"], "alice", "describe", "t", true),
        (&["allow alice delete literal t"], "alice", "describe", "t", true),
        (&["allow alice alter literal t"], "alice", "describe", "t", true),
        (&["allow alice create literal t"], "alice", "describe", "t", false),
        (&["allow alice alterconfigs literal t"], "alice", "describe", "t", false),
        (&["allow alice alterconfigs literal t"], "alice", "describeconfigs", "t", true),
        (&["allow alice describe literal t"], "alice", "read", "t", false),
        (&["allow alice read literal t", "deny alice describe literal t"], "alice", "describe", "t", false),
        (&["allow alice describe literal t", "deny alice read literal t"], "alice", "describe", "t", true),
        // Hosts.
        (&["allow alice read literal t 10.0.0.1"], "alice", "read", "t", true),
        (&["allow alice read literal t 10.0.0.2"], "alice", "read", "t", false),
        (&["allow alice read literal t", "deny alice read literal t 10.0.0.1"], "alice", "read", "t", false),
        (&["allow alice read literal t", "deny alice read literal t 10.0.0.2"], "alice", "read", "t", true),
    ];
    for (acls, user, wanted, topic, expected) in table {
        let found = allows(&authorizer(acls, false), user, wanted, topic);
        assert_eq!(found, *expected, "{acls:?}: {user} {wanted} {topic}");
    }
}

#[test]
fn everyone_is_allowed_what_no_acl_speaks_about_if_the_settings_say_so() {
    let open = authorizer(&["allow bob read literal t", "deny alice write prefix de"], true);
    assert!(allows(&open, "alice", "read", "other"));
    assert!(!allows(&open, "alice", "read", "t"), "an ACL speaks about it");
    assert!(!allows(&open, "bob", "read", "dev"));
}

#[test]
fn other_kinds_of_principals_and_resources_do_not_match() {
    let mut group = acl("allow alice read literal t");
    group.resource_type = ResourceType::Group;
    let mut role = acl("allow * read literal t");
    role.principal = "Role:*".parse().unwrap();
    let acls = [group, role];
    let authorizer = Authorizer::new(AuthorizerSettings::default(), acls.iter());
    assert!(!allows(&authorizer, "alice", "read", "t"));
}

#[test]
fn a_mapped_address_is_the_address() {
    let authorizer = authorizer(&["allow alice read literal t 10.0.0.1"], false);
    let principal = Principal::user("alice");
    let asker = Asker { principal: &principal, host: "::ffff:10.0.0.1".parse().unwrap() };
    assert!(authorizer.allows(asker, Operation::Read, Resource::topic("t")));
}

#[test]
fn allowed_somewhere_needs_an_allow_that_no_deny_covers() {
    let table: &[(&[&str], bool)] = &[
        (&[], false),
        (&["allow alice write literal t"], true),
        (&["allow alice read literal t"], false),
        (&["allow alice all prefix t"], true),
        (&["allow alice write literal *"], true),
        (&["allow bob write literal t"], false),
        (&["allow alice write literal t 10.0.0.2"], false),
        (&["allow alice write literal t", "deny alice write literal t"], false),
        (&["allow alice write literal t", "deny alice all prefix t"], false),
        (&["allow alice write prefix te", "deny alice write prefix t"], false),
        (&["allow alice write prefix t", "deny alice write prefix te"], true),
        (&["allow alice write prefix t", "deny alice write literal t"], true),
        (&["allow alice write literal *", "deny alice write prefix t"], true),
        (&["allow alice write literal *", "deny alice write literal *"], false),
    ];
    for (acls, expected) in table {
        let principal = Principal::user("alice");
        let asker = Asker { principal: &principal, host: HOST.parse().unwrap() };
        let found = authorizer(acls, false).allows_somewhere(asker, Operation::Write, ResourceType::Topic);
        assert_eq!(found, *expected, "{acls:?}");
    }
}
