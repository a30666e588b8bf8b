//! A `ConfigDef` as a Markdown table: the documents are written by the declaration that parses.

use std::fmt::Write as _;

use crate::definition::{ConfigDef, ConfigKey, DefaultValue};

/// The options as a Markdown table, one row an option in the order of the declaration, a table a group.
#[must_use]
pub fn markdown(definition: &ConfigDef) -> String {
    let mut text = String::new();
    let ungrouped = definition.keys().iter().filter(|key| key.group.is_none());
    table(&mut text, None, ungrouped);
    for group in definition.groups() {
        let members = definition.keys().iter().filter(|key| key.group.as_deref() == Some(group));
        table(&mut text, Some(group), members);
    }
    text
}

fn table<'a>(text: &mut String, group: Option<&str>, keys: impl Iterator<Item = &'a ConfigKey>) {
    let mut keys = keys.peekable();
    if keys.peek().is_none() {
        return;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    if let Some(group) = group {
        text.push_str(&format!("**{group}**\n\n"));
    }
    text.push_str(
        "| option | type | default | importance | what it does |\n| --- | --- | --- | --- | --- |\n",
    );
    for key in keys {
        row(text, key);
    }
}

fn row(text: &mut String, key: &ConfigKey) {
    let kind = key.kind.as_str().to_ascii_lowercase();
    let default = match &key.default {
        DefaultValue::Required => "*required*".to_owned(),
        DefaultValue::Null => String::new(),
        DefaultValue::Text(value) if value.is_empty() => "*empty*".to_owned(),
        DefaultValue::Text(value) => format!("`{value}`"),
    };
    let importance = key.importance.as_str().to_ascii_lowercase();
    let expectations = key.checks.iter().map(|check| check.expectation()).collect::<Vec<_>>().join("; ");
    let note = if expectations.is_empty() { String::new() } else { format!(" ({expectations})") };
    let documentation = key.documentation.split_whitespace().collect::<Vec<_>>().join(" ");
    let cells = [format!("`{}`", key.name), kind, default, importance, format!("{documentation}{note}")];
    for cell in cells {
        // A `String` takes everything: writing to it cannot fail.
        let _infallible = write!(text, "| {} ", cell.replace('|', "\\|"));
    }
    text.push_str("|\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::at_least;
    use crate::definition::{Importance, default, required};
    use crate::parse::ConfigType;

    #[test]
    fn a_table_a_group() {
        let definition = ConfigDef::new(vec![
            required("file").importance(Importance::High).documentation("The file,\n a|b."),
            default("batch", 1)
                .kind(ConfigType::Int)
                .check(at_least(1))
                .group("Speed")
                .documentation("Lines."),
        ]);
        let expected = "\
            | option | type | default | importance | what it does |\n| --- | --- | --- | --- | --- |\n\
            | `file` | string | *required* | high | The file, a\\|b. |\n\
            \n**Speed**\n\n\
            | option | type | default | importance | what it does |\n| --- | --- | --- | --- | --- |\n\
            | `batch` | int | `1` | medium | Lines. ([1,...]) |\n";
        assert_eq!(markdown(&definition), expected);
    }
}
