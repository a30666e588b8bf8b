//! JsonConverter: `{"schema":..,"payload":..}` or plain JSON, byte for byte as Kafka Connect's `JsonConverter` writes it.
//!
//! Last before the broker and first behind it. Each schema is compiled once to an encoder, each schema text read once; both are kept
//! (`schemas.cache.size`). The invariant: with the same settings, what was written reads back as the same value.

mod decimal;
mod decoder;
mod encoder;
pub(crate) mod escape;
pub(crate) mod fault;
mod reader;
mod schema_read;
mod schema_text;
mod shared;

use api::configs::{config, config_enum};
use api::{Bytes, Converted, Converter, Error, Plugin, PluginKind, Props, SchemaAndValue, SchemaRef, Text};

use crate::VERSION;
use crate::cache::SchemaCache;
use crate::header::AsHeader;
use decoder::Decoder;
use encoder::{Encoder, Options};
use fault::Fault;
use reader::Reader;

const CLASS: &str = "org.apache.kafka.connect.json.JsonConverter";
const DOCUMENTATION: &str =
    "Writes and reads JSON, with the schema beside each value (`schemas.enable=true`) or without it.";

/// The converter of keys and values.
pub(crate) static PLUGIN: Plugin = Plugin {
    class: CLASS,
    aliases: &["json"],
    version: VERSION,
    documentation: DOCUMENTATION,
    config: JsonConverterConfig::definition,
    kind: PluginKind::Converter(|props, _is_key| Ok(Box::new(JsonConverter::new(props)?))),
};

/// The converter of headers.
pub(crate) static HEADER_PLUGIN: Plugin = Plugin {
    class: CLASS,
    aliases: &["json"],
    version: VERSION,
    documentation: DOCUMENTATION,
    config: JsonConverterConfig::definition,
    kind: PluginKind::HeaderConverter(|props| Ok(Box::new(AsHeader(JsonConverter::new(props)?)))),
};

config_enum! {
    /// How decimals are written.
    enum DecimalFormat {
        /// The unscaled bytes in base64.
        Base64 = "BASE64",
        /// A JSON number.
        Numeric = "NUMERIC",
    }
}

config! {
    /// Options of the JSON converter.
    struct JsonConverterConfig {
        /// Include schemas within each of the serialized values and keys.
        schemas_enable: bool = default("schemas.enable", true).importance(High).group("Schemas").width(Width::Medium).display_name("Enable Schemas");
        /// The maximum number of schemas that can be cached in this converter instance.
        schemas_cache_size: usize = default("schemas.cache.size", 1000).kind(ConfigType::Int).importance(High).group("Schemas").width(Width::Medium).display_name("Schema Cache Size");
        /// When set, this is used as the schema for all messages that are read, which then carry none of their own. Only with `schemas.enable`.
        schema_content: Option<String> = optional("schema.content").importance(High).group("Schemas").width(Width::Medium).display_name("Schema Content");
        /// How decimals are written: `BASE64` or `NUMERIC`, in any case. Both are read.
        decimal_format: DecimalFormat = default("decimal.format", DecimalFormat::Base64).importance(Low).group("Serialization").width(Width::Medium).display_name("Decimal Format");
        /// Whether null is written and read as the field's default, where it has one.
        replace_null_with_default: bool = default("replace.null.with.default", true).importance(Low).group("Serialization").width(Width::Medium).display_name("Replace null with default");
    }
}

/// See the module.
#[derive(Debug)]
struct JsonConverter {
    schemas_enable: bool,
    options: Options,
    decoder: Decoder,
    encoders: SchemaCache<Encoder>,
    schema_content: Option<SchemaRef>,
    schemas: SchemaTexts,
}

impl JsonConverter {
    fn new(props: &Props) -> Result<Self, Error> {
        let config =
            JsonConverterConfig::parse(props).map_err(|errors| Error::bad_config(errors.to_string()))?;
        let content = config.schema_content.filter(|content| !content.is_empty());
        let schema_content =
            content.map(|content| schema_read::read(&content)).transpose().map_err(|fault| {
                Error::bad_config("Invalid value for configuration schema.content: not a schema")
                    .with_source(fault.into_error())
            })?;
        let replace_null_with_default = config.replace_null_with_default;
        let decimals_numeric = config.decimal_format == DecimalFormat::Numeric;
        Ok(Self {
            schemas_enable: config.schemas_enable,
            options: Options { decimals_numeric, replace_null_with_default },
            decoder: Decoder { replace_null_with_default },
            encoders: SchemaCache::new(config.schemas_cache_size),
            schema_content: schema_content.flatten(),
            schemas: SchemaTexts { capacity: config.schemas_cache_size.max(1), known: Vec::new() },
        })
    }

