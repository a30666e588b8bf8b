//! Names of Connect schemas that Avro allows, and names that it does not, made fit (`scrub.invalid.names`).
//!
//! The invariant: a name that Avro allows is left as it is.

use std::fmt::Write as _;

use super::schema::{Name, is_name};
use crate::json::fault::Fault;

/// The name of a schema, each part made fit if that is wanted.
///
/// # Errors
/// When Avro does not allow it.
pub(super) fn name_of(full: &str, scrub: bool) -> Result<Name, Fault> {
    let parts: Vec<_> =
        full.split('.').map(|part| if scrub { scrubbed(part) } else { part.to_owned() }).collect();
    let name = Name::of_full(parts.join(".").trim_end_matches('.'));
    check(&name.simple)?;
    Ok(name)
}

/// The name of a field, made fit if that is wanted.
///
/// # Errors
/// When Avro does not allow it.
pub(super) fn field_name(name: &str, scrub: bool) -> Result<String, Fault> {
    let name = if scrub { scrubbed(name) } else { name.to_owned() };
    check(&name).map(|()| name)
}

fn check(name: &str) -> Result<(), Fault> {
    if is_name(name) {
        return Ok(());
    }
    Err(Fault::new(format!(
        "{name:?} is no name in Avro: letters, digits and underscores are, and no digit first. Set scrub.invalid.names=true in the converter, \
         or, for the MySQL connector, schema.name.adjustment.mode=avro and field.name.adjustment.mode=avro"
    )))
}

/// As Confluent makes names fit: what a URL would escape is escaped, and what is then still not allowed is an underscore.
fn scrubbed(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut fit = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            _ if is_plain(letter) => fit.push(letter),
            // What stands unescaped in a URL, and the space, which is a plus there: one character each.
            '.' | '-' | '*' | ' ' => fit.push('_'),
            _ => {
                for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a text cannot fail.
                    let _infallible = write!(fit, "_{byte:02X}");
                }
            }
        }
    }
    if fit.starts_with(|first: char| first.is_ascii_digit()) {
        fit.insert(0, 'x');
    }
    fit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_fit_as_confluent_does() {
        for (name, fit) in [
            ("ab_1", "ab_1"),
            ("1a", "x1a"),
            ("a-b c", "a_b_c"),
            ("a/b", "a_2Fb"),
            ("é", "_C3_A9"),
            ("$", "_24"),
        ] {
            assert_eq!(scrubbed(name), fit);
        }
        assert_eq!(name_of("my-server.a.b", true).unwrap().full(), "my_server.a.b");
        assert_eq!(
            name_of("my-server.a.b", false).unwrap().full(),
            "my-server.a.b",
            "only the last part is checked"
        );
    }

    #[test]
    fn a_name_that_is_none_says_what_to_do() {
        let error = name_of("shop.order-lines", false).unwrap_err().into_error().to_string();
        assert!(
            error.contains("order-lines") && error.contains("schema.name.adjustment.mode=avro"),
            "{error}"
        );
        assert!(field_name("", false).is_err());
    }
}
