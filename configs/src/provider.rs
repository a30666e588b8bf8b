//! Config providers: `${provider:[path:]key}` in a setting stands for a text kept elsewhere (an environment variable, a file).
//!
//! Resolved late, on the worker that starts the connector or task: what is stored and shown stays `${..}`. The invariants: nothing is
//! resolved unless the worker names the provider in `config.providers`; a provider reads only what its allow-list allows, after symbolic
//! links are followed; an answer is remembered as a secret ([`Secrets`]), so that errors can be printed without it.

mod source;

use std::collections::{BTreeMap, BTreeSet};

use crate::Props;
use crate::error::{ConfigError, ConfigErrors};
use crate::password::{HIDDEN, Password};
use source::Source;

/// The shortest secret that is looked for inside other texts: shorter ones ("1", "on") stand everywhere by chance.
const MASKED_BYTES_MIN: usize = 4;

/// The providers that a worker allows, by the name that `config.providers` gives them.
#[derive(Debug, Default)]
pub struct Providers {
    sources: BTreeMap<String, Source>,
}

/// Settings with every reference resolved.
#[derive(Debug)]
pub struct Resolved {
    /// The settings as the connector gets them.
    pub props: Props,
    /// What came from providers.
    pub secrets: Secrets,
    /// References that were left as they are, because no provider has their name.
    pub warnings: Vec<String>,
}

/// What came from providers: which options, which texts. Prints nothing of them.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    names: BTreeSet<String>,
    texts: Vec<Password>,
}

impl Secrets {
    /// Whether the value of this option contains what a provider gave; `name` may lack the prefix under which it stands.
    #[must_use]
    pub fn is_resolved(&self, name: &str) -> bool {
        let under_prefix = |known: &String| {
            known.strip_suffix(name).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        };
        self.names.iter().any(under_prefix)
    }

    /// `text` with every secret replaced by `[hidden]`.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let long = self.texts.iter().filter(|secret| secret.reveal().len() >= MASKED_BYTES_MIN);
        long.fold(text.to_owned(), |text, secret| text.replace(secret.reveal(), HIDDEN))
    }
}

impl Providers {
    /// The providers that a worker's settings allow: `config.providers`, `config.providers.<name>.class` and `.param.*`.
    pub fn from_worker(props: &Props) -> Result<Self, ConfigErrors> {
        let (mut sources, mut errors) = (BTreeMap::new(), ConfigErrors::new());
        let names = props.get("config.providers").map_or("", String::as_str);
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match Source::from_worker(name, props) {
                Ok(source) => drop(sources.insert(name.to_owned(), source)),
                Err(found) => errors.extend(found),
            }
        }
        errors.into_result(Self { sources })
    }

    /// Replaces every reference in every value; all that cannot be resolved is in the error, without what could.
    pub fn resolve(&self, props: &Props) -> Result<Resolved, ConfigErrors> {
        let mut resolution = Resolution {
            providers: self,
            secrets: Secrets::default(),
            warnings: Vec::new(),
            errors: ConfigErrors::new(),
        };
        let resolved = props.iter().map(|(name, text)| (name.clone(), resolution.text(name, text))).collect();
        let Resolution { mut secrets, warnings, errors, .. } = resolution;
        // The longest first: a secret that contains another is masked whole.
        secrets.texts.sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
        errors.into_result(Resolved { props: resolved, secrets, warnings })
    }
}

/// One pass over the settings.
struct Resolution<'a> {
    providers: &'a Providers,
    secrets: Secrets,
    warnings: Vec<String>,
    errors: ConfigErrors,
}

impl Resolution<'_> {
    fn text(&mut self, name: &str, text: &str) -> String {
        let mut resolved = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(reference) = Reference::find(rest) {
            resolved.push_str(reference.before);
            match self.answer(name, &reference) {
                Some(answer) => resolved.push_str(&answer),
                None => resolved.push_str(reference.whole),
            }
            rest = reference.after;
        }
        resolved.push_str(rest);
        resolved
    }

    fn answer(&mut self, name: &str, reference: &Reference<'_>) -> Option<String> {
        let Reference { whole, provider, .. } = reference;
        let Some(source) = self.providers.sources.get(*provider) else {
            self.unknown_provider(name, reference);
            return None;
        };
        match source.get(reference.path, reference.key) {
            Ok(answer) => {
                self.secrets.names.insert(name.to_owned());
                self.secrets.texts.push(Password::from(answer.as_str()));
                Some(answer)
            }
            Err(reason) => {
                self.errors.push(ConfigError::other(
                    name,
                    format!("Could not resolve {whole} in configuration {name}: {reason}"),
                ));
                None
            }
        }
    }

    /// Naming one of our providers without allowing it is a mistake; any other `${a:b}` may be meant for the connector.
    fn unknown_provider(&mut self, name: &str, reference: &Reference<'_>) {
        let Reference { whole, provider, .. } = reference;
        if source::is_kind(provider) {
            let sentence = format!(
                "Could not resolve {whole} in configuration {name}: the worker does not allow the config provider \"{provider}\"; \
                 add it to config.providers in the worker's properties"
            );
            self.errors.push(ConfigError::other(name, sentence));
        } else {
            self.warnings.push(format!(
                "{whole} in configuration {name} is left as it is: there is no config provider \"{provider}\""
            ));
        }
    }
}

/// One `${provider:[path:]key}` in a text.
#[derive(Debug, PartialEq, Eq)]
struct Reference<'a> {
    before: &'a str,
    whole: &'a str,
    after: &'a str,
    provider: &'a str,
    path: &'a str,
    key: &'a str,
}

impl<'a> Reference<'a> {
    /// The first reference in `text`, as Kafka's pattern `\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}` finds it.
    fn find(text: &'a str) -> Option<Self> {
        let mut from = 0;
        loop {
            let (skipped, candidate) = text.split_at_checked(from)?;
            let (before, inner) = candidate.split_once("${")?;
            let (inner, after) = inner.split_once('}')?;
            let start = skipped.len() + before.len();
            if let Some((provider, rest)) = inner.split_once(':') {
                let (path, key) = rest.split_once(':').unwrap_or(("", rest));
                let end = start + "${}".len() + inner.len();
                let (before, whole) = (text.get(..start)?, text.get(start..end)?);
                return Some(Self { before, whole, after, provider, path, key });
            }
            from = start + "${".len();
        }
    }
}

#[cfg(test)]
mod tests;
