//! Names that no option has, and what was probably meant.
//!
//! Kafka Connect drops an unknown name without a word, so a misspelt option is a default at work. Here every unknown name is reported.

use std::fmt;

use crate::Props;
use crate::definition::ConfigDef;

/// A name that no option has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    /// The name as it was said.
    pub name: String,
    /// The option that was probably meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Unknown configuration \"{}\"", self.name)?;
        match &self.suggestion {
            Some(suggestion) => write!(formatter, ": did you mean \"{suggestion}\"?"),
            None => formatter.write_str(": no option has this name, it has no effect"),
        }
    }
}

/// The names in `props` that `definition` does not know, each with the nearest name it does.
#[must_use]
pub fn unknown_keys(definition: &ConfigDef, props: &Props) -> Vec<UnknownKey> {
    let unknown = props.keys().filter(|name| !definition.knows(name));
    unknown.map(|name| UnknownKey { name: name.clone(), suggestion: suggestion(definition, name) }).collect()
}

/// The nearest known name within a third of the name's length, the first declared among equals.
fn suggestion(definition: &ConfigDef, name: &str) -> Option<String> {
    const NAME_BYTES_MAX: usize = 256;
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let known = definition.keys().iter().map(|key| &*key.name);
    let near = known.map(|key| (distance(name, key), key)).min_by_key(|(distance, _)| *distance)?;
    (near.0 <= (name.len() / 3).clamp(1, 5)).then(|| near.1.to_owned())
}

/// Edits (insert, delete, replace, swap of neighbours) that turn one text into the other; `_` and `-` for `.` and case are free.
fn distance(left: &str, right: &str) -> usize {
    let plain = |text: &str| -> Vec<u8> {
        text.bytes()
            .map(|byte| if matches!(byte, b'_' | b'-') { b'.' } else { byte.to_ascii_lowercase() })
            .collect()
    };
    let (left, right) = (plain(left), plain(right));
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for row in 0..left.len() {
        let mut current = vec![row + 1];
        for column in 0..right.len() {
            let replaced = last[column] + usize::from(left[row] != right[column]);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && left[row] == right[column - 1] && left[row - 1] == right[column] {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::optional;

    fn suggestions(names: &[&str]) -> Vec<Option<String>> {
        let keys =
            vec![optional("tasks.max"), optional("topics"), optional("topics.regex"), optional("file")];
        let definition = ConfigDef::new(keys).open("producer.override.");
        let props = names.iter().map(|name| ((*name).to_owned(), String::new())).collect();
        unknown_keys(&definition, &props).into_iter().map(|unknown| unknown.suggestion).collect()
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        let found = suggestions(&["a_topic", "flie", "task.max", "tasks_max", "topic"]);
        let expected = [None, Some("file"), Some("tasks.max"), Some("tasks.max"), Some("topics")];
        assert_eq!(found, expected.map(|name| name.map(str::to_owned)));
    }

    #[test]
    fn known_names_and_open_prefixes_are_not_reported() {
        assert!(suggestions(&["file", "producer.override.acks", "topics"]).is_empty());
    }

    #[test]
    fn the_sentence_says_what_to_do() {
        let unknown = UnknownKey { name: "flie".to_owned(), suggestion: Some("file".to_owned()) };
        assert_eq!(unknown.to_string(), "Unknown configuration \"flie\": did you mean \"file\"?");
    }
}
