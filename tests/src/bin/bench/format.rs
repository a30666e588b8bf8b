//! The forms in which captured rows stand in the topics: which converter both sides get, and with which settings.

use anyhow::Result;
use clap::ValueEnum;
use harness::registry::Registry;
use serde_json::{Value, json};

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// JSON without schemas.
    Json,
    /// JSON with the schemas in each record.
    JsonWithSchemas,
    /// Avro, with a schema registry.
    Avro,
}

/// The converter of both sides, and the registry that it needs.
#[derive(Debug)]
pub(crate) struct Converter {
    format: Format,
    registry: Option<Registry>,
}

impl Converter {
    /// The converter of a form; for Avro, starts a registry.
    pub(crate) async fn prepare(format: Format) -> Result<Self> {
        let registry = match format {
            Format::Avro => Some(Registry::start().await?),
            Format::Json | Format::JsonWithSchemas => None,
        };
        Ok(Self { format, registry })
    }

    /// The Java class name.
    pub(crate) const fn class(&self) -> &'static str {
        match self.format {
            Format::Json | Format::JsonWithSchemas => "org.apache.kafka.connect.json.JsonConverter",
            Format::Avro => "io.confluent.connect.avro.AvroConverter",
        }
    }

    /// Whether each record holds its schemas.
    pub(crate) fn schemas_enable(&self) -> bool {
        self.format == Format::JsonWithSchemas
    }

    /// Where the registry is, if there is one.
    pub(crate) fn registry_url(&self) -> Option<String> {
        self.registry.as_ref().map(Registry::url)
    }

    /// Has a connector use it, for keys and values.
    pub(crate) fn set_in(&self, config: &mut Value) {
        for side in ["key", "value"] {
            config[format!("{side}.converter")] = json!(self.class());
            match self.registry_url() {
                Some(url) => config[format!("{side}.converter.schema.registry.url")] = json!(url),
                None => {
                    let schemas = self.schemas_enable().to_string();
                    config[format!("{side}.converter.schemas.enable")] = json!(schemas);
                }
            }
        }
    }
}
