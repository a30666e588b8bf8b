//! TimestampRouter: gives a record a topic that says when it was, such as one topic a day.
//!
//! The forms are those of Java's `SimpleDateFormat` in UTC. A letter that we do not know is an error when the transform is made, never a
//! topic's name that nobody expected.

use api::configs::config;
use api::{Error, Plugin, PluginKind, Props, Record, Result, Transform};

use crate::simple_date_format::SimpleDateFormat;
use crate::{VERSION, bad_config};

/// The transform.
pub(crate) static PLUGIN: Plugin = Plugin {
    class: "org.apache.kafka.connect.transforms.TimestampRouter",
    aliases: &[],
    version: VERSION,
    documentation: "Changes the record's topic as a function of the original topic and the record's timestamp.",
    config: TimestampRouterConfig::definition,
    kind: PluginKind::Transform(|props| Ok(Box::new(TimestampRouter::new(props)?))),
};

config! {
    /// Options of TimestampRouter.
    struct TimestampRouterConfig {
        /// Format string which can contain `${topic}` and `${timestamp}` as placeholders for the topic and timestamp, respectively.
        topic_format: String = default("topic.format", "${topic}-${timestamp}").importance(High);
        /// Format string for the timestamp as in Java's `SimpleDateFormat`, of the letters y, M, d, H, h, m, s, S, a, E, z, Z, X and quoted text.
        timestamp_format: String = default("timestamp.format", "yyyyMMdd").importance(High);
    }
}

/// See the module.
#[derive(Debug)]
struct TimestampRouter {
    topic_format: String,
    timestamp_format: SimpleDateFormat,
}

impl TimestampRouter {
    fn new(props: &Props) -> Result<Self> {
        let config = TimestampRouterConfig::parse(props).map_err(bad_config)?;
        let format = &config.timestamp_format;
        let timestamp_format = SimpleDateFormat::new(format, 0).map_err(|reason| {
            Error::bad_config(format!("Invalid value {format} for configuration timestamp.format: {reason}"))
        })?;
        Ok(Self { topic_format: config.topic_format, timestamp_format })
    }
}

impl Transform for TimestampRouter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let Some(timestamp) = record.timestamp else {
            return Err(Error::bad_record(format!("Timestamp missing on record: topic {}", record.topic)));
        };
        let named = self.topic_format.replace("${topic}", &record.topic);
        record.topic = named.replace("${timestamp}", &self.timestamp_format.format(timestamp)).into();
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{applied, transform};

    const CLASS: &str = "TimestampRouter";

    fn routed(said: &[(&str, &str)], timestamp: i64) -> String {
        let record = Record { topic: "topic".into(), timestamp: Some(timestamp), ..Record::default() };
        applied(CLASS, said, record).expect("it applies").expect("it stays").topic.to_string()
    }

    /// The expected names are those of Kafka Connect 4.3.
    #[test]
    fn topics_say_when_the_record_was() {
        let at = 1_234_567_890_123;
        assert_eq!(routed(&[], at), "topic-20090213");
        assert_eq!(routed(&[], 0), "topic-19700101");
        assert_eq!(routed(&[], -1), "topic-19691231");
        let all = [
            ("topic.format", "${timestamp}.${topic}.${topic}"),
            ("timestamp.format", "yy-M-d'T'HH''mm:ss.SSS y"),
        ];
        assert_eq!(routed(&all, at), "09-2-13T23'31:30.123 2009.topic.topic");
        assert_eq!(routed(&[("timestamp.format", "dd''''")], at), "topic-13''");
        assert_eq!(routed(&[("timestamp.format", "'it''s'H")], at), "topic-it's23");
        assert_eq!(routed(&[("timestamp.format", "MMM")], at), "topic-Feb");
    }

    #[test]
    fn what_cannot_be_written_is_told_at_once() {
        for (format, reason) in [("yyyyQ", "Illegal pattern character 'Q'"), ("'x", "Unterminated quote")] {
            let error = transform(CLASS, &[("timestamp.format", format)]).err();
            assert_eq!(
                error,
                Some(format!("Invalid value {format} for configuration timestamp.format: {reason}"))
            );
        }
        let error = applied(CLASS, &[], Record { topic: "t".into(), ..Record::default() });
        assert_eq!(error, Err("Timestamp missing on record: topic t".to_owned()));
    }
}
