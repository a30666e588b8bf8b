//! Secrets stay references: `${file:/run/secrets/db:password}` goes into the config topic, what it stands for does not.
//!
//! A connector splits its work from resolved settings; before its task configurations are written, every value that came from
//! a reference becomes that reference again (Connect's `reverseTransform`). Pure.

use api::Props;

/// Puts the references of `raw` back where `resolved` shows that a task's value came from one.
pub(crate) fn restore_references(raw: &Props, resolved: &Props, mut task: Props) -> Props {
    for (name, reference) in raw {
        let Some(value) = resolved.get(name).filter(|value| *value != reference) else { continue };
        if let Some(slot) = task.get_mut(name).filter(|slot| *slot == value) {
            slot.clone_from(reference);
        }
    }
    task
}

#[cfg(test)]
mod tests {
    use super::*;

    fn props(said: &[(&str, &str)]) -> Props {
        said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn references_come_back_and_the_tasks_own_values_stay() {
        let raw = props(&[("password", "${env:P}"), ("user", "u"), ("file", "${env:F}")]);
        let resolved = props(&[("password", "hush"), ("user", "u"), ("file", "/a")]);
        let task = props(&[("password", "hush"), ("user", "v"), ("file", "/a/0"), ("extra", "1")]);
        let stored = restore_references(&raw, &resolved, task);
        assert_eq!(
            stored,
            props(&[("password", "${env:P}"), ("user", "v"), ("file", "/a/0"), ("extra", "1")])
        );
    }
}
