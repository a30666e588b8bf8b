//! Are the plugins that a connector names there, of the right kind, and content with their options?
//!
//! Runs plugin code (the functions that make a transform, predicate or converter), so only behind [`super::PluginCalls`].
//! Invariant: a plugin is made only from options whose declared checks have passed, and the made one is thrown away.

use api::{PluginKind, Registry};
use configs::{Props, strip_prefix};

use super::answer::ConfigInfos;
use super::definition::{CONVERTERS, NamedPlugin};

/// Checks every named plugin, and writes what is wrong into the answer.
pub(super) fn check(registry: &Registry, named: &[NamedPlugin], props: &Props, infos: &mut ConfigInfos) {
    for (option, kind) in CONVERTERS {
        infos.recommend(option, classes(registry, kind));
    }
    for plugin in named {
        infos.recommend(&plugin.option, classes(registry, plugin.kind));
        if plugin.class.is_empty() && !props.contains_key(&plugin.option) {
            continue;
        }
        match find(registry, plugin) {
            Ok(kind) => made(plugin, kind, props, infos),
            Err(reason) => {
                infos.show(&plugin.option, None);
                infos.add(&plugin.option, reason);
            }
        }
        if plugin.kind == "transformation" {
            check_predicate(plugin, props, infos);
        }
    }
}

/// The classes of a kind, for forms.
fn classes(registry: &Registry, kind: &str) -> Vec<String> {
    let of_kind = registry.plugins().iter().filter(|plugin| plugin.kind.name() == kind);
    of_kind.map(|plugin| plugin.class.to_owned()).collect()
}

/// The kind of the plugin that is named, or what is wrong with the name.
fn find(registry: &Registry, named: &NamedPlugin) -> Result<PluginKind, String> {
    if let Ok(plugin) = registry.find(&[named.kind], &named.class) {
        return Ok(plugin.kind);
    }
    let NamedPlugin { class, option, .. } = named;
    if let Some(other) = registry.plugins().iter().find(|plugin| plugin.answers_to(class)) {
        return Err(format!(
            "Class {} does not implement the {} interface",
            other.class,
            interface(named.kind)
        ));
    }
    let variants: Vec<&str> = [format!("{class}$Key"), format!("{class}$Value")]
        .iter()
        .filter_map(|variant| registry.find(&[named.kind], variant).ok())
        .map(|plugin| plugin.class)
        .collect();
    if variants.is_empty() {
        return Err(format!(
            "Invalid value {class} for configuration {option}: Class {class} could not be found."
        ));
    }
    Err(format!("This class is abstract and cannot be created. Did you mean {}?", variants.join(", ")))
}

/// Connect's interface of a kind.
fn interface(kind: &str) -> &str {
    match kind {
        "transformation" => "Transformation",
        "predicate" => "Predicate",
        "header_converter" => "HeaderConverter",
        _ => "Converter",
    }
}

/// Makes the plugin from its own options, unless they are known to be wrong.
fn made(named: &NamedPlugin, kind: PluginKind, props: &Props, infos: &mut ConfigInfos) {
    if infos.has_error(&named.prefix) {
        return;
    }
    let mut own = strip_prefix(props, &named.prefix);
    own.retain(|name, _| !["type", "predicate", "negate", "plugin.version"].contains(&name.as_str()));
    let outcome = match kind {
        PluginKind::Transform(make) => make(&own).map(drop),
        PluginKind::Predicate(make) => make(&own).map(drop),
        PluginKind::Converter(make) => make(&own, named.option == "key.converter").map(drop),
        PluginKind::HeaderConverter(make) => make(&own).map(drop),
        PluginKind::Source(_) | PluginKind::Sink(_) => Ok(()),
    };
    if let Err(error) = outcome {
        infos.add(
            &named.option,
            format!("Invalid value {} for configuration {}: {error}", named.class, named.option),
        );
    }
}

/// A predicate must be defined to be asked, and given to be negated.
fn check_predicate(transform: &NamedPlugin, props: &Props, infos: &mut ConfigInfos) {
    let (predicate, negate) =
        (format!("{}predicate", transform.prefix), format!("{}negate", transform.prefix));
    if props.contains_key(&negate) && !props.contains_key(&predicate) {
        infos.add(
            &transform.option,
            format!("Config '{negate}' was provided but there is no config '{predicate}' defining a predicate to be negated."),
        );
    }
    let Some(alias) = props.get(&predicate).map(|alias| alias.trim()).filter(|alias| !alias.is_empty())
    else {
        return;
    };
    let defined =
        props.get("predicates").is_some_and(|list| list.split(',').any(|known| known.trim() == alias));
    if !defined {
        infos.add(
            &predicate,
            format!("Invalid value {alias} for configuration {predicate}: no predicate has this alias; add it to predicates"),
        );
    }
}
