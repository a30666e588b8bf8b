//! What no honest client sends: each gets the right code, as JSON, or is given up; and the worker goes on.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Server, assert_error};

/// How long something that happens soon may take.
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn heads_that_cannot_be_read_are_json_errors() {
    let server = Server::start(&[]).await;
    let many: String = (0..200).map(|number| format!("X-{number}: a\r\n")).collect();
    let get = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let cases: [(Vec<u8>, &[u16]); 11] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[400]),
        (b"\r\n\r\nnonsense\r\n\r\n".to_vec(), &[400]),
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), &[400]),
        (b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), &[400]),
        (get("/", "X y: a\r\n").into_bytes(), &[400]),
        (get("/", "X: a\0b\r\n").into_bytes(), &[400]),
        (get("/", "Content-Length: -1\r\n").into_bytes(), &[400]),
        (get("/", "Content-Length: 1\r\nContent-Length: 2\r\n").into_bytes(), &[400]),
        (get("/", &many).into_bytes(), &[431]),
        (get("/", &format!("X: {}\r\n", "a".repeat(1 << 20))).into_bytes(), &[431]),
        (get(&format!("/{}", "a".repeat(1 << 20)), "").into_bytes(), &[414, 431]),
    ];
    for (request, statuses) in cases {
        let what = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        let answer = server.raw(&request).await;
        // A server that closes before it has read everything may take its answer along: it must not have served it.
        if answer.status == 0 && request.len() > 16 << 10 {
            continue;
        }
        assert!(statuses.contains(&answer.status), "{what}: {} {}", answer.status, answer.body);
        assert_error(&answer, answer.status, "HTTP 4", &what);
    }
    assert_eq!(server.get("/connector-plugins").await.status, 200, "the worker goes on");
}

#[tokio::test]
async fn two_lengths_smuggle_nothing() {
    let server = Server::start(&[]).await;
    let smuggled = "0\r\n\r\nGET /admin/loggers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let length = smuggled.len();
    let request = format!(
        "POST /connectors HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"
    );
    let answer = server.raw(request.as_bytes()).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(!answer.body.contains("last_modified"), "a second request was served: {}", answer.body);
}

#[tokio::test]
async fn tricks_with_percent_signs_name_nothing_else() {
    let server = Server::start(&[]).await;
    let cases = [
        ("/connector-plugins/%ff/config", 400, "Malformed path"),
        ("/connector-plugins/%c0%af/config", 400, "Malformed path"),
        ("/connector-plugins/%zz/config", 404, "Unknown plugin %zz."),
        ("/connector-plugins/%00/config", 404, "Unknown plugin \0."),
        ("/connector-plugins/%252F/config", 404, "Unknown plugin %2F."),
        ("/connector-plugins/..%2fadmin/config", 404, "Unknown plugin ../admin."),
        ("/connector-plugins/%0d%0aX:%20y/config", 404, "Unknown plugin \r\nX: y."),
        ("/connector-plugins/%E2%80%AE/config", 404, "Unknown plugin \u{202e}."),
        ("/connectors/../admin/loggers", 404, "HTTP 404 Not Found"),
        ("//connectors", 404, "HTTP 404 Not Found"),
        ("/connectors//", 404, "HTTP 404 Not Found"),
        ("/connector-plugins?connectorsOnly=%ff%fe", 400, "connectorsOnly must be true or false"),
    ];
    for (path, status, message) in cases {
        let answer = server.get(path).await;
        assert_error(&answer, status, message, path);
        assert!(!answer.head.contains("x: y"), "a header came out of a path: {}", answer.head);
    }
    let long = format!("/connector-plugins/{}/config", "n".repeat(1000));
    assert_error(&server.get(&long).await, 404, "Unknown plugin nnn", "a long name");
}

/// Reads to the end; whether it came within the limit.
async fn ends(socket: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(LIMIT, socket.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn a_head_that_never_ends_and_an_idle_connection_are_given_up() {
    let server = Server::start(&[("rest.header.timeout.ms", "200")]).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert!(ends(&mut slow).await && ends(&mut silent).await);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = Server::start(&[("rest.connections.max", "1"), ("rest.header.timeout.ms", "1000")]).await;
    let began = Instant::now();
    let mut holder = TcpStream::connect(server.address).await.unwrap();
    holder.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    // Served once the one before was given up: neither refused nor at once.
    let answer = server.get("/connector-plugins").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    drop(holder);
}

#[tokio::test]
async fn a_body_in_endless_chunks_is_cut_off_at_the_limit() {
    let server = Server::start(&[]).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = "PUT /connectors/a/config HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let mut sent = 0;
    // The server answers and closes when it has seen enough; before that, it takes what comes.
    while sent < 64 && socket.write_all(chunk.as_bytes()).await.is_ok() {
        sent += 1;
    }
    let mut answer = Vec::new();
    drop(tokio::time::timeout(LIMIT, socket.read_to_end(&mut answer)).await.unwrap());
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(server.get("/connector-plugins").await.status, 200, "the worker goes on");
}
