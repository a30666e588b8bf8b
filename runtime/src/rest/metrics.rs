//! `/metrics`: every number of this worker in Prometheus' text format 0.0.4.
//!
//! Invariant: the samples of one name stand together under one HELP and TYPE, as the format demands.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use broker_server::Broker;

use super::RestState;
use crate::metrics::{Sample, SampleKind, as_f64};

/// `GET /metrics`
pub(super) async fn metrics(State(rest): State<RestState>) -> impl IntoResponse {
    let mut samples = rest.metrics.samples();
    samples.extend(rest.broker.lock().as_ref().map(Broker::metrics).iter().flat_map(of_broker));
    let mut text = render(&samples);
    text.push_str(&process());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// The numbers of the broker inside this process.
fn of_broker(numbers: &broker_server::Metrics) -> Vec<Sample> {
    use SampleKind::{Counter, Gauge};
    let rows = [
        ("connection_count", Gauge, "Open connections.", numbers.connections),
        (
            "connection_refused_total",
            Counter,
            "Connections refused for a limit.",
            numbers.connections_refused,
        ),
        ("login_failed_total", Counter, "TLS handshakes and logins that failed.", numbers.logins_failed),
        ("request_total", Counter, "Requests received.", numbers.requests),
        ("bad_request_total", Counter, "Requests and frames that could not be read.", numbers.bad_requests),
        ("received_bytes_total", Counter, "Bytes received.", numbers.bytes_in),
        ("sent_bytes_total", Counter, "Bytes sent.", numbers.bytes_out),
        ("record_append_total", Counter, "Records appended.", numbers.records_in),
        ("topic_count", Gauge, "Topics, internal ones too.", numbers.topics),
        ("partition_count", Gauge, "Partitions of all topics.", numbers.partitions),
        ("log_bytes", Gauge, "Bytes of all logs.", numbers.log_bytes),
        ("group_count", Gauge, "Consumer groups that have members or offsets.", numbers.groups),
        (
            "open_transaction_count",
            Gauge,
            "Transactions that have begun and are not complete.",
            numbers.transactions,
        ),
    ];
    let sample = |(name, kind, help, number): (&str, SampleKind, &'static str, u64)| Sample {
        name: format!("broker_{name}"),
        kind,
        help,
        labels: Vec::new(),
        value: as_f64(number),
    };
    rows.into_iter().map(sample).chain(of_groups(&numbers.group_lags)).collect()
}

/// How far the broker's groups have read, partition by partition.
fn of_groups(lags: &broker_server::GroupLags) -> Vec<Sample> {
    const LAG: &str = "Records that a group has yet to read.";
    const COMMITTED: &str = "The next offset that a group reads.";
    const LEFT_OUT: &str = "Partitions of groups that are not listed, because there are too many.";
    let gauge = |name: &str, help, labels, value| Sample {
        name: format!("broker_group_{name}"),
        kind: SampleKind::Gauge,
        help,
        labels,
        value,
    };
    let labels = |lag: &broker_server::GroupLag| {
        let (group, topic) = (lag.group.clone(), lag.topic.clone());
        vec![("group", group), ("topic", topic), ("partition", lag.partition.to_string())]
    };
    let of_partition = |lag: &broker_server::GroupLag| {
        let committed = as_f64(u64::try_from(lag.committed_offset).unwrap_or(0));
        [
            gauge("lag_records", LAG, labels(lag), as_f64(lag.lag)),
            gauge("committed_offset", COMMITTED, labels(lag), committed),
        ]
    };
    let left_out = gauge("partitions_left_out", LEFT_OUT, Vec::new(), as_f64(lags.left_out));
    lags.partitions.iter().flat_map(of_partition).chain([left_out]).collect()
}

/// The samples as text, each name with its prefix `millrace_`.
fn render(samples: &[Sample]) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut by_name: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        let group = by_name.entry(&sample.name).or_default();
        if group.is_empty() {
            names.push(&sample.name);
        }
        group.push(sample);
    }
    let mut text = String::new();
    for name in names {
        write_group(&mut text, name, &by_name[name]);
    }
    text
}

/// The process's memory, under the name that Prometheus' own clients use; nothing where the system does not tell it.
fn process() -> String {
    const NAME: &str = "process_resident_memory_bytes";
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kibibytes = resident.and_then(|number| number.trim().parse::<u64>().ok());
    kibibytes.map_or_else(String::new, |kibibytes| {
        let bytes = kibibytes * 1024;
        format!("# HELP {NAME} Resident memory of the process.\n# TYPE {NAME} gauge\n{NAME} {bytes}\n")
    })
}

fn write_group(text: &mut String, name: &str, samples: &[&Sample]) {
    let Some(first) = samples.first() else { return };
    let kind = match first.kind {
        SampleKind::Counter => "counter",
        SampleKind::Gauge => "gauge",
    };
    if !first.help.is_empty() {
        push(
            text,
            format_args!(
                "# HELP millrace_{name} {}\n",
                first.help.replace('\\', "\\\\").replace('\n', "\\n")
            ),
        );
    }
    push(text, format_args!("# TYPE millrace_{name} {kind}\n"));
    for sample in samples {
        push(text, format_args!("millrace_{name}{} {}\n", labels(sample), sample.value));
    }
}

fn labels(sample: &Sample) -> String {
    if sample.labels.is_empty() {
        return String::new();
    }
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<String> =
        sample.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", labels.join(","))
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(arguments);
    debug_assert!(written.is_ok(), "a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, task: &str, value: f64) -> Sample {
        let labels = vec![("connector", "a\"b".to_owned()), ("task", task.to_owned())];
        Sample { name: name.to_owned(), kind: SampleKind::Counter, help: "Records.", labels, value }
    }

    #[test]
    fn groups_have_a_lag_for_each_partition() {
        let lag = broker_server::GroupLag {
            group: "g".to_owned(),
            topic: "t".to_owned(),
            partition: 3,
            committed_offset: 5,
            lag: 2,
        };
        let lags = broker_server::GroupLags { partitions: vec![lag], left_out: 0 };
        let text = render(&of_groups(&lags));
        assert!(
            text.contains("\nmillrace_broker_group_lag_records{group=\"g\",topic=\"t\",partition=\"3\"} 2\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "millrace_broker_group_committed_offset{group=\"g\",topic=\"t\",partition=\"3\"} 5\n"
            ),
            "{text}"
        );
        assert!(text.contains("millrace_broker_group_partitions_left_out 0\n"), "{text}");
    }

    #[test]
    fn samples_of_a_name_stand_together() {
        let text =
            render(&[sample("x_total", "0", 1.0), sample("y_total", "0", 2.5), sample("x_total", "1", 3.0)]);
        let expected = "# HELP millrace_x_total Records.\n# TYPE millrace_x_total counter\n\
            millrace_x_total{connector=\"a\\\"b\",task=\"0\"} 1\nmillrace_x_total{connector=\"a\\\"b\",task=\"1\"} 3\n\
            # HELP millrace_y_total Records.\n# TYPE millrace_y_total counter\n\
            millrace_y_total{connector=\"a\\\"b\",task=\"0\"} 2.5\n";
        assert_eq!(text, expected);
    }
}
