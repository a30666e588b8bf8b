//! Hides secrets in the configurations that REST shows, and puts them back when what was shown comes in again.
//!
//! Invariants: a PASSWORD option's value never leaves, whoever asks; a value that is one reference (`${file:..}`) is shown, for
//! it is no secret; a form that sends back what it was shown changes nothing.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use api::Registry;
use configs::{ConfigDef, ConfigType, HIDDEN, Props};
use parking_lot::Mutex;

use super::definition::ConnectorDefinition;

/// Parts of names that tell a secret where no definition does: an unknown class, a client override, a misspelt option.
const SECRET_WORDS: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "apikey",
    "privatekey",
    "jaasconfig",
    "authorization",
    "cookie",
];

/// For how many configurations it is remembered which options hold secrets.
const REMEMBERED_MAX: usize = 4096;

/// The names of the options of one configuration that hold secrets.
type Secrets = Arc<BTreeSet<String>>;

/// Knows which values are secrets. Clones share what they remember.
#[derive(Debug, Clone)]
pub struct Mask {
    registry: Registry,
    remembered: Arc<Remembered>,
}

/// Joining the definitions of a connector costs far more than showing it, and lists show thousands again and again. What is
/// remembered is found by two independent hashes under keys of this process: 128 bits, which nobody can make collide.
#[derive(Debug, Default)]
struct Remembered {
    hashers: [RandomState; 2],
    secrets: Mutex<HashMap<[u64; 2], Secrets>>,
}

impl Mask {
    /// A mask that knows these plugins.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self { registry, remembered: Arc::default() }
    }

    /// A connector's configuration as it may be shown.
    #[must_use]
    pub fn hide(&self, config: &Props) -> Props {
        self.hide_of(config, config)
    }

    /// Settings of a task of the connector with this configuration, as they may be shown.
    #[must_use]
    pub fn hide_of(&self, connector: &Props, props: &Props) -> Props {
        let secrets = self.secrets(connector, props);
        let shown = props.iter().map(|(name, text)| {
            let hidden = secrets.contains(name) && !is_reference(text);
            (name.clone(), if hidden { HIDDEN.to_owned() } else { text.clone() })
        });
        shown.collect()
    }

    /// Which of these settings, of a connector of this configuration, hold secrets.
    fn secrets(&self, connector: &Props, props: &Props) -> Secrets {
        let key = self.remembered.hashers.each_ref().map(|hasher| hasher.hash_one((connector, props)));
        if let Some(known) = self.remembered.secrets.lock().get(&key) {
            return Arc::clone(known);
        }
        let definition = self.definition(connector);
        let found: Secrets =
            Arc::new(props.keys().filter(|name| is_secret(&definition, name)).cloned().collect());
        let mut remembered = self.remembered.secrets.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(key, Arc::clone(&found));
        found
    }

    /// Puts the stored value in place of each mask that came back.
    ///
    /// # Errors
    /// The names of secrets that came as a mask though nothing is stored for them.
    pub fn restore(&self, said: &mut Props, stored: Option<&Props>) -> Result<(), Vec<String>> {
        let mut lost = Vec::new();
        let definition = self.definition(said);
        for (name, text) in said.iter_mut().filter(|(_, text)| text.as_str() == HIDDEN) {
            match stored.and_then(|stored| stored.get(name)) {
                Some(secret) => text.clone_from(secret),
                None if is_secret(&definition, name) => lost.push(name.clone()),
                None => {}
            }
        }
        if lost.is_empty() { Ok(()) } else { Err(lost) }
    }

    fn definition(&self, config: &Props) -> ConfigDef {
        ConnectorDefinition::of(&self.registry, config)
            .map_or_else(|_| ConfigDef::default(), |definition| definition.options)
    }
}

/// Whether an option holds a secret: it is declared so, or its name says so and no definition says otherwise.
pub(super) fn is_secret(definition: &ConfigDef, name: &str) -> bool {
    let declared = definition
        .keys()
        .iter()
        .find(|key| key.name == name || key.aliases.iter().any(|alias| alias == name));
    declared.map_or_else(|| sounds_secret(name), |key| key.kind == ConfigType::Password)
}

fn sounds_secret(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SECRET_WORDS.iter().any(|word| plain.contains(word))
}

/// Whether the whole text is one reference to a config provider.
fn is_reference(text: &str) -> bool {
    let inner = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| inner.contains(':') && !inner.contains(['{', '}']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn props(said: &[(&str, &str)]) -> Props {
        said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn secrets_of_unknown_classes_are_hidden_by_their_names() {
        let mask = Mask::new(Registry::new());
        let stored = props(&[
            ("connector.class", "com.example.Unknown"),
            ("database.password", "CANARY-1"),
            ("producer.override.sasl.jaas.config", "CANARY-2"),
            ("api.token", "x${env:T}"),
            ("http.headers.Authorization", "Basic CANARY-3"),
            ("db.password", "${file:/run/db:password}"),
            ("topics", "a"),
        ]);
        let shown = mask.hide(&stored);
        assert!(!format!("{shown:?}").contains("CANARY"));
        assert_eq!((shown["api.token"].as_str(), shown["topics"].as_str()), (HIDDEN, "a"));
        assert_eq!(shown["db.password"], "${file:/run/db:password}");
        let mut back = shown;
        assert_eq!(mask.restore(&mut back, Some(&stored)), Ok(()));
        assert_eq!(back, stored);
    }

    #[test]
    fn a_mask_without_a_stored_value_is_refused() {
        let mask = Mask::new(Registry::new());
        let mut said = props(&[("password", HIDDEN), ("note", HIDDEN)]);
        assert_eq!(mask.restore(&mut said, None), Err(vec!["password".to_owned()]));
    }
}
