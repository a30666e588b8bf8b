//! One connection: frames in, answers out, in the order of the requests.
//!
//! Requests are begun one after the other, so what a client sent first is appended first; what has to wait afterwards (an fsync,
//! a long poll, a rebalance) waits in a queue of answers, while the next requests begin. A frame that cannot be read ends
//! this connection, with one line in the log, and no other. Memory of requests under way is counted over all connections.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use broker_protocol::{DecodeError, EncodeError, Encoded, frame};
use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::{OwnedSemaphorePermit, mpsc},
};

use super::dispatch::{self, Answer, Reply};
use crate::{Listener, broker::State, metrics::add};

/// Answers that may wait while further requests begin.
const ANSWERS_WAITING_MAX: usize = 16;
/// Answers that go out in one write.
const WRITE_BYTES: usize = 64 * 1024;
/// A frame that began must be complete within this time.
const FRAME_TIME_MAX: Duration = Duration::from_secs(60);
/// Answers that are due after a client has closed its side must go out within this time.
const LAST_ANSWERS_TIME_MAX: Duration = Duration::from_secs(5);
/// A buffer that a larger frame than this made grow is given back.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;
/// Frames up to this size do not count for the memory limit: there is at most one of them per connection.
const SMALL_FRAME_BYTES: usize = 16 * 1024;

/// Who asks, for handlers.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) peer: SocketAddr,
    /// Where this client finds the broker.
    pub(crate) advertised: Listener,
}

/// Why a connection ended before the client closed it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] frame::FrameError),
    #[error("request cannot be read: {0}")]
    Decode(#[from] DecodeError),
    #[error("answer cannot be written: {0}")]
    Encode(#[from] EncodeError),
    #[error("a frame of {0} bytes was not complete within {FRAME_TIME_MAX:?}")]
    SlowFrame(usize),
    #[error("{0}")]
    Refused(String),
}

/// Serves one connection to its end.
pub(crate) async fn run(stream: TcpStream, peer: SocketAddr, advertised: Listener, state: Arc<State>) {
    let shutdown = state.shutdown.clone();
    let served = shutdown.run_until_cancelled(exchange(stream, peer, advertised, &state)).await;
    state.counters.connections.fetch_sub(1, Ordering::Relaxed);
    match served {
        Some(Err(ConnectionError::Io(error))) => tracing::debug!(%peer, %error, "connection ended"),
        Some(Err(error)) => {
            add(&state.counters.bad_requests, 1);
            tracing::warn!(%peer, "connection closed: {error}");
        }
        Some(Ok(())) | None => {}
    }
}

async fn exchange(
    stream: TcpStream,
    peer: SocketAddr,
    advertised: Listener,
    state: &Arc<State>,
) -> Result<(), ConnectionError> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let (sender, receiver) = mpsc::channel(ANSWERS_WAITING_MAX);
    let session = Session { peer, advertised };
    let (reading, writing) = (read(reader, session, state, sender), write(writer, receiver, state));
    tokio::pin!(reading, writing);
    tokio::select! {
        ended = &mut reading => ended?,
        ended = &mut writing => return ended,
    }
    // The client has closed. What can be answered soon still is; a long poll is of no use to anyone any more.
    match tokio::time::timeout(LAST_ANSWERS_TIME_MAX, writing).await {
        Ok(ended) => ended,
        Err(_elapsed) => Ok(()),
    }
}

async fn read(
    mut stream: OwnedReadHalf,
    session: Session,
    state: &Arc<State>,
    answers: mpsc::Sender<Answer>,
) -> Result<(), ConnectionError> {
    let mut buffer = BytesMut::new();
    while let Some((frame, _memory)) = next_frame(&mut stream, &mut buffer, state).await? {
        add(&state.counters.requests, 1);
        if frame.len() > BUFFER_BYTES_KEPT && buffer.is_empty() {
            buffer = BytesMut::new();
        }
        if let Reply::Answer(answer) = dispatch::handle(state, &session, frame).await?
            && answers.send(answer).await.is_err()
        {
            break;
        }
    }
    Ok(())
}

/// The next frame and its share of the memory for requests; `None` once the client has closed.
async fn next_frame(
    stream: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    state: &State,
) -> Result<Option<(Bytes, Option<OwnedSemaphorePermit>)>, ConnectionError> {
    let limit = state.config.request_bytes_max;
    while frame::peek_length(buffer, limit)?.is_none() {
        if buffer.capacity() - buffer.len() < 512 {
            buffer.reserve(4096);
        }
        let received =
            match tokio::time::timeout(state.config.connection_idle_max, stream.read_buf(buffer)).await {
                Ok(received) => received?,
                Err(_idle) => return Ok(None),
            };
        add(&state.counters.bytes_in, received as u64);
        if received == 0 {
            return Ok(None);
        }
    }
    let length = frame::peek_length(buffer, limit)?.unwrap_or(0);
    let memory = if length > SMALL_FRAME_BYTES { Some(state.reserve_memory(length).await?) } else { None };
    let rest = async {
        loop {
            if let Some(frame) = frame::take_frame(buffer, limit)? {
                return Ok(Some(frame));
            }
            let received = stream.read_buf(buffer).await?;
            add(&state.counters.bytes_in, received as u64);
            if received == 0 {
                return Ok(None);
            }
        }
    };
    match tokio::time::timeout(FRAME_TIME_MAX, rest).await {
        Ok(Ok(frame)) => Ok(frame.map(|frame| (frame, memory))),
        Ok(Err(error)) => Err(error),
        Err(_elapsed) => Err(ConnectionError::SlowFrame(length)),
    }
}

async fn write(
    mut stream: OwnedWriteHalf,
    mut answers: mpsc::Receiver<Answer>,
    state: &State,
) -> Result<(), ConnectionError> {
    while let Some(answer) = answers.recv().await {
        let mut encoded = answer.resolve().await?;
        // What is ready goes out together; what has to wait must not hold it up.
        while encoded.remaining() < WRITE_BYTES
            && let Ok(next) = answers.try_recv()
        {
            match next {
                Answer::Ready(ready) => encoded.append(ready),
                Answer::Waiting(waiting) => {
                    send(&mut stream, encoded, state).await?;
                    encoded = waiting.await?;
                }
            }
        }
        send(&mut stream, encoded, state).await?;
    }
    Ok(())
}

async fn send(
    stream: &mut OwnedWriteHalf,
    mut encoded: Encoded,
    state: &State,
) -> Result<(), ConnectionError> {
    add(&state.counters.bytes_out, encoded.remaining() as u64);
    stream.write_all_buf(&mut encoded).await?;
    Ok(())
}
