//! TimestampRouter: gives a record a topic that says when it was, such as one topic a day.
//!
//! The forms are those of Java's `SimpleDateFormat` in UTC: years, months, days, hours, minutes, seconds and milliseconds as numbers, and
//! quoted text. Another letter is an error when the transform is made, never a topic's name that nobody expected.

use api::configs::config;
use api::{Error, Plugin, PluginKind, Props, Record, Result, Transform};

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
        /// Format string for the timestamp as in Java's `SimpleDateFormat`, of the letters y, M, d, H, m, s, S and quoted text.
        timestamp_format: String = default("timestamp.format", "yyyyMMdd").importance(High);
    }
}

/// See the module.
#[derive(Debug)]
struct TimestampRouter {
    topic_format: String,
    parts: Vec<Part>,
}

/// One part of the timestamp's format.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(char),
    /// A letter and how often it stands there.
    Number(char, usize),
}

impl TimestampRouter {
    fn new(props: &Props) -> Result<Self> {
        let config = TimestampRouterConfig::parse(props).map_err(bad_config)?;
        let format = &config.timestamp_format;
        let parts = parse(format).map_err(|reason| {
            Error::bad_config(format!("Invalid value {format} for configuration timestamp.format: {reason}"))
        })?;
        Ok(Self { topic_format: config.topic_format, parts })
    }
}

impl Transform for TimestampRouter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let Some(timestamp) = record.timestamp else {
            return Err(Error::bad_record(format!("Timestamp missing on record: topic {}", record.topic)));
        };
        let named = self.topic_format.replace("${topic}", &record.topic);
        record.topic = named.replace("${timestamp}", &written(&self.parts, timestamp)).into();
        Ok(Some(record))
    }
}

/// Reads a format; the error is the reason why it will not do.
fn parse(format: &str) -> std::result::Result<Vec<Part>, String> {
    let (mut parts, mut characters) = (Vec::new(), format.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '\'' if characters.next_if_eq(&'\'').is_some() => parts.push(Part::Text('\'')),
            '\'' => loop {
                match characters.next().ok_or("Unterminated quote")? {
                    '\'' if characters.next_if_eq(&'\'').is_some() => parts.push(Part::Text('\'')),
                    '\'' => break,
                    quoted => parts.push(Part::Text(quoted)),
                }
            },
            'y' | 'M' | 'd' | 'H' | 'm' | 's' | 'S' => {
                let more = std::iter::from_fn(|| characters.next_if_eq(&character)).count();
                if more >= 9 || (character == 'M' && more >= 2) {
                    return Err(format!("{} times {character} is not supported", more + 1));
                }
                parts.push(Part::Number(character, more + 1));
            }
            letter if letter.is_ascii_alphabetic() => {
                return Err(format!("Illegal pattern character '{letter}'"));
            }
            other => parts.push(Part::Text(other)),
        }
    }
    Ok(parts)
}

/// The milliseconds since 1970 in a format.
fn written(parts: &[Part], ms: i64) -> String {
    let (year, month, day) = civil(ms.div_euclid(86_400_000));
    let of_day = ms.rem_euclid(86_400_000);
    let text = |part: &Part| match part {
        Part::Text(character) => character.to_string(),
        Part::Number('y', 2) => format!("{:02}", year.rem_euclid(100)),
        Part::Number(letter, width) => {
            let number = match letter {
                'y' => year,
                'M' => month,
                'd' => day,
                'H' => of_day / 3_600_000,
                'm' => of_day / 60_000 % 60,
                's' => of_day / 1000 % 60,
                _ => of_day % 1000,
            };
            format!("{number:0width$}")
        }
    };
    parts.iter().map(text).collect()
}

/// Year, month and day (from 1) of a day counted from 1970-01-01. (Hinnant, "chrono-compatible low-level date algorithms".)
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + (month <= 2) as i64, month, day)
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
    }

    #[test]
    fn what_cannot_be_written_is_told_at_once() {
        for (format, reason) in [
            ("yyyyQ", "Illegal pattern character 'Q'"),
            ("'x", "Unterminated quote"),
            ("MMM", "3 times M is not supported"),
        ] {
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
