//! The JSON of answers, field by field as Kafka Connect 4.3 writes it.
//!
//! From the herder's plain data; secrets are hidden before they come here. Invariant: clients of Kafka Connect (Strimzi, kcctl,
//! Terraform, consoles) read these without noticing.

use configs::{ConfigKey, DefaultValue, Props};
use serde::Serialize;

use super::health_view::CareView;
use crate::herder::{ConnectorInfo, ConnectorStatus, Health, TaskId, TaskStatus};
use crate::validation::{ConfigInfo, ConfigInfos};

/// `GET /connectors/{name}`.
#[derive(Debug, Serialize)]
pub(super) struct InfoView {
    name: String,
    config: Props,
    tasks: Vec<TaskIdView>,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// A task's id.
#[derive(Debug, Serialize)]
pub(super) struct TaskIdView {
    connector: String,
    task: u32,
}

impl From<TaskId> for TaskIdView {
    fn from(id: TaskId) -> Self {
        Self { connector: id.connector, task: id.task }
    }
}

impl InfoView {
    /// Shows a connector with this configuration in place of its own.
    pub(super) fn of(info: ConnectorInfo, shown: Props) -> Self {
        let tasks = info.tasks.into_iter().map(TaskIdView::from).collect();
        Self { name: info.name, config: shown, tasks, kind: info.kind.name() }
    }
}

/// `GET /connectors/{name}/status`.
#[derive(Debug, Serialize)]
pub(super) struct StatusView {
    name: String,
    connector: StateView,
    tasks: Vec<TaskStateView>,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Ours: the connector and its tasks in one word.
    health: &'static str,
}

/// A connector's state.
#[derive(Debug, Serialize)]
pub(super) struct StateView {
    state: &'static str,
    worker_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(flatten)]
    care: CareView,
}

/// A task's state.
#[derive(Debug, Serialize)]
pub(super) struct TaskStateView {
    id: u32,
    state: &'static str,
    worker_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(flatten)]
    care: CareView,
}

impl StatusView {
    /// Shows a status; the version is that of the connector's plugin, if the worker knows it.
    pub(super) fn of(status: ConnectorStatus, version: Option<&'static str>) -> Self {
        let health = Health::of(&status).name();
        let trace = status.trace.filter(|trace| !trace.is_empty());
        let care = CareView::of_connector(status.care);
        let connector =
            StateView { state: status.state.name(), worker_id: status.worker_id, version, trace, care };
        let tasks = status.tasks.into_iter().map(|task| TaskStateView::of(task, version)).collect();
        Self { name: status.name, connector, tasks, kind: status.kind.name(), health }
    }
}

impl TaskStateView {
    /// Shows a task's status.
    pub(super) fn of(status: TaskStatus, version: Option<&'static str>) -> Self {
        let care = CareView::of_task(&status);
        let trace = status.trace.filter(|trace| !trace.is_empty());
        Self { id: status.id, state: status.state.name(), worker_id: status.worker_id, version, trace, care }
    }
}

/// One task of `GET /connectors/{name}/tasks`.
#[derive(Debug, Serialize)]
pub(super) struct TaskView {
    /// Which.
    pub id: TaskIdView,
    /// What it is told, secrets hidden.
    pub config: Props,
}

/// `ConfigKeyInfo`: an option.
#[derive(Debug, Serialize)]
pub(super) struct KeyView {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    required: bool,
    default_value: Option<String>,
    importance: &'static str,
    documentation: String,
    group: Option<String>,
    order_in_group: i32,
    width: &'static str,
    display_name: String,
    dependents: Vec<String>,
}

impl From<&ConfigKey> for KeyView {
    fn from(key: &ConfigKey) -> Self {
        let default_value = match &key.default {
            DefaultValue::Text(text) => Some(text.clone().into_owned()),
            DefaultValue::Required | DefaultValue::Null => None,
        };
        Self {
            name: key.name.clone().into_owned(),
            kind: key.kind.as_str(),
            required: key.default == DefaultValue::Required,
            default_value,
            importance: key.importance.as_str(),
            documentation: key.documentation.clone().into_owned(),
            group: key.group.clone().map(Into::into),
            order_in_group: key.order,
            width: key.width.as_str(),
            display_name: key.display_name.clone().into_owned(),
            dependents: key.dependents.iter().map(ToString::to_string).collect(),
        }
    }
}

/// `ConfigInfos`: the answer of a validation.
#[derive(Debug, Serialize)]
pub(super) struct InfosView {
    name: String,
    error_count: usize,
    groups: Vec<String>,
    configs: Vec<ConfigView>,
    /// Ours: unknown names with a suggestion, settings without effect. Left out when there is nothing to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// An option and what was said for it.
#[derive(Debug, Serialize)]
struct ConfigView {
    definition: Option<KeyView>,
    value: ValueView,
}

/// What was said for an option.
#[derive(Debug, Serialize)]
struct ValueView {
    name: String,
    value: Option<String>,
    recommended_values: Vec<String>,
    errors: Vec<String>,
    visible: bool,
}

impl From<ConfigInfos> for InfosView {
    fn from(infos: ConfigInfos) -> Self {
        let error_count = infos.error_count();
        let configs = infos.configs.into_iter().map(ConfigView::from).collect();
        Self { name: infos.name, error_count, groups: infos.groups, configs, warnings: infos.warnings }
    }
}

impl From<ConfigInfo> for ConfigView {
    fn from(info: ConfigInfo) -> Self {
        let value = ValueView {
            name: info.value.name,
            value: info.value.value,
            recommended_values: info.value.recommended_values,
            errors: info.value.errors,
            visible: info.value.visible,
        };
        Self { definition: info.definition.as_ref().map(KeyView::from), value }
    }
}
