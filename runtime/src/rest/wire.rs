//! A connection's bytes, between the socket and HTTP: what HTTP's library answers by itself becomes JSON, and a client that
//! does not take its answer is given up.
//!
//! The library answers a head that it cannot read (400, 414, 431) before any handler is asked, with an empty body. Invariant:
//! no such answer leaves without the body that every other error has. Why the rewriting is safe: an answer is rewritten only if
//! one write is the whole of it, from its status line to the empty line, with `content-length: 0`; handlers answer errors with
//! a body, and JSON holds no line ends of that kind.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::error::Failure;

/// A stream with this care.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    /// What goes out first: the rest of a rewritten answer.
    pending: Vec<u8>,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    stall_max: Duration,
}

impl<S> Wire<S> {
    /// Takes a stream over; its client may take none of its answer for `stall_max`.
    pub(super) const fn new(stream: S, stall_max: Duration) -> Self {
        Self { stream, pending: Vec::new(), stalled: None, stall_max }
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Writes some bytes, unless the client has taken none for too long.
    fn write_some(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let until = Instant::now() + self.stall_max;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take its answer")))
    }

    fn write_pending(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            let written = self.write_some(context, &pending);
            let count = match &written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => *count,
                _ => 0,
            };
            self.pending = pending.get(count..).unwrap_or_default().to_vec();
            ready!(written)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.write_pending(context))?;
        match with_body(bytes) {
            None => self.write_some(context, bytes),
            Some(answer) => {
                self.pending = answer;
                Poll::Ready(Ok(bytes.len()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_pending(context))?;
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_pending(context))?;
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, shut)
    }
}

/// An answer that the library made by itself, with a body; `None` for every other write.
fn with_body(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(b"HTTP/1.1 4") || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?;
    let status = StatusCode::from_bytes(head.split(' ').nth(1)?.as_bytes()).ok()?;
    let is_empty = |line: &str| line.eq_ignore_ascii_case("content-length: 0");
    if !head.lines().any(is_empty) {
        return None;
    }
    let body = Failure::plain(status).body().to_string();
    let kept: Vec<&str> = head.trim_end().split("\r\n").filter(|line| !is_empty(line)).collect();
    let length = body.len();
    let head = format!(
        "{}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n",
        kept.join("\r\n")
    );
    Some([head.as_bytes(), body.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn only_the_librarys_own_answers_are_rewritten() {
        let written = |text: &'static str| async move {
            let (near, mut far) = tokio::io::duplex(16);
            let mut wire = Wire::new(near, Duration::from_secs(60));
            let write = async {
                wire.write_all(text.as_bytes()).await.unwrap();
                wire.shutdown().await.unwrap();
                drop(wire);
            };
            let mut read = String::new();
            let (_, outcome) = tokio::join!(write, far.read_to_string(&mut read));
            outcome.unwrap();
            read
        };
        let rewritten = written(
            "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
        let (head, body) = rewritten.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 ") && head.contains("connection: close"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["error_code"], &body["code"]), (&431.into(), &"headers_too_large".into()));
        for kept in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}",
        ] {
            assert_eq!(written(kept).await, kept);
        }
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (near, _far) = tokio::io::duplex(16);
        let error = Wire::new(near, Duration::from_millis(20)).write_all(&[b'x'; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
