//! `millrace plugins`: what a configuration can name, from the registry.

use std::io::Write;

use api::{Plugin, Registry};
use configs::{ConfigKey, DefaultValue};

use super::Exit;

/// Connect's order of the kinds, and what to call them.
const KINDS: [(&str, &str); 6] = [
    ("source", "Sources"),
    ("sink", "Sinks"),
    ("transformation", "Transforms"),
    ("predicate", "Predicates"),
    ("converter", "Converters"),
    ("header_converter", "Header converters"),
];

/// Prints every plugin with the names of its options, or one with their documentation.
pub(super) fn print(registry: &Registry, wanted: Option<&str>) -> Result<(), Exit> {
    let mut text = Vec::new();
    let written = match wanted {
        None => write_all(registry, &mut text),
        Some(name) => match registry.plugins().iter().find(|plugin| plugin.answers_to(name)) {
            Some(plugin) => write_one(plugin, &mut text),
            None => {
                return Err(Exit::start(format!("there is no plugin {name}; `millrace plugins` lists all")));
            }
        },
    };
    written.and_then(|()| std::io::stdout().write_all(&text)).or_else(|error| match error.kind() {
        // Whoever reads has seen enough (`millrace plugins | head`).
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Exit::start(format!("cannot print: {error}"))),
    })
}

fn write_all(registry: &Registry, out: &mut impl Write) -> std::io::Result<()> {
    for (kind, title) in KINDS {
        writeln!(out, "{title}")?;
        for plugin in registry.plugins().iter().filter(|plugin| plugin.kind.name() == kind) {
            writeln!(out, "  {} ({}) {}", names(plugin), plugin.version, first_line(plugin.documentation))?;
            for key in (plugin.config)().keys() {
                writeln!(out, "      {}", summary(key))?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_one(plugin: &Plugin, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{} ({}, version {})\n\n{}\n",
        names(plugin),
        plugin.kind.name(),
        plugin.version,
        plugin.documentation.trim()
    )?;
    for key in (plugin.config)().keys() {
        writeln!(out, "{}", summary(key))?;
        for line in key.documentation.lines() {
            writeln!(out, "    {}", line.trim())?;
        }
    }
    Ok(())
}

fn names(plugin: &Plugin) -> String {
    let simple = plugin.simple_name();
    let mut names = vec![plugin.class];
    names.extend((simple != plugin.class).then_some(simple));
    names.extend(plugin.aliases);
    names.join(", ")
}

fn summary(key: &ConfigKey) -> String {
    let default = match &key.default {
        DefaultValue::Required => "required".to_owned(),
        DefaultValue::Null => "optional".to_owned(),
        DefaultValue::Text(text) => format!("default: {}", if text.is_empty() { "(empty)" } else { text }),
    };
    format!("{} ({}, {default})", key.name, key.kind.as_str().to_ascii_lowercase())
}

fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}
