//! Sorts log lines by the connector that they are about.
//!
//! A layer beside the one that prints. A line is about a connector if it has a field `connector`, or was said within a span that
//! has one (each task runs in such a span); likewise `task`. Invariant: what the filter holds back is not kept either.

use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::lines::{LogLine, Logs, MESSAGE_BYTES_MAX};
use crate::worker::now_ms;

/// Keeps lines by connector.
#[derive(Debug)]
pub(super) struct ByConnector(pub(super) Logs);

/// What a line or a span is about.
#[derive(Debug, Clone, Default)]
struct About {
    connector: Option<String>,
    task: Option<u32>,
}

/// Reads the fields of a line.
#[derive(Default)]
struct Fields {
    about: About,
    message: String,
    rest: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "connector" => self.about.connector = Some(value.to_owned()),
            "message" => self.message.push_str(value),
            name => self.add(name, &value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "task" => self.about.task = u32::try_from(value).ok(),
            name => self.add(name, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "connector" => self.about.connector = Some(format!("{value:?}")),
            "message" => {
                let written = write!(self.message, "{value:?}");
                debug_assert!(written.is_ok(), "a string takes everything");
            }
            name => self.add(name, value),
        }
    }
}

impl Fields {
    fn add(&mut self, name: &str, value: &dyn Debug) {
        if self.rest.len() > MESSAGE_BYTES_MAX {
            return;
        }
        let written = write!(self.rest, " {name}={value:?}");
        debug_assert!(written.is_ok(), "a string takes everything");
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ByConnector {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if fields.about.connector.is_some()
            && let Some(span) = context.span(id)
        {
            span.extensions_mut().replace(fields.about);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut about = fields.about;
        if about.connector.is_none() {
            let mut spans = context.event_scope(event).into_iter().flatten();
            let Some(found) = spans.find_map(|span| span.extensions().get::<About>().cloned()) else {
                return;
            };
            about = About { task: about.task.or(found.task), ..found };
        }
        let Some(connector) = about.connector else { return };
        let metadata = event.metadata();
        let line = LogLine {
            number: 0,
            time: now_ms(),
            level: metadata.level().as_str(),
            task: about.task,
            logger: metadata.target(),
            message: fields.message + &fields.rest,
        };
        self.0.add(&connector, line);
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn lines_are_sorted_by_the_field_or_the_span() {
        let logs = Logs::default();
        let subscriber = tracing_subscriber::registry().with(ByConnector(logs.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let (id, error) = ("shop", "refused");
            let span = tracing::info_span!("task", connector = %id, task = 3_u32);
            span.in_scope(|| {
                tracing::warn!(%error, "cannot {}", "connect");
                tracing::info_span!("inner").in_scope(|| tracing::info!("deep"));
            });
            tracing::error!(connector = "other", task = 1_u32, "by itself");
            tracing::error!("nobody's");
        });
        let shop: Vec<_> =
            logs.tail("shop", 9).iter().map(|line| (line.task, line.message.clone())).collect();
        assert_eq!(
            shop,
            [(Some(3), "cannot connect error=refused".to_owned()), (Some(3), "deep".to_owned())]
        );
        let other = logs.tail("other", 9);
        assert_eq!((other[0].task, other[0].level, &*other[0].message), (Some(1), "ERROR", "by itself"));
    }
}
