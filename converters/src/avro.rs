//! AvroConverter: Avro with a schema registry, byte for byte as Confluent's `io.confluent.connect.avro.AvroConverter` writes it.
//!
//! Last before the broker and first behind it. A datum is a zero byte, the schema's id in four bytes and the Avro data. Each schema is
//! compiled once for a topic, each id once; both are kept (`schemas.cache.config`). What has to be asked of the registry is asked
//! without waiting: the conversion fails, and [`Converter::pending`] says what for. The invariant: with the same settings, what was
//! written reads back as the same value.

mod anything;
mod compatibility;
mod config;
mod connect_json;
mod decoder;
mod default_value;
mod encoder;
mod from_connect;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod marks;
mod names;
mod options;
mod parse;
mod reading;
mod refused;
mod registry;
mod schema;
mod subject;
mod text;
mod to_connect;
mod wire;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use api::{Bytes, Converted, Converter, Error, Pending, Plugin, PluginKind, Props, SchemaAndValue};

use crate::VERSION;
use crate::json::fault::Fault;
use config::AvroConverterConfig;
use options::DataOptions;
use reading::Reading;
use registry::{Flight, Registry, Settings};
use subject::Strategy;
use writing::{Choice, Writing};

/// The first byte of a datum.
const MAGIC: u8 = 0;
/// The magic byte and the id.
const PREFIX_BYTES: usize = 5;

/// The converter of keys and values.
pub(crate) static PLUGIN: Plugin = Plugin {
    class: "io.confluent.connect.avro.AvroConverter",
    aliases: &["avro"],
    version: VERSION,
    documentation: "Writes and reads Avro, with the schemas in a schema registry that speaks the API of Confluent's.",
    config: config::definition,
    kind: PluginKind::Converter(|props, is_key| Ok(Box::new(AvroConverter::new(props, is_key)?))),
};

/// See the module.
#[derive(Debug)]
struct AvroConverter {
    writing: Writing,
    reading: Reading,
    pending: Option<Flight>,
}

/// What both directions know.
#[derive(Debug)]
struct Common {
    options: DataOptions,
    is_key: bool,
    strategy: Strategy,
    use_latest: bool,
    latest_ttl: Option<Duration>,
    cache_size: usize,
    registry: Arc<Registry>,
}

/// Why a conversion is not done.
#[derive(Debug)]
enum Obstacle {
    Fault(Fault),
    Error(Error),
    /// The registry is being asked.
    Asking(Flight),
}

impl From<Fault> for Obstacle {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl AvroConverter {
    fn new(props: &Props, is_key: bool) -> Result<Self, Error> {
        let said = |errors: api::configs::ConfigErrors| Error::bad_config(errors.to_string());
        let config = AvroConverterConfig::parse(props).map_err(said)?;
        let registry = Registry::shared(Settings::new(&config, props).map_err(said)?)?;
        let common = Arc::new(Common {
            options: DataOptions::of(&config),
            is_key,
            strategy: Strategy::of(if is_key { &config.key_strategy } else { &config.value_strategy }),
            use_latest: config.use_latest,
            latest_ttl: config.latest_ttl(),
            cache_size: config.cache_size,
            registry,
        });
        let writing = Writing::new(Arc::clone(&common), Choice::of(&config));
        Ok(Self { writing, reading: Reading::new(common), pending: None })
    }

    fn failed(&mut self, obstacle: Obstacle, context: String) -> Error {
        let error = match obstacle {
            Obstacle::Fault(fault) => fault.into_error(),
            Obstacle::Error(error) => error,
            Obstacle::Asking(flight) => {
                self.pending = Some(flight);
                Error::retriable("the schema registry is being asked")
            }
        };
        error.context(context)
    }
}

impl Converter for AvroConverter {
    fn from_connect_data(
        &mut self,
        topic: &str,
        datum: &SchemaAndValue,
        buffer: &mut Vec<u8>,
    ) -> Result<Converted, Error> {
        self.pending = None;
        match self.writing.write(topic, datum, buffer) {
            Ok(true) => Ok(Converted::Bytes),
            Ok(false) => Ok(Converted::Null),
            Err(obstacle) => Err(self.failed(obstacle, format!("cannot write Avro for topic {topic}"))),
        }
    }

    fn to_connect_data(&mut self, topic: &str, bytes: Option<Bytes>) -> Result<SchemaAndValue, Error> {
        self.pending = None;
        let Some(bytes) = bytes else { return Ok(SchemaAndValue::NULL) };
        match self.reading.read(topic, &bytes) {
            Ok(datum) => Ok(datum),
            Err(obstacle) => Err(self.failed(obstacle, format!("cannot read Avro from topic {topic}"))),
        }
    }

    fn pending(&mut self) -> Option<Pending> {
        let flight = self.pending.take()?;
        Some(Box::pin(flight.landed()))
    }
}

#[cfg(test)]
mod tests;
