//! The generated documents are what the code says: every plugin is in docs/plugins.md, with every option.
//!
//! `make docs` writes them anew.

use std::fmt::Write as _;
use std::fs;

use api::{Plugin, Registry};
use harness::places::repository;

const KINDS: [(&str, &str); 6] = [
    ("source", "Sources"),
    ("sink", "Sinks"),
    ("transformation", "Transforms"),
    ("predicate", "Predicates"),
    ("converter", "Converters"),
    ("header_converter", "Header converters"),
];

#[test]
fn the_page_of_plugins_is_what_the_code_says() {
    let path = repository().join("docs/plugins.md");
    let text = page(&Registry::new().with(connectors::ALL).with(transforms::ALL).with(converters::ALL));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "{} is not what the code says; run `make docs`", path.display());
}

fn page(registry: &Registry) -> String {
    let mut text = String::from(
        "# Plugins\n\nEverything that a configuration can name. Generated from the code by `make docs`.\n",
    );
    for (kind, title) in KINDS {
        write!(text, "\n## {title}\n").unwrap();
        for plugin in registry.plugins().iter().filter(|plugin| plugin.kind.name() == kind) {
            text.push_str(&section(plugin));
        }
    }
    text
}

fn section(plugin: &Plugin) -> String {
    let mut text = format!("\n### {}\n\n{}\n\n", plugin.simple_name(), plugin.documentation.trim());
    let names: Vec<_> =
        std::iter::once(&plugin.class).chain(plugin.aliases).map(|name| format!("`{name}`")).collect();
    write!(text, "Answers to: {}\n\n", names.join(", ")).unwrap();
    let options = configs::markdown((plugin.config)());
    text.push_str(if options.is_empty() { "It has no options of its own.\n" } else { &options });
    text
}
