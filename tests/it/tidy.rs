//! The style of the house, as tests: imports go one way, files stay small and say what they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use harness::places::repository;

/// Which room may import which: the whole of it, tests apart (they may import all).
const EDGES: [(&str, &[&str]); 9] = [
    ("configs", &[]),
    ("api", &["configs"]),
    ("transforms", &["api"]),
    ("converters", &["api"]),
    ("connectors", &["api"]),
    ("broker/protocol", &[]),
    ("broker/client", &["broker-protocol"]),
    ("broker/server", &["broker-protocol", "configs"]),
    (
        "runtime",
        &["api", "broker-client", "broker-server", "configs", "connectors", "converters", "transforms"],
    ),
];

/// The names under which rooms are imported.
const ROOMS: [&str; 10] = [
    "api",
    "broker-client",
    "broker-protocol",
    "broker-server",
    "configs",
    "connectors",
    "converters",
    "runtime",
    "tests",
    "transforms",
];

/// At most this many lines of code in a file: neither tests nor comments nor blank lines count.
const CODE_LINES_MAX: usize = 400;

#[test]
fn imports_go_one_way() {
    for (room, allowed) in EDGES {
        let manifest = fs::read_to_string(repository().join(room).join("Cargo.toml")).unwrap();
        let dependencies =
            manifest.split("\n[").find(|part| part.starts_with("dependencies]")).unwrap_or_default();
        for line in dependencies.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(!ROOMS.contains(&name) || allowed.contains(&name), "{room} may not import {name}");
        }
    }
}

#[test]
fn only_main_names_the_built_in_plugins() {
    for file in rust_files(&repository().join("runtime/src")) {
        let text = code_of(&file);
        let names_one =
            ["connectors::", "converters::", "transforms::"].iter().any(|name| imports(&text, name));
        assert!(!names_one || file.ends_with("src/main.rs"), "{} names built-in plugins", file.display());
    }
}

#[test]
fn every_file_says_what_it_is_and_stays_small() {
    let mut wrong = Vec::new();
    for file in rust_files(&repository()) {
        let text = fs::read_to_string(&file).unwrap();
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not open with //!", file.display()));
        }
        let lines = code_of(&file).lines().count();
        if lines > CODE_LINES_MAX {
            wrong.push(format!("{}: {lines} lines of code, at most {CODE_LINES_MAX}", file.display()));
        }
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if ["util", "utils", "common", "helper", "helpers", "misc"].contains(&stem.as_str()) {
            wrong.push(format!("{}: the name says nothing", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_cause_is_dropped_and_nothing_is_left_undone() {
    let banned = [
        ("map_err(|_|", "drops the cause of an error"),
        ("todo!(", "is not done"),
        ("unimplemented!(", "is not done"),
        ("TODO", "is not done"),
        ("FIXME", "is not done"),
        ("unbounded_channel", "has no limit"),
    ];
    let mut wrong = Vec::new();
    for file in rust_files(&repository()).into_iter().filter(|file| !file.ends_with("it/tidy.rs")) {
        let text = code_of(&file);
        for (number, line) in text.lines().enumerate() {
            let found = banned.iter().filter(|(word, _)| line.contains(word));
            wrong.extend(
                found.map(|(word, why)| format!("{}: code line {number}: {word} {why}", file.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_told_of_in_the_architecture() {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let missing: Vec<_> =
        EDGES.iter().map(|(room, _)| *room).filter(|room| !text.contains(&format!("`{room}"))).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name {missing:?}");
}

#[test]
fn every_invariant_names_a_test_that_is_there() {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let tests = test_names();
    let named: Vec<_> = text.split("ept by `").skip(1).filter_map(|rest| rest.split('`').next()).collect();
    assert!(named.len() >= 8, "ARCHITECTURE.md names too few tests: {named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !tests.contains_key(**name)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names tests that are not there: {missing:?}");
}

/// Every test function's name, and its file.
fn test_names() -> BTreeMap<String, PathBuf> {
    let mut names = BTreeMap::new();
    for file in rust_files(&repository()) {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            let Some(rest) = line.trim_start().trim_start_matches("async ").strip_prefix("fn ") else {
                continue;
            };
            names.insert(rest.split(['(', '<']).next().unwrap_or_default().to_owned(), file.clone());
        }
    }
    names
}

fn imports(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("use ");
        line.starts_with(name) || line.contains(&format!(" ::{name}"))
    })
}

/// A file's lines without comments, blank lines and its tests (the last `mod tests { .. }`).
fn code_of(file: &Path) -> String {
    let is_test_file =
        file.components().any(|part| part.as_os_str() == "tests.rs" || part.as_os_str() == "it");
    let text = fs::read_to_string(file).unwrap();
    let end = if is_test_file { text.len() } else { text.find("\nmod tests {").unwrap_or(text.len()) };
    let lines = text.get(..end).unwrap_or(&text).lines();
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    lines.filter(is_code).collect::<Vec<_>>().join("\n")
}

/// All Rust files below a folder, generated ones apart; tests (`tests.rs`, `it/`) count as well.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !["target", ".git"].contains(&name.as_str()) {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
