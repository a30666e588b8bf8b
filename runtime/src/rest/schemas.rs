//! The shapes of requests and answers, as JSON Schema, for the OpenAPI document.
//!
//! Plain data beside `views` and `body`, which write and read them; a test holds what is answered to it.

use serde_json::{Value, json};

/// All of them, by name.
pub(super) fn all() -> Value {
    let mut all = requests();
    for more in [answers(), of_plugins()] {
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
    }
    all
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn list(of: &Value) -> Value {
    json!({"type": "array", "items": of})
}

fn named(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn text_or_null() -> Value {
    json!({"type": ["string", "null"]})
}

fn requests() -> Value {
    let scalar = json!({"type": ["string", "number", "boolean"]});
    let creation = object(
        json!({
            "name": text(),
            "config": named("Config"),
            "initial_state": {"type": ["string", "null"], "description": "RUNNING (default), PAUSED or STOPPED, in any case"},
            "initial_offsets": {"type": ["array", "null"], "items": named("Offset")},
        }),
        &["config"],
    );
    json!({
        "Config": {"type": "object", "additionalProperties": scalar},
        "ConfigPatch": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}},
        "CreateConnector": creation,
        "ApplyConnectors": list(&named("CreateConnector")),
        "Offsets": object(json!({"offsets": list(&named("Offset"))}), &["offsets"]),
        "Offset": object(
            json!({
                "partition": {"type": "object", "description": "Which part of the source; for a sink kafka_topic and kafka_partition"},
                "offset": {"type": ["object", "null"], "description": "How far; null forgets it"},
            }),
            &["partition"],
        ),
        "Signal": object(
            json!({
                "id": {"type": ["string", "null"], "description": "A name for it; a random one by default"},
                "type": {"type": "string", "description": "What is asked for, such as execute-snapshot"},
                "data": {"type": ["object", "null"], "description": "With what"},
            }),
            &["type"],
        ),
        "Level": {"type": "object", "properties": {"level": text()}, "required": ["level"]},
    })
}

fn state(id: bool) -> Value {
    let mut properties = json!({
        "state": {"enum": ["UNASSIGNED", "RUNNING", "PAUSED", "FAILED", "RESTARTING", "STOPPED"]},
        "worker_id": text(), "version": text(), "trace": text(),
    });
    if id {
        properties["id"] = json!({"type": "integer"});
    }
    // Supervision may say more of what failed.
    json!({"type": "object", "properties": properties, "required": ["state", "worker_id"]})
}

fn answers() -> Value {
    let kind = json!({"enum": ["source", "sink", "unknown"]});
    let task_id = object(json!({"connector": text(), "task": {"type": "integer"}}), &["connector", "task"]);
    let logger = object(
        json!({"level": text(), "last_modified": {"type": ["integer", "null"]}}),
        &["level", "last_modified"],
    );
    json!({
        "Error": object(
            json!({
                "error_code": {"type": "integer", "description": "The status"},
                "message": text(),
                "code": {"type": "string", "description": "What programs tell it by, such as already_exists"},
                "connectors": {"$ref": "#/components/schemas/Applied", "description": "Of PUT /connectors: what is wrong with which"},
            }),
            &["error_code", "message", "code"],
        ),
        "WorkerInfo": object(
            json!({"version": text(), "commit": text(), "kafka_cluster_id": text()}),
            &["version", "commit", "kafka_cluster_id"],
        ),
        "Health": object(
            json!({"status": {"enum": ["healthy", "starting", "unhealthy"]}, "message": text()}),
            &["status", "message"],
        ),
        "NameList": list(&text()),
        "ConnectorList": {"oneOf": [
            named("NameList"),
            {"type": "object", "additionalProperties": object(
                json!({"status": named("ConnectorStatus"), "info": named("ConnectorInfo")}), &[],
            )},
        ]},
        "ConnectorInfo": object(
            json!({"name": text(), "config": named("Config"), "tasks": list(&task_id), "type": kind}),
            &["name", "config", "tasks", "type"],
        ),
        "ConnectorStatus": {
            "type": "object",
            "properties": {"name": text(), "connector": state(false), "tasks": list(&named("TaskStatus")), "type": kind},
            "required": ["name", "connector", "tasks", "type"],
        },
        "TaskStatus": state(true),
        "TaskList": list(&object(json!({"id": task_id, "config": named("Config")}), &["id", "config"])),
        "Topics": {"type": "object", "additionalProperties": object(json!({"topics": named("NameList")}), &["topics"])},
        "SignalSent": object(json!({"id": text(), "topic": text()}), &["id", "topic"]),
        "Message": object(json!({"message": text()}), &["message"]),
        "Applied": list(&object(
            json!({
                "name": text(),
                "outcome": {"enum": ["created", "updated", "unchanged", "deleted", "failed", "skipped"]},
                "error": named("Error"),
            }),
            &["name", "outcome"],
        )),
        "Loggers": {"type": "object", "additionalProperties": named("Logger")},
        "Logger": logger,
    })
}

fn of_plugins() -> Value {
    let kinds = ["source", "sink", "transformation", "predicate", "converter", "header_converter"];
    let plugin =
        object(json!({"class": text(), "type": {"enum": kinds}, "version": text()}), &["class", "type"]);
    let key = object(
        json!({
            "name": text(), "type": text(), "required": {"type": "boolean"}, "default_value": text_or_null(),
            "importance": text(), "documentation": text(), "group": text_or_null(), "order_in_group": {"type": "integer"},
            "width": text(), "display_name": text(), "dependents": named("NameList"),
        }),
        &["name", "type", "required"],
    );
    let value = object(
        json!({
            "name": text(), "value": text_or_null(), "recommended_values": list(&text_or_null()),
            "errors": named("NameList"), "visible": {"type": "boolean"},
        }),
        &["name", "errors"],
    );
    let config = object(
        json!({"definition": {"oneOf": [named("ConfigKey"), {"type": "null"}]}, "value": value}),
        &["definition", "value"],
    );
    json!({
        "PluginList": list(&plugin),
        "ConfigKey": key,
        "ConfigKeyList": list(&named("ConfigKey")),
        "ConfigInfos": object(
            json!({
                "name": text(), "error_count": {"type": "integer"}, "groups": named("NameList"),
                "configs": list(&config), "warnings": named("NameList"),
            }),
            &["name", "error_count", "groups", "configs"],
        ),
    })
}
