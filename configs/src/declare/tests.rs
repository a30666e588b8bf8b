//! What a declaration yields: types, defaults, all errors at once.

use std::time::Duration;

use crate::{ConfigType, Importance, Password, Props};

/// A caller's own names must not get into the macros' way.
#[allow(dead_code, reason = "it only stands in scope")]
type Result<T> = std::result::Result<T, ()>;

crate::config_enum! {
    /// How decimals are written.
    pub(super) enum DecimalFormat {
        /// The unscaled bytes.
        Base64 = "BASE64",
        /// A number.
        Numeric = "NUMERIC",
    }
}

crate::config! {
    /// One field of every type.
    pub(super) struct Everything {
        /// The text.
        text: String = required("text").importance(High).check(non_empty());
        /// Maybe a number.
        ///
        /// A second paragraph.
        number: Option<i32> = optional("number").check(at_least(1));
        /// A port.
        port: u16 = default("port", 8083).group("Network");
        /// How long.
        wait: Duration = default("wait.ms", 500).group("Network");
        /// A share.
        share: f64 = default("share", 0.5);
        /// A switch.
        on: bool = default("on", true);
        /// Names.
        names: Vec<String> = default("names", "");
        /// The secret.
        password: Option<Password> = optional("password");
        /// A plugin.
        class: String = default("class", "X").kind(ConfigType::Class);
        /// The format.
        format: DecimalFormat = default("format", DecimalFormat::Base64);
        /// Bytes.
        bytes: usize = default("bytes", 10).kind(ConfigType::Int);
    }
}

crate::config! {
    /// A plugin without options.
    pub(super) struct Nothing {}
}

fn props(said: &[(&str, &str)]) -> Props {
    said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn defaults_are_taken() {
    let config = Everything::parse(&props(&[("text", "x")])).expect("valid");
    assert_eq!((config.text.as_str(), config.number, config.port), ("x", None, 8083));
    assert_eq!((config.wait, config.on, config.names.len()), (Duration::from_millis(500), true, 0));
    assert_eq!((config.format, config.bytes, config.class.as_str()), (DecimalFormat::Base64, 10, "X"));
    assert!((config.share - 0.5).abs() < f64::EPSILON && config.password.is_none());
    Nothing::parse(&props(&[])).expect("nothing to say");
}

#[test]
fn what_is_said_is_typed() {
    let said = [
        ("text", "x"),
        ("number", "7"),
        ("names", "a, b"),
        ("password", "p"),
        ("format", "numeric"),
        ("port", "0"),
    ];
    let config = Everything::parse(&props(&said)).expect("valid");
    assert_eq!(
        (config.number, config.names, config.format),
        (Some(7), vec!["a".into(), "b".into()], DecimalFormat::Numeric)
    );
    assert_eq!((config.password.as_ref().map(Password::reveal), config.port), (Some("p"), 0));
}

#[test]
fn all_errors_come_at_once_with_their_prefix() {
    let said = props(&[
        ("t.number", "0"),
        ("t.port", "65536"),
        ("t.wait.ms", "-1"),
        ("t.format", "hex"),
        ("t.on", "yes"),
    ]);
    let errors = Everything::parse_prefixed(&said, "t.").expect_err("five are wrong, one is missing");
    let expected = "\
        Missing required configuration \"t.text\" which has no default value.\n\
        Invalid value 0 for configuration t.number: Value must be at least 1\n\
        Invalid value 65536 for configuration t.port: Value must be no more than 65535\n\
        Invalid value -1 for configuration t.wait.ms: Value must be at least 0\n\
        Invalid value yes for configuration t.on: Expected value to be either true or false\n\
        Invalid value hex for configuration t.format: String must be one of (case insensitive): BASE64, NUMERIC";
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn the_definition_says_what_was_declared() {
    let definition = Everything::definition();
    let text = definition.get("text").expect("declared");
    assert_eq!(
        (text.kind, text.importance, &*text.documentation),
        (ConfigType::String, Importance::High, "The text.")
    );
    assert_eq!(
        definition.get("number").map(|key| &*key.documentation),
        Some("Maybe a number.\n\n A second paragraph.")
    );
    let kinds: Vec<&str> = definition.keys().iter().map(|key| key.kind.as_str()).collect();
    let expected =
        ["STRING", "INT", "INT", "LONG", "DOUBLE", "BOOLEAN", "LIST", "PASSWORD", "CLASS", "STRING", "INT"];
    assert_eq!(kinds, expected);
    assert_eq!(definition.get("wait.ms").map(|key| key.order), Some(2));
}
