//! One connection: frames in, answers out, in the order of the requests.
//!
//! Requests are begun one after the other, so what a client sent first is appended first; what has to wait afterwards (an fsync,
//! a long poll, a rebalance) waits in a queue of answers, while the next requests begin. A frame that cannot be read ends
//! this connection, with one line in the log, and no other. Memory of requests under way is counted over all connections.
//!
//! A connection that has to encrypt or log in must have done so by a deadline, in small frames; before that, no request is served.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use broker_protocol::{DecodeError, EncodeError, Encoded, frame};
use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, mpsc},
};
use tokio_rustls::TlsAcceptor;

use super::{
    dispatch::{self, Answer, Reply},
    listener::Gate,
};
use crate::{
    Listener, Principal,
    broker::State,
    metrics::add,
    security::{
        Identity,
        admission::Place,
        sasl::login::{Directory, Login, Step},
    },
};

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
    /// Who asks, for authorization.
    pub(crate) identity: Identity,
}

/// What a client does besides the request at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It waits for this answer: nothing else was asked, and no answer is due.
    Alone,
    /// It sends on without waiting.
    Pipelined,
}

/// A connection as the listener hands it over.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) advertised: Listener,
    pub(super) gate: Arc<Gate>,
    pub(super) place: Place,
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
    /// No error of the connection: the request was denied with this answer before its handler saw it.
    #[error("the request was denied")]
    Denied(Encoded),
    #[error("not admitted: {0}")]
    NotAdmitted(String),
}

/// Serves one connection to its end.
pub(super) async fn run(accepted: Accepted, state: Arc<State>) {
    let Accepted { stream, peer, advertised, gate, place } = accepted;
    let shutdown = state.shutdown.clone();
    let identity = Identity { principal: Principal::anonymous(), host: peer.ip() };
    let session = Session { peer, advertised, identity };
    let served = shutdown.run_until_cancelled(serve(stream, session, &gate, &state)).await;
    drop(place);
    state.counters.connections.fetch_sub(1, Ordering::Relaxed);
    match served {
        Some(Err(ConnectionError::Io(error))) => tracing::debug!(%peer, %error, "connection ended"),
        Some(Err(ConnectionError::NotAdmitted(reason))) => {
            add(&state.counters.logins_failed, 1);
            if let Some(untold) = state.security.refusals.take(Instant::now()) {
                tracing::warn!(%peer, untold, "connection closed before it was admitted: {reason}");
            }
        }
        Some(Err(error)) => {
            add(&state.counters.bad_requests, 1);
            tracing::warn!(%peer, "connection closed: {error}");
        }
        Some(Ok(())) | None => {}
    }
}

/// Encrypts where the listener does, and exchanges requests and answers.
async fn serve(
    stream: TcpStream,
    mut session: Session,
    gate: &Gate,
    state: &Arc<State>,
) -> Result<(), ConnectionError> {
    stream.set_nodelay(true)?;
    let deadline = tokio::time::Instant::now() + state.config.security.login_time_max;
    let Some(tls) = &gate.tls else {
        let (reader, writer) = stream.into_split();
        return exchange((reader, writer), session, (gate, deadline), state).await;
    };
    let encrypted = TlsAcceptor::from(tls.current()).accept(stream);
    let not_admitted = |reason: String| ConnectionError::NotAdmitted(format!("TLS: {reason}"));
    let encrypted = tokio::time::timeout_at(deadline, encrypted)
        .await
        .map_err(|elapsed| not_admitted(elapsed.to_string()))?
        .map_err(|error| not_admitted(error.to_string()))?;
    session.identity.principal =
        tls.principal(encrypted.get_ref().1.peer_certificates()).map_err(not_admitted)?;
    exchange(tokio::io::split(encrypted), session, (gate, deadline), state).await
}

