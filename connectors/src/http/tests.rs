//! The HTTP sink against real HTTP servers: good, slow, broken and hostile ones.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::laws::{Reports, SinkLaws, Target, bad_config_yields_all_errors, sink_context};
use api::{
    ErrorKind, Props, Record, SchemaAndValue, SinkConnector as _, SinkRecord, SinkTask, Text, TimestampType,
    TopicPartition, Value,
};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

use crate::http::{HttpSinkConnector, SINK};

/// What a request was.
#[derive(Debug, Clone)]
struct Got {
    method: String,
    headers: HeaderMap,
    body: String,
}

type Answers = dyn Fn(usize, &Got) -> Response + Send + Sync;

/// An endpoint that keeps what it answered with success.
struct Endpoint {
    port: u16,
    taken: Arc<Mutex<Vec<Got>>>,
    requests: Arc<AtomicUsize>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Endpoint {
    async fn good() -> Self {
        Self::answering(|_, _| StatusCode::OK.into_response()).await
    }

    /// The answer is made from the number of the request, from 0, and the request.
    async fn answering(answer: impl Fn(usize, &Got) -> Response + Send + Sync + 'static) -> Self {
        let (taken, requests) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let answer: Arc<Answers> = Arc::new(answer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (kept, count) = (Arc::clone(&taken), Arc::clone(&requests));
        let app = Router::new().fallback(move |request: Request| {
            let (kept, count, answer) = (Arc::clone(&kept), Arc::clone(&count), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let body = String::from_utf8(body.to_vec()).unwrap();
                let got = Got { method: parts.method.to_string(), headers: parts.headers, body };
                let response = answer(count.fetch_add(1, Ordering::SeqCst), &got);
                if response.status().is_success() {
                    kept.lock().unwrap().push(got);
                }
                response
            }
        });
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { port, taken, requests, server }
    }

    fn config(&self, said: &[(&str, &str)]) -> Props {
        let url = format!("http://127.0.0.1:{}/in?key=SECRET", self.port);
        let mut props = Props::from([("http.url".to_owned(), url)]);
        props.extend(said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        props
    }

    async fn start(&self, said: &[(&str, &str)]) -> (Box<dyn SinkTask>, Arc<Reports>) {
        let reports = Arc::new(Reports::default());
        let mut task = HttpSinkConnector.task();
        task.start(sink_context(self.config(said), Arc::clone(&reports))).await.unwrap();
        (task, reports)
    }

    fn bodies(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|got| got.body.clone()).collect()
    }

    fn taken(&self) -> Vec<Got> {
        self.taken.lock().unwrap().clone()
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn record(partition: i32, offset: i64, value: Value) -> SinkRecord {
    let topic = Text::from_static("t");
    let original = TopicPartition { topic: topic.clone(), partition };
    let value = SchemaAndValue::schemaless(value);
    let record = Record { topic, partition: Some(partition), value, ..Record::default() };
    SinkRecord { record, timestamp_type: TimestampType::CreateTime, original, offset }
}

fn numbers(offsets: std::ops::Range<i64>) -> Vec<SinkRecord> {
    offsets.map(|offset| record(0, offset, Value::Int64(offset))).collect()
}

/// Puts the same batch as the runtime does, until it is taken.
async fn put_until_taken(task: &mut Box<dyn SinkTask>, records: &[SinkRecord]) -> Vec<String> {
    let mut errors = Vec::new();
    while let Err(error) = task.put(records).await {
        assert!(error.is_retriable(), "{error}");
        errors.push(error.to_string());
    }
    errors
}

#[tokio::test]
async fn obeys_the_laws() {
    struct Numbers(Endpoint);
    impl Target for Numbers {
        fn config(&self) -> Props {
            self.0.config(&[("batch.records.max", "3")])
        }

        fn delivered(&self) -> Vec<String> {
            let items = |body: &String| serde_json::from_str::<Vec<String>>(body).unwrap();
            self.0.bodies().iter().flat_map(items).collect()
        }
    }
    let endpoints = Mutex::new(Vec::new());
    for _ in 0..10 {
        let endpoint = Endpoint::good().await;
        endpoints.lock().unwrap().push(endpoint);
    }
    let text = |partition, offset| record(partition, offset, format!("{partition}@{offset}").into());
    let laws = SinkLaws {
        connector: &HttpSinkConnector,
        target: &|| Box::new(Numbers(endpoints.lock().unwrap().pop().unwrap())),
        records: (0..20).flat_map(|offset| [text(0, offset), text(1, offset)]).collect(),
        text: |record| record.record.value.value.as_str().unwrap().to_owned(),
        exactly_once: false,
    };
    laws.all().await;
}

#[tokio::test]
async fn a_request_says_what_was_configured() {
    let endpoint = Endpoint::good().await;
    let said = [
        ("http.method", "PUT"),
        ("http.auth.type", "bearer"),
        ("http.auth.token", "TOKEN"),
        ("http.headers.X-Tenant", "shop"),
        ("http.headers.X-Other", "a, b: c"),
    ];
    let (mut task, _) = endpoint.start(&said).await;
    task.put(&numbers(5..8)).await.unwrap();
    let got = endpoint.taken().remove(0);
    assert_eq!((got.method.as_str(), got.body.as_str()), ("PUT", "[5,6,7]"));
    let header = |name: &str| got.headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("authorization"), "Bearer TOKEN");
    assert_eq!((header("x-tenant"), header("x-other")), ("shop".to_owned(), "a, b: c".to_owned()));
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("idempotency-key"), "t-0-5-7");
}

#[tokio::test]
async fn formats_and_limits_shape_the_requests() {
    let endpoint = Endpoint::good().await;
    let (mut task, _) = endpoint.start(&[("batch.format", "lines"), ("batch.records.max", "2")]).await;
    task.put(&[record(0, 0, "as is".into()), record(0, 1, true.into()), record(0, 2, Value::Null)])
        .await
        .unwrap();
    let (mut task, _) = endpoint.start(&[("batch.format", "single")]).await;
    task.put(&[record(0, 0, "line\nbreak".into()), record(1, 0, vec![b'x'].into())]).await.unwrap();
    let (mut task, _) =
        endpoint.start(&[("batch.bytes.max", "8"), ("behavior.on.null.values", "send")]).await;
    task.put(&[record(0, 0, "a".into()), record(0, 1, Value::Null), record(0, 2, "longer than it".into())])
        .await
        .unwrap();
    let expected = ["as is\ntrue\n", "line\nbreak", "x", "[\"a\"]", "[null]", "[\"longer than it\"]"];
    assert_eq!(endpoint.bodies(), expected);
    assert_eq!(endpoint.taken()[1].headers["idempotency-key"], "t-0-0");
}

#[tokio::test]
async fn an_endpoint_that_fails_for_a_while_loses_nothing_and_repeats_nothing() {
    let endpoint = Endpoint::answering(|number, _| match number {
        1..=5 => (StatusCode::INTERNAL_SERVER_ERROR, "out of\norder").into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
    .await;
    let (mut task, reports) = endpoint.start(&[("batch.records.max", "4"), ("retry.backoff.ms", "1")]).await;
    let errors = put_until_taken(&mut task, &numbers(0..10)).await;
    assert_eq!(endpoint.bodies(), ["[0,1,2,3]", "[4,5,6,7]", "[8,9]"]);
    assert_eq!((errors.len(), reports.all().len()), (5, 0));
    for part in
        ["/in answered 500", "out of order", "topic t, partition 0, offsets 4 to 7", "failure 1 in a row"]
    {
        assert!(errors[0].contains(part), "{part} is missing: {}", errors[0]);
    }
    assert!(!errors[0].contains("SECRET"), "{}", errors[0]);
}

#[tokio::test]
async fn the_endpoint_says_when_to_come_again() {
    let endpoint =
        Endpoint::answering(|_, _| (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")]).into_response())
            .await;
    let (mut task, _) = endpoint.start(&[]).await;
    let error = task.put(&numbers(0..1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retriable { after: Some(Duration::from_secs(7)) });
}

#[tokio::test]
async fn one_poison_record_does_not_take_its_batch_along() {
    let endpoint = Endpoint::answering(|_, got| {
        if got.body.contains("13") {
            (StatusCode::BAD_REQUEST, "unlucky").into_response()
        } else {
            StatusCode::OK.into_response()
        }
    })
    .await;
    let (mut task, reports) = endpoint.start(&[]).await;
    task.put(&numbers(10..18)).await.unwrap();
    let items = |body: &String| serde_json::from_str::<Vec<i64>>(body).unwrap();
    let delivered: Vec<_> = endpoint.bodies().iter().flat_map(items).collect();
    assert_eq!(delivered, [10, 11, 12, 14, 15, 16, 17]);
    let reports = reports.all();
    assert_eq!(reports.len(), 1);
    assert!(
        reports[0].0 == 13 && reports[0].1.contains("unlucky") && reports[0].1.contains("offset 13"),
        "{reports:?}"
    );
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_split() {
    let endpoint = Endpoint::answering(|_, got| {
        if got.body.len() > 9 {
            StatusCode::PAYLOAD_TOO_LARGE.into_response()
        } else {
            StatusCode::OK.into_response()
        }
    })
    .await;
    let (mut task, _) = endpoint.start(&[]).await;
    task.put(&numbers(0..8)).await.unwrap();
    assert_eq!(endpoint.bodies(), ["[0,1,2,3]", "[4,5,6,7]"]);
}

#[tokio::test]
async fn what_is_refused_goes_to_the_reporter_once_even_if_a_later_request_fails() {
    let endpoint = Endpoint::answering(|number, _| match number {
        0 => StatusCode::NOT_FOUND.into_response(),
        1 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await;
    let (mut task, reports) = endpoint.start(&[("batch.records.max", "2")]).await;
    let errors = put_until_taken(&mut task, &numbers(0..4)).await;
    assert_eq!((errors.len(), endpoint.bodies()), (1, vec!["[2,3]".to_owned()]));
    assert_eq!(reports.all().iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn credentials_and_redirects_fail_clearly() {
    let cases = [
        (StatusCode::UNAUTHORIZED, "http.auth.type"),
        (StatusCode::FORBIDDEN, "http.auth.type"),
        (StatusCode::MOVED_PERMANENTLY, "to http://elsewhere.test/; redirects are not followed"),
    ];
    for (status, advice) in cases {
        let endpoint = Endpoint::answering(move |_, _| {
            (status, [("location", "http://elsewhere.test/")]).into_response()
        })
        .await;
        let (mut task, _) = endpoint.start(&[]).await;
        let error = task.put(&numbers(0..1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal);
        assert!(error.to_string().contains(advice), "{error}");
        assert_eq!(endpoint.requests(), 1);
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let endless = || {
        let chunks = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 65_536]));
        Response::new(axum::body::Body::from_stream(chunks))
    };
    let endpoint = Endpoint::answering(move |_, _| endless()).await;
    let (mut task, _) = endpoint.start(&[]).await;
    task.put(&numbers(0..1)).await.unwrap();
    assert_eq!(endpoint.bodies(), ["[0]"]);
}

#[tokio::test]
async fn a_server_that_accepts_and_hangs_and_one_that_is_not_there_are_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let put = async |address: std::net::SocketAddr, timeout: &str| {
        let said =
            [("http.url", format!("http://{address}/x")), ("http.request.timeout.ms", timeout.to_owned())];
        let props = said.map(|(name, text)| (name.to_owned(), text)).into();
        let mut task = HttpSinkConnector.task();
        task.start(sink_context(props, Arc::new(Reports::default()))).await.unwrap();
        task.put(&numbers(0..1)).await.unwrap_err()
    };
    let error = put(listener.local_addr().unwrap(), "50").await;
    assert!(error.is_retriable() && error.to_string().contains("http.request.timeout.ms (50 ms)"), "{error}");
    // Taken, so that nobody else may, but nobody listens there.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let error = put(taken.local_addr().unwrap(), "60000").await;
    assert!(error.is_retriable() && error.to_string().contains("cannot be reached"), "{error}");
    assert!(error.to_string().contains("refused"), "the cause is told: {error}");
}

#[tokio::test]
async fn a_record_that_cannot_be_sent_is_reported_after_those_before_it() {
    let endpoint = Endpoint::good().await;
    let (mut task, reports) =
        endpoint.start(&[("batch.format", "LINES"), ("behavior.on.null.values", "FAIL")]).await;
    let records = [
        record(0, 0, "a".into()),
        record(0, 1, "b\nc".into()),
        record(0, 2, Value::Null),
        record(0, 3, "d".into()),
    ];
    task.put(&records).await.unwrap();
    assert_eq!(endpoint.bodies(), ["a\n", "d\n"]);
    assert_eq!(reports.all().iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_partition_that_is_opened_again_is_delivered_again() {
    let endpoint = Endpoint::good().await;
    let (mut task, _) = endpoint.start(&[]).await;
    let partition = TopicPartition { topic: Text::from_static("t"), partition: 0 };
    for _ in 0..2 {
        let assigned = api::AssignedPartition { partition: partition.clone(), committed: None };
        task.open(&[assigned]).await.unwrap();
        task.put(&numbers(0..2)).await.unwrap();
        task.put(&numbers(0..2)).await.unwrap();
    }
    assert_eq!(endpoint.bodies(), ["[0,1]", "[0,1]"]);
    let committed = task.pre_commit(&BTreeMap::from([(partition.clone(), 2)])).await.unwrap();
    assert_eq!(committed[&partition].offset, 2);
}

#[test]
fn bad_options_are_named_all_at_once() {
    let said = [
        ("http.method", "GET"),
        ("batch.format", "XML"),
        ("batch.records.max", "0"),
        ("http.url", "nowhere"),
    ];
    let config = said.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    bad_config_yields_all_errors(
        &SINK,
        &config,
        &["http.method", "batch.format", "batch.records.max", "http.url"],
    );
}
