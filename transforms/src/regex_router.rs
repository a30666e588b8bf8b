//! RegexRouter: gives a record another topic, by a regular expression.

use api::configs::config;
use api::{Plugin, PluginKind, Props, Record, Result, Transform};

use crate::java_regex::{JavaRegex, Replacement};
use crate::{VERSION, bad_config};

/// The transform.
pub(crate) static PLUGIN: Plugin = Plugin {
    class: "org.apache.kafka.connect.transforms.RegexRouter",
    aliases: &[],
    version: VERSION,
    documentation: "Changes the topic of records whose topic's whole name matches a regular expression.",
    config: RegexRouterConfig::definition,
    kind: PluginKind::Transform(|props| Ok(Box::new(RegexRouter::new(props)?))),
};

config! {
    /// Options of RegexRouter.
    struct RegexRouterConfig {
        /// Regular expression to use for matching.
        regex: String = required("regex").importance(High).check(regex());
        /// Replacement string.
        replacement: String = required("replacement").importance(High);
    }
}

/// See the module.
#[derive(Debug)]
struct RegexRouter {
    regex: JavaRegex,
    replacement: Replacement,
}

impl RegexRouter {
    fn new(props: &Props) -> Result<Self> {
        let config = RegexRouterConfig::parse(props).map_err(bad_config)?;
        let regex = JavaRegex::new("regex", &config.regex)?;
        let replacement = Replacement::new("replacement", &config.replacement, &regex)?;
        Ok(Self { regex, replacement })
    }
}

impl Transform for RegexRouter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if self.regex.matches(&record.topic)? {
            record.topic = self.regex.replace_first(&record.topic, &self.replacement)?.into();
        }
        Ok(Some(record))
    }
}
