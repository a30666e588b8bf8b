//! What may be said to Millrace: every option is declared once, and that one declaration parses the settings, answers `validate` and
//! writes the documentation.
//!
//! The leaf of the house: it imports no other room. Data does not pass here; what is said about data does.
//!
//! ```
//! use configs::{Props, check::at_least, config};
//!
//! config! {
//!     /// Options of a line reader.
//!     pub struct ReaderConfig {
//!         /// The file to read.
//!         file: String = required("file").importance(High).check(non_empty());
//!         /// Lines a poll returns at most.
//!         batch_lines_max: usize = default("batch.size", 2000).importance(Low).check(at_least(1));
//!     }
//! }
//!
//! let said = Props::from([("file".to_owned(), "/tmp/in.txt".to_owned())]);
//! let config = ReaderConfig::parse(&said)?;
//! assert_eq!((config.file.as_str(), config.batch_lines_max), ("/tmp/in.txt", 2000));
//! # Ok::<(), configs::ConfigErrors>(())
//! ```
//!
//! Where to look: [`config!`] and [`config_enum!`] declare, [`ConfigDef`] is what they declare, [`check`] narrows values, [`validate`]
//! answers with every error at once, [`properties`] and [`connector_file`] read files, [`provider`] resolves `${provider:path:key}`.

pub mod check;
pub mod connector_file;
mod declare;
mod definition;
mod docs;
mod error;
mod field;
mod parse;
mod password;
pub mod properties;
pub mod provider;
mod suggest;
mod validate;

pub use check::Check;
pub use definition::{ConfigDef, ConfigKey, DefaultValue, Importance, Width, default, optional, required};
pub use docs::markdown;
pub use error::{ConfigError, ConfigErrors, FileError};
#[doc(hidden)]
pub use field::typed;
pub use field::{FromConfig, Reader};
pub use parse::{ConfigType, Parsed};
pub use password::{HIDDEN, Password};
pub use suggest::{UnknownKey, unknown_keys};
pub use validate::{ConfigValue, validate};

/// A connector's or worker's settings as they are said: names and texts, not yet parsed, `${..}` not yet resolved.
pub type Props = std::collections::BTreeMap<String, String>;

/// The settings whose names start with `prefix`, without it: what `transforms.a.` says to the transform `a`.
#[must_use]
pub fn strip_prefix(props: &Props, prefix: &str) -> Props {
    let stripped =
        |(name, text): (&String, &String)| Some((name.strip_prefix(prefix)?.to_owned(), text.clone()));
    props.iter().filter_map(stripped).collect()
}
