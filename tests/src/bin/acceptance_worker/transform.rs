//! A transform that cannot transform some values: one that works when it is tried again, and one that never does.

use api::{Error, Plugin, PluginKind, Record, Result, Transform};
use configs::config;

config! {
    /// Options of the faulty transform.
    pub(crate) struct FaultyConfig {
        /// The value that fails a few times.
        flaky: String = default("flaky", "").importance(High);
        /// How often it does.
        failures: i64 = default("failures", 2).importance(High);
        /// The value that always fails.
        poison: String = default("poison", "").importance(High);
    }
}

/// See the file.
pub(crate) static FAULTY: Plugin = Plugin {
    class: "org.example.acceptance.FaultyTransform",
    aliases: &[],
    version: "7.3",
    documentation: "Fails.",
    config: FaultyConfig::definition,
    kind: PluginKind::Transform(|props| {
        let config = FaultyConfig::parse(props)
            .map_err(|errors| Error::bad_config("the faulty transform").with_source(errors))?;
        Ok(Box::new(Faulty { left: config.failures, config }))
    }),
};

struct Faulty {
    config: FaultyConfig,
    left: i64,
}

impl Transform for Faulty {
    fn apply(&mut self, record: Record) -> Result<Option<Record>> {
        let value = record.value.value.as_str().unwrap_or_default();
        if value == self.config.poison && !value.is_empty() {
            return Err(Error::bad_record("poison"));
        }
        if value == self.config.flaky && !value.is_empty() && self.left > 0 {
            self.left -= 1;
            return Err(Error::retriable("flaky"));
        }
        Ok(Some(record))
    }
}
