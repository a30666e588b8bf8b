//! Every endpoint, with what it needs, takes and answers: said once, for rights and for the OpenAPI document.
//!
//! Plain data. Invariant: an endpoint that is served stands here, for a test walks both ways; what does not stand here needs
//! the role of an admin over everything.

use axum::http::Method;

use crate::config::Role;

/// What a request touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing that belongs to a connector.
    Worker,
    /// The connector in the path.
    Connector,
    /// All connectors.
    Everything,
    /// The connectors in the body: their handler asks for each.
    Body,
    /// What another worker says: it signs the request, and its handler checks that.
    Signed,
}

/// A query parameter: its name, its type, what it is for.
pub(super) type Parameter = (&'static str, &'static str, &'static str);

/// One method of one path.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) role: Role,
    pub(super) over: Over,
    pub(super) query: &'static [Parameter],
    /// The schema of the body, if it has one.
    pub(super) body: Option<&'static str>,
    /// Statuses of success, each with the schema of its body; empty for none.
    pub(super) answers: &'static [(u16, &'static str)],
}

impl Endpoint {
    const fn new(method: &'static str, path: &'static str, summary: &'static str) -> Self {
        let (role, over) = (Role::Viewer, Over::Connector);
        Self { method, path, summary, role, over, query: &[], body: None, answers: &[] }
    }

    const fn needs(self, role: Role, over: Over) -> Self {
        Self { role, over, ..self }
    }

    const fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    const fn body(self, schema: &'static str) -> Self {
        Self { body: Some(schema), ..self }
    }

    const fn answers(self, answers: &'static [(u16, &'static str)]) -> Self {
        Self { answers, ..self }
    }
}

const EXPAND: &[Parameter] =
    &[("expand", "string", "What to add to each name: `status`, `info`; may be repeated")];
const RESTART: &[Parameter] = &[
    ("includeTasks", "boolean", "Restart the tasks as well"),
    ("onlyFailed", "boolean", "Restart only what failed"),
];
const CONNECTORS_ONLY: &[Parameter] =
    &[("connectorsOnly", "boolean", "Leave out all but connectors; true by default")];
const VERSION: &[Parameter] =
    &[("version", "string", "A version, a range in Maven's syntax, or `latest`; the latest by default")];
const LOGS: &[Parameter] = &[
    ("tail", "integer", "How many lines; 100 by default"),
    ("task", "integer", "Only lines of this task"),
    ("follow", "boolean", "Go on with the lines to come"),
];
const SCOPE: &[Parameter] = &[("scope", "string", "`worker` (default): this one; `cluster`: all of them")];
const APPLY: &[Parameter] = &[
    ("dryRun", "boolean", "Check, and say what would be done, but do nothing"),
    (
        "prune",
        "boolean",
        "Delete every connector that is not in the list; needs the role of an admin over all of them",
    ),
];

