//! Where a provider looks: the environment, a properties file, a directory of files.
//!
//! The invariant: reasons name the provider's rule and the place, never what was found there.

use std::path::{Path, PathBuf};

use crate::Props;
use crate::check::compile;
use crate::error::{ConfigError, ConfigErrors};
use crate::properties;

/// One allowed provider.
#[derive(Debug)]
pub(super) enum Source {
    /// `${env:NAME}`, for names that the pattern matches as a whole.
    Environment { allowed: Box<fancy_regex::Regex> },
    /// `${file:/a.properties:key}`; below the allowed paths, if there are any.
    File { allowed: Option<Vec<PathBuf>> },
    /// `${directory:/secrets:name}`; below the allowed paths, if there are any.
    Directory { allowed: Option<Vec<PathBuf>> },
}

/// What a provider is: its short name, and the class that Kafka's users have in their files.
const KINDS: [(&str, &str); 3] = [
    ("env", "org.apache.kafka.common.config.provider.EnvVarConfigProvider"),
    ("file", "org.apache.kafka.common.config.provider.FileConfigProvider"),
    ("directory", "org.apache.kafka.common.config.provider.DirectoryConfigProvider"),
];

/// Whether this is the short name of one of the providers.
pub(super) fn is_kind(name: &str) -> bool {
    KINDS.iter().any(|(kind, _)| *kind == name)
}

impl Source {
    /// The provider that the worker calls `name`.
    pub(super) fn from_worker(name: &str, props: &Props) -> Result<Self, ConfigErrors> {
        let option = |suffix: &str| format!("config.providers.{name}.{suffix}");
        let class_option = option("class");
        let class = match props.get(&class_option).map(|class| class.trim()) {
            Some(class) => class,
            None if is_kind(name) => name,
            None => return Err(ConfigError::missing(&class_option).into()),
        };
        let is_class = |(kind, known): &&(&str, &str)| {
            *kind == class || *known == class || known.rsplit('.').next() == Some(class)
        };
        let Some((kind, _)) = KINDS.iter().find(is_class) else {
            let known = KINDS.map(|(kind, known)| format!("{known} ({kind})")).join(", ");
            return Err(ConfigError::invalid(
                &class_option,
                class,
                format!("the config providers are {known}"),
            )
            .into());
        };
        let paths_option = option("param.allowed.paths");
        match *kind {
            "env" => {
                let pattern_option = option("param.allowlist.pattern");
                let pattern = props.get(&pattern_option).map_or(".*", |pattern| pattern.trim());
                let allowed = compile(&format!("^(?:{pattern})$"));
                let allowed =
                    allowed.map_err(|reason| ConfigError::invalid(&pattern_option, pattern, reason))?;
                Ok(Self::Environment { allowed: Box::new(allowed) })
            }
            "file" => Ok(Self::File { allowed: allowed_paths(&paths_option, props)? }),
            _ => Ok(Self::Directory { allowed: allowed_paths(&paths_option, props)? }),
        }
    }

    /// What stands there, or the reason why it cannot be had.
    pub(super) fn get(&self, path: &str, key: &str) -> Result<String, String> {
        match self {
            Self::Environment { allowed } => from_environment(allowed, path, key),
            Self::File { allowed } => {
                let document = properties::read(&real_path(allowed.as_deref(), Path::new(path))?);
                let mut document = document.map_err(|cause| cause.to_string())?;
                document.props.remove(key).ok_or_else(|| format!("the file {path} has no entry \"{key}\""))
            }
            Self::Directory { allowed } => {
                if key.is_empty() || key.contains('/') || key == ".." || key == "." {
                    return Err(format!("\"{key}\" is not the name of a file in {path}"));
                }
                let file = real_path(allowed.as_deref(), &Path::new(path).join(key))?;
                properties::read_text(&file).map_err(|cause| cause.to_string())
            }
        }
    }
}

fn from_environment(allowed: &fancy_regex::Regex, path: &str, key: &str) -> Result<String, String> {
    if !path.is_empty() {
        return Err(format!(
            "an environment variable has no path, but \"{path}\" was given; write ${{env:NAME}}"
        ));
    }
    if !allowed.is_match(key).map_err(|cause| format!("allowlist.pattern: {cause}"))? {
        return Err(format!("the worker's allowlist.pattern does not allow the environment variable {key}"));
    }
    std::env::var(key).map_err(|cause| format!("environment variable {key}: {cause}"))
}

/// The allowed paths, which must be absolute and exist; `None` if the worker says nothing about them.
fn allowed_paths(option: &str, props: &Props) -> Result<Option<Vec<PathBuf>>, ConfigErrors> {
    let Some(said) = props.get(option).filter(|said| !said.trim().is_empty()) else { return Ok(None) };
    let (mut paths, mut errors) = (Vec::new(), ConfigErrors::new());
    for path in said.split(',').map(str::trim) {
        match std::fs::canonicalize(path) {
            Ok(real) if Path::new(path).is_absolute() => paths.push(real),
            Ok(_) => errors.push(ConfigError::invalid(option, path, "the path must be absolute")),
            Err(cause) => errors.push(ConfigError::invalid(option, path, cause)),
        }
    }
    errors.into_result(Some(paths))
}

/// Where the path leads after symbolic links, if that is below an allowed path. The caller opens this path, not the one that was said.
fn real_path(allowed: Option<&[PathBuf]>, path: &Path) -> Result<PathBuf, String> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(format!("the path {shown} must be absolute"));
    }
    let denied = || format!("the worker's allowed.paths do not allow {shown}");
    match (allowed, std::fs::canonicalize(path)) {
        (Some(allowed), Ok(real)) if !allowed.iter().any(|root| real.starts_with(root)) => Err(denied()),
        // What lies outside is denied alike whether it exists or not: the answer must not tell.
        (Some(allowed), Err(_)) if !allowed.iter().any(|root| path.starts_with(root)) => Err(denied()),
        (_, Ok(real)) => Ok(real),
        (_, Err(cause)) => Err(format!("{shown}: {cause}")),
    }
}