    fn write(&mut self, datum: &SchemaAndValue, out: &mut Vec<u8>) -> Result<Converted, Fault> {
        let options = self.options;
        match &datum.schema {
            None if datum.value.is_null() => return Ok(Converted::Null),
            None if self.schemas_enable => {
                out.extend_from_slice(b"{\"schema\":null,\"payload\":");
                encoder::write_schemaless(&datum.value, options, out)?;
                out.push(b'}');
            }
            None => encoder::write_schemaless(&datum.value, options, out)?,
            Some(schema) => {
                let encoder = self.encoders.get_or_make(schema, |schema| Encoder::new(schema, options));
                if self.schemas_enable {
                    encoder.write_enveloped(&datum.value, out)?
                } else {
                    encoder.write(&datum.value, out)?
                }
            }
        }
        Ok(Converted::Bytes)
    }

    fn read(&mut self, text: &Text) -> Result<SchemaAndValue, Fault> {
        let mut reader = Reader::new(text);
        if !self.schemas_enable {
            if reader.peek().is_none() {
                return Ok(SchemaAndValue::NULL);
            }
            let value = reader.value()?;
            reader.finish()?;
            return Ok(SchemaAndValue::schemaless(value));
        }
        let (schema, payload) = match &self.schema_content {
            Some(schema) => (Some(SchemaRef::clone(schema)), reader.position()),
            None => self.envelope(text)?,
        };
        let mut reader = Reader::at(text, payload);
        let value = match &schema {
            Some(schema) => self.decoder.read(schema, &mut reader)?,
            None => reader.value()?,
        };
        if self.schema_content.is_some() {
            reader.finish()?;
        }
        Ok(SchemaAndValue { schema, value })
    }

    /// The schema, and where the payload starts.
    fn envelope(&mut self, text: &Text) -> Result<(Option<SchemaRef>, usize), Fault> {
        if let Some((schema, payload)) = self.schemas.prefixed(text) {
            let mut reader = Reader::at(text, payload);
            reader.skip()?;
            if reader.peek() == Some(b'}') {
                let end = Reader::at(text, reader.position() + 1).finish();
                return end.map(|()| (schema, payload));
            }
        }
        let (schema, payload) = split_envelope(text)?;
        let schema_text = text.get(schema).unwrap_or_default();
        Ok((self.schemas.get_or_read(schema_text)?, payload))
    }
}

/// Where the schema stands, and where the payload starts, in an object of exactly these two.
fn split_envelope(text: &Text) -> Result<(std::ops::Range<usize>, usize), Fault> {
    let not_enveloped = || {
        Fault::new(
            "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain additional fields. If you \
             are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.",
        )
    };
    let mut reader = Reader::new(text);
    if reader.peek() != Some(b'{') {
        return Err(reader.skip().err().unwrap_or_else(not_enveloped));
    }
    let (mut schema, mut payload, mut others) = (None, None, false);
    reader.object(|reader, key| {
        reader.peek();
        let start = reader.position();
        reader.skip()?;
        match &*key {
            "schema" => schema = Some(start..reader.position()),
            "payload" => payload = Some(start),
            _ => others = true,
        }
        Ok(())
    })?;
    reader.finish()?;
    match (schema, payload) {
        (Some(schema), Some(payload)) if !others => Ok((schema, payload)),
        _ => Err(not_enveloped()),
    }
}

/// Schemas by the text that said them, the last used first.
#[derive(Debug)]
struct SchemaTexts {
    capacity: usize,
    known: Vec<(Box<str>, Option<SchemaRef>)>,
}

impl SchemaTexts {
    /// The shortcut: the text starts as Connect writes it, with the schema that was read last.
    fn prefixed(&self, text: &str) -> Option<(Option<SchemaRef>, usize)> {
        let (known, schema) = self.known.first()?;
        let rest =
            text.strip_prefix("{\"schema\":")?.strip_prefix(&**known)?.strip_prefix(",\"payload\":")?;
        Some((schema.clone(), text.len() - rest.len()))
    }

    fn get_or_read(&mut self, text: &str) -> Result<Option<SchemaRef>, Fault> {
        if let Some(place) = self.known.iter().position(|(known, _)| **known == *text) {
            self.known[..=place].rotate_right(1);
        } else {
            let schema = schema_read::read(text)?;
            self.known.truncate(self.capacity - 1);
            self.known.insert(0, (text.into(), schema));
        }
        Ok(self.known.first().and_then(|(_, schema)| schema.clone()))
    }
}

impl Converter for JsonConverter {
    fn from_connect_data(
        &mut self,
        topic: &str,
        datum: &SchemaAndValue,
        buffer: &mut Vec<u8>,
    ) -> Result<Converted, Error> {
        let written = self.write(datum, buffer);
        written.map_err(|fault| fault.into_error().context(format!("cannot write JSON for topic {topic}")))
    }

    fn to_connect_data(&mut self, topic: &str, bytes: Option<Bytes>) -> Result<SchemaAndValue, Error> {
        let Some(bytes) = bytes else { return Ok(SchemaAndValue::NULL) };
        let context = || format!("cannot read JSON from topic {topic}");
        let text = Text::try_from(bytes).map_err(|cause| {
            Error::bad_record("the bytes are not UTF-8").with_source(cause).context(context())
        })?;
        self.read(&text).map_err(|fault| fault.into_error().context(context()))
    }
}

#[cfg(test)]
mod tests;
