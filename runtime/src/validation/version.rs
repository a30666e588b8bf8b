//! Versions of plugins and what may be asked of them (KIP-891), in the syntax of Maven's ranges.
//!
//! Pure. `latest` or nothing asks for any; a bare version for exactly this one; `[1.0,2.0)` for a range, of which several may
//! stand side by side. Invariant: a text that is none of these is refused, not guessed at.

use std::cmp::Ordering;

/// Whether a version is what was asked for.
///
/// # Errors
/// What is wrong with what was asked.
pub(crate) fn satisfies(version: &str, asked: &str) -> Result<bool, String> {
    let asked = asked.trim();
    if asked.is_empty() || asked.eq_ignore_ascii_case("latest") {
        return Ok(true);
    }
    if !asked.starts_with(['[', '(']) {
        return Ok(compare(version, asked) == Ordering::Equal);
    }
    let malformed = || {
        format!(
            "Invalid version specification '{asked}': expected a version, a range such as [1.0,2.0), or latest"
        )
    };
    let mut rest = asked;
    let mut found = false;
    while !rest.is_empty() {
        let end = rest.find([']', ')']).ok_or_else(malformed)?;
        let (range, after) = rest.split_at_checked(end + 1).ok_or_else(malformed)?;
        found |= within(version, range).ok_or_else(malformed)?;
        rest = after.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
    }
    Ok(found)
}

/// Whether a version lies within one range; `None` if it is malformed.
fn within(version: &str, range: &str) -> Option<bool> {
    let (opened, inner) = (range.chars().next()?, range.get(1..range.len() - 1)?);
    let closed = range.chars().last()?;
    let Some((low, high)) = inner.split_once(',') else {
        return (opened == '[' && closed == ']' && !inner.trim().is_empty())
            .then(|| compare(version, inner.trim()) == Ordering::Equal);
    };
    let (low, high) = (low.trim(), high.trim());
    if !['[', '('].contains(&opened) || high.contains(',') {
        return None;
    }
    let above = low.is_empty()
        || match compare(version, low) {
            Ordering::Greater => true,
            Ordering::Equal => opened == '[',
            Ordering::Less => false,
        };
    let below = high.is_empty()
        || match compare(version, high) {
            Ordering::Less => true,
            Ordering::Equal => closed == ']',
            Ordering::Greater => false,
        };
    Some(above && below)
}

/// Compares versions part by part: numbers as numbers, words as words and before numbers, missing parts as 0.
fn compare(one: &str, other: &str) -> Ordering {
    let parts = |version: &str| -> Vec<String> {
        version.split(['.', '-', '+']).map(|part| part.trim().to_ascii_lowercase()).collect()
    };
    let (one, other) = (parts(one), parts(other));
    let zero = "0".to_owned();
    for at in 0..one.len().max(other.len()) {
        let (one, other) = (one.get(at).unwrap_or(&zero), other.get(at).unwrap_or(&zero));
        let ordering = match (one.parse::<u64>(), other.parse::<u64>()) {
            (Ok(one), Ok(other)) => one.cmp(&other),
            (Ok(_), Err(_)) => Ordering::Greater,
            (Err(_), Ok(_)) => Ordering::Less,
            (Err(_), Err(_)) => one.cmp(other),
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_asked_for_as_in_maven() {
        for asked in [
            "",
            "latest",
            "1.2",
            "1.2.0",
            "[1.2]",
            "[1,2)",
            "(,1.2]",
            "[1.2,)",
            "[3,4],[1.0,1.3]",
            " [1.1, 1.10) ",
        ] {
            assert_eq!(satisfies("1.2.0", asked), Ok(true), "{asked}");
        }
        for asked in ["1.3", "(1.2,2)", "[1,1.2)", "[2,)", "(,1)", "1.2.0-SNAPSHOT", "1.20"] {
            assert_eq!(satisfies("1.2.0", asked), Ok(false), "{asked}");
        }
        for asked in ["[1.2", "(1.2]", "[]", "[1,2,3]", "[1,2)x", "[ü"] {
            assert!(satisfies("1.2.0", asked).is_err(), "{asked}");
        }
    }
}
