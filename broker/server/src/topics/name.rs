//! Which topic names are legal: Kafka's rules, which also make a name safe as part of a folder's name.

/// Longest topic name.
const NAME_BYTES_MAX: usize = 249;

/// Committed offsets and groups: written by the broker alone.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// Transactional ids: written by the broker alone.
pub(crate) const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// Whether only the broker writes to the topic of this name.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(name, OFFSETS_TOPIC | TRANSACTIONS_TOPIC)
}

/// Says what is wrong with a topic name.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the topic name is empty".to_owned());
    }
    if name == "." || name == ".." {
        return Err(format!("the topic name cannot be {name:?}"));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(format!(
            "the topic name has {} characters, at most {NAME_BYTES_MAX} are allowed",
            name.len()
        ));
    }
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    match name.chars().find(|character| !legal(*character)) {
        Some(bad) => {
            Err(format!("the topic name contains {bad:?}; allowed are a-z, A-Z, 0-9, '.', '_' and '-'"))
        }
        None => Ok(()),
    }
}

/// A name as metrics spell it. As in Kafka, two topics that metrics could not tell apart collide.
pub(crate) fn metric_name(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_folder_or_confuse_are_refused() {
        for bad in ["", ".", "..", "a/b", "a b", "ä", "a\0", "a:b", &"x".repeat(250)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "a.b", "a-b_c", "__consumer_offsets", "...", &"x".repeat(249)] {
            assert_eq!(check_name(good), Ok(()), "{good:?}");
        }
        assert_eq!(metric_name("a.b"), metric_name("a_b"));
        assert_ne!(metric_name("a.b"), metric_name("a-b"));
    }
}
