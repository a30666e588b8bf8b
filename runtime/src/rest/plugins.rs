//! `/connector-plugins`: what a connector can be made of, and whether a configuration would do.
//!
//! Answered by this worker alone, from its registry. Invariant: a class, its simple name and its alias name the same plugin.

use api::{Plugin, PluginKind};
use axum::Json;
use axum::extract::State;
use configs::ConfigDef;
use serde::Serialize;

use super::RestState;
use super::body::Settings;
use super::error::Failure;
use super::name::{Asked, Name};
use super::views::{InfosView, KeyView};
use crate::herder::HerderErrorKind;
use crate::validation::{SaidConfig, base_definition, version};

/// A plugin of `GET /connector-plugins`.
#[derive(Debug, Serialize)]
pub(super) struct PluginView {
    class: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    version: &'static str,
}

/// `GET /connector-plugins`
pub(super) async fn list(
    State(rest): State<RestState>,
    asked: Asked,
) -> Result<Json<Vec<PluginView>>, Failure> {
    let connectors_only = asked.flag_or("connectorsOnly", true)?;
    let mut plugins: Vec<&Plugin> = rest.validator.registry().plugins().to_vec();
    plugins.retain(|plugin| {
        !connectors_only || matches!(plugin.kind, PluginKind::Source(_) | PluginKind::Sink(_))
    });
    plugins.sort_by_key(|plugin| (rank(plugin.kind), plugin.class));
    let view = |plugin: &Plugin| PluginView {
        class: plugin.class,
        kind: plugin.kind.name(),
        version: plugin.version,
    };
    Ok(Json(plugins.into_iter().map(view).collect()))
}

/// Connect's order of the kinds.
const fn rank(kind: PluginKind) -> u8 {
    match kind {
        PluginKind::Sink(_) => 0,
        PluginKind::Source(_) => 1,
        PluginKind::Transform(_) => 2,
        PluginKind::Predicate(_) => 3,
        PluginKind::Converter(_) => 4,
        PluginKind::HeaderConverter(_) => 5,
    }
}

/// `GET /connector-plugins/{plugin}/config` (KIP-769, its `version` KIP-891): its own options first, then those of its kind.
pub(super) async fn config(
    State(rest): State<RestState>,
    Name(name): Name,
    asked: Asked,
) -> Result<Json<Vec<KeyView>>, Failure> {
    let plugin = find(&rest, &name).ok_or_else(|| Failure::not_found(format!("Unknown plugin {name}.")))?;
    let version = asked.values("version").last().unwrap_or_default();
    if !version::satisfies(plugin.version, version).map_err(Failure::bad_request)? {
        let message = format!(
            "Plugin {name} was asked for in version {version}, but is built in as {} only",
            plugin.version
        );
        return Err(Failure::bad_request(message));
    }
    let own: ConfigDef = (plugin.config)().clone();
    let options = own.merge(&base_definition(plugin));
    Ok(Json(options.keys().iter().map(KeyView::from).collect()))
}

/// `PUT /connector-plugins/{plugin}/config/validate`
pub(super) async fn validate(
    State(rest): State<RestState>,
    Name(name): Name,
    Settings(mut said): Settings,
) -> Result<Json<InfosView>, Failure> {
    if let Some(Some(class)) = said.get("connector.class") {
        let included = class.trim();
        let same = match (find(&rest, included), find(&rest, &name)) {
            (Some(included), Some(requested)) => std::ptr::eq(included, requested),
            _ => included == name,
        };
        if !same {
            let message = format!("Included connector type {included} does not match request type {name}");
            return Err(Failure::bad_request(message));
        }
    }
    restore(&rest, &mut said).await;
    let validation = rest.validator.validate(said);
    match tokio::time::timeout(rest.request_timeout, validation).await {
        Ok(infos) => Ok(Json(infos?.into())),
        Err(_) => Err(rest.timed_out().await),
    }
}

/// A form that was filled from a stored configuration sends masks back: the stored values take their place.
async fn restore(rest: &RestState, said: &mut SaidConfig) {
    let masked = |text: &Option<String>| text.as_deref() == Some(configs::HIDDEN);
    let Some(name) = said.get("name").cloned().flatten().filter(|_| said.values().any(masked)) else {
        return;
    };
    let stored = match tokio::time::timeout(rest.request_timeout, rest.herder.config(&name)).await {
        Ok(Ok(stored)) => stored,
        Ok(Err(error)) if error.kind == HerderErrorKind::NotFound => return,
        outcome => {
            return tracing::warn!("the stored configuration of {name} could not be read: {outcome:?}");
        }
    };
    for (option, text) in said.iter_mut().filter(|(_, text)| masked(text)) {
        if let Some(secret) = stored.get(option) {
            *text = Some(secret.clone());
        }
    }
}

fn find(rest: &RestState, name: &str) -> Option<&'static Plugin> {
    rest.validator.registry().plugins().iter().copied().find(|plugin| plugin.answers_to(name))
}
