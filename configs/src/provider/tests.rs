//! References are found as Kafka finds them, resolved only where allowed, and never printed.

use super::*;
use crate::config;

config! {
    /// An option that is a number, given by a secret.
    #[allow(dead_code, reason = "only its errors are looked at")]
    struct Target {
        /// A number.
        port: i32 = required("port");
        /// A text.
        greeting: String = default("greeting", "").check(matches("x*"));
    }
}

fn props(said: &[(&str, &str)]) -> Props {
    said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn found(text: &str) -> Option<(&str, &str, &str)> {
    Reference::find(text).map(|reference| (reference.provider, reference.path, reference.key))
}

/// A directory with `a.properties` (`secret=CANARY-7`, `port=CANARY-8`) and a file `name` beside it.
fn secrets() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().canonicalize().expect("real").display().to_string();
    std::fs::write(format!("{path}/a.properties"), "secret=CANARY-7\nport=CANARY-8\n").expect("written");
    std::fs::write(format!("{path}/name"), "CANARY-9").expect("written");
    (directory, path)
}

fn providers(said: &[(&str, &str)]) -> Providers {
    Providers::from_worker(&props(said)).expect("valid providers")
}

fn refusal(providers: &Providers, text: &str) -> String {
    providers.resolve(&props(&[("x", text)])).expect_err("must be refused").to_string()
}

#[test]
fn references_are_found_as_kafkas_pattern_finds_them() {
    assert_eq!(found("a${file:/p:k}b"), Some(("file", "/p", "k")));
    assert_eq!(found("${env:X}"), Some(("env", "", "X")));
    assert_eq!(found("${file:/p:a:b}"), Some(("file", "/p", "a:b")));
    assert_eq!(found("${topic}-${env:X}"), Some(("env", "", "X")));
    assert_eq!(found("${a${env:X}"), Some(("a${env", "", "X")));
    for none in ["", "${}", "${topic}-${timestamp}", "${env:X", "$env:X}", "{env:X}"] {
        assert_eq!(found(none), None, "{none}");
    }
}

#[test]
fn several_references_in_one_value() {
    let (_directory, path) = secrets();
    let providers = providers(&[
        ("config.providers", "file, dir"),
        ("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider"),
        ("config.providers.dir.class", "DirectoryConfigProvider"),
        ("config.providers.dir.param.allowed.paths", &path),
    ]);
    let said = props(&[
        ("x", &format!("<${{file:{path}/a.properties:secret}}|${{dir:{path}:name}}|${{topic}}>")),
        ("y", "z"),
    ]);
    let resolved = providers.resolve(&said).expect("resolved");
    assert_eq!(resolved.props, props(&[("x", "<CANARY-7|CANARY-9|${topic}>"), ("y", "z")]));
    assert_eq!(resolved.secrets.mask("failed with CANARY-7"), "failed with [hidden]");
    assert!(resolved.secrets.is_resolved("x") && !resolved.secrets.is_resolved("y"));
    assert!(!format!("{:?}", resolved.secrets).contains("CANARY"));
}

#[test]
fn a_resolved_secret_is_in_no_error() {
    let (_directory, path) = secrets();
    let providers = providers(&[("config.providers", "file")]);
    let reference = |key: &str| format!("${{file:{path}/a.properties:{key}}}");
    let said =
        props(&[("port", &reference("port")), ("greeting", &format!("hello {}", reference("secret")))]);
    let resolved = providers.resolve(&said).expect("resolved");
    let errors =
        Target::parse(&resolved.props).expect_err("not a number").mask(&resolved.secrets).to_string();
    assert!(
        errors.contains("Invalid value [hidden] for configuration port: Not a number of type INT"),
        "{errors}"
    );
    assert!(!errors.contains("CANARY"), "{errors}");
}

#[test]
fn nothing_is_resolved_unless_the_worker_allows_the_provider() {
    let none = providers(&[]);
    assert!(refusal(&none, "${env:HOME}").contains("add it to config.providers"));
    let left = none.resolve(&props(&[("x", "${other:y}")])).expect("not ours");
    assert_eq!(left.props, props(&[("x", "${other:y}")]));
    assert_eq!(
        left.warnings,
        ["${other:y} in configuration x is left as it is: there is no config provider \"other\""]
    );
}

#[test]
fn allowed_paths_hold_after_links_and_dots() {
    let (_directory, path) = secrets();
    let outside = tempfile::tempdir().expect("a directory");
    let secret = outside.path().join("outside.properties");
    std::fs::write(&secret, "k=CANARY-10").expect("written");
    std::os::unix::fs::symlink(&secret, format!("{path}/link.properties")).expect("linked");
    let providers =
        providers(&[("config.providers", "file"), ("config.providers.file.param.allowed.paths", &path)]);
    let outside = outside.path().display().to_string();
    let tried = [
        format!("{path}/link.properties"),
        format!("{outside}/outside.properties"),
        format!("{path}/../outside.properties/x"),
        format!("{outside}/missing"),
    ];
    for file in tried {
        let error = refusal(&providers, &format!("${{file:{file}:k}}"));
        assert!(error.contains("allowed.paths do not allow") || error.contains("No such file"), "{error}");
        assert!(!error.contains("CANARY"), "{error}");
    }
    assert!(
        refusal(&providers, &format!("${{file:{path}/a.properties:nothing}}"))
            .contains("has no entry \"nothing\"")
    );
    assert!(refusal(&providers, "${file:a.properties:k}").contains("must be absolute"));
}

#[test]
fn a_directory_provider_reads_its_own_files_only() {
    let (_directory, path) = secrets();
    let providers = providers(&[("config.providers", "directory")]);
    for key in ["../etc", "..", "", "a/b"] {
        assert!(
            refusal(&providers, &format!("${{directory:{path}:{key}}}"))
                .contains("is not the name of a file"),
            "{key}"
        );
    }
}

#[test]
fn the_environment_needs_the_pattern() {
    let providers = providers(&[
        ("config.providers", "env"),
        ("config.providers.env.param.allowlist.pattern", "CARGO_PKG_.*"),
    ]);
    let resolved = providers.resolve(&props(&[("x", "${env:CARGO_PKG_NAME}")])).expect("set by cargo");
    assert_eq!(resolved.props, props(&[("x", "millrace-configs")]));
    assert!(refusal(&providers, "${env:HOME}").contains("allowlist.pattern does not allow"));
    assert!(refusal(&providers, "${env:/p:CARGO_PKG_NAME}").contains("has no path"));
    assert!(
        refusal(&providers, "${env:CARGO_PKG_NOTHING}").contains("environment variable CARGO_PKG_NOTHING")
    );
}

#[test]
fn wrong_providers_are_told_all_at_once() {
    let said = props(&[
        ("config.providers", "vault,env,file,mine"),
        ("config.providers.vault.class", "com.example.Vault"),
        ("config.providers.env.param.allowlist.pattern", "("),
        ("config.providers.file.param.allowed.paths", "/nowhere/at/all"),
    ]);
    let errors = Providers::from_worker(&said).expect_err("all four are wrong");
    let names: Vec<&str> = errors.iter().map(|error| error.name.as_str()).collect();
    let expected = [
        "config.providers.vault.class",
        "config.providers.env.param.allowlist.pattern",
        "config.providers.file.param.allowed.paths",
        "config.providers.mine.class",
    ];
    assert_eq!(names, expected);
}