/// All of them.
pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new("GET", "/", "What this worker is")
        .needs(Role::Viewer, Over::Worker)
        .answers(&[(200, "WorkerInfo")]),
    Endpoint::new("GET", "/health", "Whether this worker can be used")
        .needs(Role::Viewer, Over::Worker)
        .answers(&[(200, "Health")]),
    Endpoint::new("GET", "/metrics", "All numbers, in Prometheus' text format")
        .needs(Role::Viewer, Over::Everything)
        .answers(&[(200, "text")]),
    Endpoint::new("GET", "/openapi.json", "This document")
        .needs(Role::Viewer, Over::Worker)
        .answers(&[(200, "object")]),
    Endpoint::new("GET", "/connectors", "The names of the connectors, or more of each")
        .needs(Role::Viewer, Over::Worker)
        .query(EXPAND)
        .answers(&[(200, "ConnectorList")]),
    Endpoint::new("POST", "/connectors", "Create a connector")
        .needs(Role::Admin, Over::Body)
        .body("CreateConnector")
        .answers(&[(201, "ConnectorInfo")]),
    Endpoint::new(
        "PUT",
        "/connectors",
        "Create or update many connectors, all or none, each only if that changes it",
    )
    .needs(Role::Admin, Over::Body)
    .query(APPLY)
    .body("ApplyConnectors")
    .answers(&[(200, "Applied")]),
    Endpoint::new("GET", "/connectors/{name}", "A connector as it is configured")
        .answers(&[(200, "ConnectorInfo")]),
    Endpoint::new("DELETE", "/connectors/{name}", "Delete a connector; its offsets stay")
        .needs(Role::Admin, Over::Connector)
        .answers(&[(204, "")]),
    Endpoint::new("GET", "/connectors/{name}/config", "A connector's configuration, secrets hidden")
        .answers(&[(200, "Config")]),
    Endpoint::new(
        "PUT",
        "/connectors/{name}/config",
        "Replace a connector's configuration, or create the connector",
    )
    .needs(Role::Admin, Over::Connector)
    .body("Config")
    .answers(&[(200, "ConnectorInfo"), (201, "ConnectorInfo")]),
    Endpoint::new(
        "PATCH",
        "/connectors/{name}/config",
        "Change some settings of a connector; null removes one",
    )
    .needs(Role::Admin, Over::Connector)
    .body("ConfigPatch")
    .answers(&[(200, "ConnectorInfo")]),
    Endpoint::new("GET", "/connectors/{name}/status", "What a connector and its tasks are doing")
        .answers(&[(200, "ConnectorStatus")]),
    Endpoint::new("POST", "/connectors/{name}/restart", "Restart a connector, and its tasks if asked for")
        .needs(Role::Operator, Over::Connector)
        .query(RESTART)
        .answers(&[(202, "ConnectorStatus"), (204, "")]),
    Endpoint::new("PUT", "/connectors/{name}/pause", "Keep a connector's tasks, but move nothing")
        .needs(Role::Operator, Over::Connector)
        .answers(&[(202, "")]),
    Endpoint::new("PUT", "/connectors/{name}/resume", "Let a paused or stopped connector run")
        .needs(Role::Operator, Over::Connector)
        .answers(&[(202, "")]),
    Endpoint::new(
        "PUT",
        "/connectors/{name}/stop",
        "Take a connector's tasks away, but keep its configuration",
    )
    .needs(Role::Operator, Over::Connector)
    .answers(&[(204, "")]),
    Endpoint::new("GET", "/connectors/{name}/tasks", "A connector's tasks and what they are told")
        .answers(&[(200, "TaskList")]),
    Endpoint::new("GET", "/connectors/{name}/logs", "The last log lines about a connector on this worker")
        .query(LOGS)
        .answers(&[(200, "text")]),
    Endpoint::new("POST", "/connectors/{name}/tasks", "Task configurations from another worker")
        .needs(Role::Admin, Over::Signed),
    Endpoint::new("PUT", "/connectors/{name}/fence", "Fence earlier tasks for another worker")
        .needs(Role::Admin, Over::Signed),
    Endpoint::new("GET", "/connectors/{name}/tasks/{task}/status", "What one task is doing")
        .answers(&[(200, "TaskStatus")]),
    Endpoint::new("POST", "/connectors/{name}/tasks/{task}/restart", "Restart one task")
        .needs(Role::Operator, Over::Connector)
        .answers(&[(204, "")]),
    Endpoint::new("GET", "/connectors/{name}/topics", "The topics that a connector has used")
        .answers(&[(200, "Topics")]),
    Endpoint::new("PUT", "/connectors/{name}/topics/reset", "Forget which topics a connector has used")
        .needs(Role::Operator, Over::Connector)
        .answers(&[(202, "")]),
    Endpoint::new("GET", "/connectors/{name}/offsets", "How far a connector got")
        .answers(&[(200, "Offsets")]),
    Endpoint::new("PATCH", "/connectors/{name}/offsets", "Set or forget offsets of a stopped connector")
        .needs(Role::Admin, Over::Connector)
        .body("Offsets")
        .answers(&[(200, "Message")]),
    Endpoint::new("DELETE", "/connectors/{name}/offsets", "Forget all offsets of a stopped connector")
        .needs(Role::Admin, Over::Connector)
        .answers(&[(200, "Message")]),
    // A signal can move the position, as PATCH of the offsets does, and brings conditions in SQL.
    Endpoint::new(
        "POST",
        "/connectors/{name}/signals",
        "Ask a connector's running tasks for something, such as a snapshot of some tables",
    )
    .needs(Role::Admin, Over::Connector)
    .body("Signal")
    .answers(&[(202, "SignalSent")]),
    Endpoint::new("GET", "/connector-plugins", "The plugins of this worker")
        .needs(Role::Viewer, Over::Worker)
        .query(CONNECTORS_ONLY)
        .answers(&[(200, "PluginList")]),
    Endpoint::new("GET", "/connector-plugins/{plugin}/config", "The options of a plugin")
        .needs(Role::Viewer, Over::Worker)
        .query(VERSION)
        .answers(&[(200, "ConfigKeyList")]),
    // Checking a configuration reaches out to whatever it names, with the worker's secrets.
    Endpoint::new(
        "PUT",
        "/connector-plugins/{plugin}/config/validate",
        "All that is wrong with a configuration",
    )
    .needs(Role::Admin, Over::Worker)
    .body("Config")
    .answers(&[(200, "ConfigInfos")]),
    Endpoint::new("GET", "/admin/loggers", "The loggers that have levels of their own")
        .needs(Role::Viewer, Over::Everything)
        .answers(&[(200, "Loggers")]),
    Endpoint::new("GET", "/admin/loggers/{logger}", "The level of a logger")
        .needs(Role::Viewer, Over::Everything)
        .answers(&[(200, "Logger")]),
    Endpoint::new("PUT", "/admin/loggers/{logger}", "Set the level of a logger and of those below it")
        .needs(Role::Admin, Over::Everything)
        .query(SCOPE)
        .body("Level")
        .answers(&[(200, "NameList"), (204, "")]),
];

/// What a request to a path that is served needs. HEAD is GET without the body.
pub(super) fn rights(method: &Method, path: &str) -> (Role, Over) {
    let path = if path == "/" { path } else { path.trim_end_matches('/') };
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let found = ENDPOINTS.iter().find(|endpoint| endpoint.method == method && endpoint.path == path);
    found.map_or((Role::Admin, Over::Everything), |endpoint| (endpoint.role, endpoint.over))
}