async fn exchange<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    (reader, writer): (R, W),
    session: Session,
    (gate, deadline): (&Gate, tokio::time::Instant),
    state: &Arc<State>,
) -> Result<(), ConnectionError> {
    let (queue, receiver) = mpsc::channel(ANSWERS_WAITING_MAX);
    let due = AtomicUsize::new(0);
    let answers = Answers { queue, due: &due };
    let incoming = Incoming { stream: reader, buffer: BytesMut::new(), state: Arc::clone(state) };
    let (reading, writing) =
        (read(incoming, session, (gate, deadline), answers), write(writer, receiver, &due, state));
    tokio::pin!(reading, writing);
    // In this order, so that what a request is answered at once goes out at once.
    let refused = tokio::select! {
        biased;
        ended = &mut reading => ended?,
        ended = &mut writing => return ended,
    };
    // The client has closed, or was refused. What can be answered soon still is; a long poll is of no use to anyone any more.
    let written = tokio::time::timeout(LAST_ANSWERS_TIME_MAX, writing).await;
    match refused {
        Some(reason) => Err(ConnectionError::NotAdmitted(reason)),
        None => written.unwrap_or(Ok(())),
    }
}

/// Begins one request after the other; the reason if the client is refused with an answer.
async fn read<R: AsyncRead + Unpin>(
    mut incoming: Incoming<R>,
    mut session: Session,
    (gate, deadline): (&Gate, tokio::time::Instant),
    answers: Answers<'_>,
) -> Result<Option<String>, ConnectionError> {
    let state = Arc::clone(&incoming.state);
    let mut login = gate.sasl.as_ref().map(|sasl| (Login::new(), sasl));
    loop {
        let next = match &login {
            Some((login, sasl)) if login.is_due() => {
                let next = tokio::time::timeout_at(deadline, incoming.next_frame(sasl.frame_bytes_max)).await;
                next.map_err(|elapsed| ConnectionError::NotAdmitted(format!("login: {elapsed}")))?
            }
            _ => incoming.next_frame(state.config.request_bytes_max).await,
        };
        let Some((frame, _memory)) = next? else { return Ok(None) };
        add(&state.counters.requests, 1);
        let turn = match &mut login {
            Some((login, sasl)) => {
                let directory = Directory { listener: sasl, credentials: &state.security.credentials };
                let step = login.take(frame, directory, Instant::now(), |header, body| {
                    dispatch::api_versions(&state, header, body)
                })?;
                turn(step, &mut session, sasl.refusal_delay, &answers).await
            }
            None => Turn::Serve(frame),
        };
        let frame = match turn {
            Turn::Serve(frame) => frame,
            Turn::Next => continue,
            Turn::End(reason) => return Ok(reason),
        };
        let alone = incoming.buffer.is_empty() && answers.are_written();
        let pace = if alone { Pace::Alone } else { Pace::Pipelined };
        if let Reply::Answer(answer) = dispatch::handle(&state, &session, frame, pace).await?
            && answers.send(answer).await.is_err()
        {
            return Ok(None);
        }
    }
}

/// The queue of answers, and how many of them have not gone out yet.
struct Answers<'a> {
    queue: mpsc::Sender<Answer>,
    due: &'a AtomicUsize,
}

impl Answers<'_> {
    async fn send(&self, answer: Answer) -> Result<(), mpsc::error::SendError<Answer>> {
        self.due.fetch_add(1, Ordering::Relaxed);
        self.queue.send(answer).await
    }

    fn are_written(&self) -> bool {
        self.due.load(Ordering::Relaxed) == 0
    }
}

/// What is next after a frame that the login looked at.
enum Turn {
    Serve(Bytes),
    Next,
    End(Option<String>),
}

/// Does what the login says.
async fn turn(step: Step, session: &mut Session, refusal_delay: Duration, answers: &Answers<'_>) -> Turn {
    let answer = match step {
        Step::Serve(frame) => return Turn::Serve(frame),
        Step::Answer(answer) => answer,
        Step::Done(answer, user) => {
            session.identity.principal = Principal::user(&user);
            answer
        }
        Step::Refuse(answer, reason) => {
            // Guessing passwords is slow this way, and told apart from nothing.
            tokio::time::sleep(refusal_delay).await;
            if let Some(answer) = answer {
                // Whether it can still be sent or not, the connection ends for this reason.
                drop(answers.send(Answer::Ready(answer)).await);
            }
            return Turn::End(Some(reason));
        }
    };
    match answers.send(Answer::Ready(answer)).await {
        Ok(()) => Turn::Next,
        Err(_closed) => Turn::End(None),
    }
}

/// The side of a connection that frames come from.
struct Incoming<R> {
    stream: R,
    buffer: BytesMut,
    state: Arc<State>,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    /// The next frame and its share of the memory for requests; `None` once the client has closed.
    async fn next_frame(
        &mut self,
        bytes_max: usize,
    ) -> Result<Option<(Bytes, Option<OwnedSemaphorePermit>)>, ConnectionError> {
        while frame::peek_length(&self.buffer, bytes_max)?.is_none() {
            if self.buffer.capacity() - self.buffer.len() < 512 {
                self.buffer.reserve(4096);
            }
            let idle_max = self.state.config.connection_idle_max;
            let received = tokio::time::timeout(idle_max, self.receive()).await;
            let received = received.unwrap_or(Ok(0))?;
            // Closed by the client, or idle for too long.
            if received == 0 {
                return Ok(None);
            }
        }
        let length = frame::peek_length(&self.buffer, bytes_max)?.unwrap_or(0);
        let rest = async {
            let (mut reserved, mut memory) = (SMALL_FRAME_BYTES, None);
            loop {
                if let Some(frame) = frame::take_frame(&mut self.buffer, bytes_max)? {
                    return Ok::<_, ConnectionError>(Some((frame, memory)));
                }
                // What has come counts, not what was announced: who announces much and sends little holds up nobody.
                if self.buffer.len() >= reserved {
                    let step = reserved.min(length.saturating_sub(reserved));
                    reserved += step;
                    merge(&mut memory, self.state.reserve_memory(step).await?);
                }
                if self.receive().await? == 0 {
                    return Ok(None);
                }
            }
        };
        let frame = match tokio::time::timeout(FRAME_TIME_MAX, rest).await {
            Ok(frame) => frame?,
            Err(_elapsed) => return Err(ConnectionError::SlowFrame(length)),
        };
        if length > BUFFER_BYTES_KEPT && self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        Ok(frame)
    }

    async fn receive(&mut self) -> io::Result<usize> {
        let received = self.stream.read_buf(&mut self.buffer).await?;
        add(&self.state.counters.bytes_in, received as u64);
        Ok(received)
    }
}

/// Adds room to the room that a request has.
fn merge(memory: &mut Option<OwnedSemaphorePermit>, more: OwnedSemaphorePermit) {
    match memory {
        Some(memory) => memory.merge(more),
        None => *memory = Some(more),
    }
}

async fn write<W: AsyncWrite + Unpin>(
    mut stream: W,
    mut answers: mpsc::Receiver<Answer>,
    due: &AtomicUsize,
    state: &State,
) -> Result<(), ConnectionError> {
    while let Some(answer) = answers.recv().await {
        let mut encoded = answer.resolve().await?;
        let mut written = 1;
        // What is ready goes out together; what has to wait must not hold it up.
        while encoded.remaining() < WRITE_BYTES
            && let Ok(next) = answers.try_recv()
        {
            written += 1;
            match next {
                Answer::Ready(ready) => encoded.append(ready),
                Answer::Waiting(waiting) => {
                    send(&mut stream, encoded, state).await?;
                    encoded = waiting.await?;
                }
            }
        }
        send(&mut stream, encoded, state).await?;
        due.fetch_sub(written, Ordering::Relaxed);
    }
    stream.shutdown().await?;
    Ok(())
}

async fn send<W: AsyncWrite + Unpin>(
    stream: &mut W,
    mut encoded: Encoded,
    state: &State,
) -> Result<(), ConnectionError> {
    add(&state.counters.bytes_out, encoded.remaining() as u64);
    stream.write_all_buf(&mut encoded).await?;
    // TLS may hold back what it took; on a socket this does nothing.
    stream.flush().await?;
    Ok(())
}
