//! One connection to one broker: requests are pipelined, answers come back by correlation id. TLS lies below, and who we are is
//! proven before the first request.
//!
//! Invariant: requests leave in the order in which `start` was called; every started request ends, with its answer or with
//! an error, also when the connection breaks or is dropped. Dropping a pending answer is harmless: it is thrown away when it comes.

use std::collections::HashMap;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use broker_protocol::header::{decode_response, encode_request, response_correlation_id};
use broker_protocol::messages::api_versions::ApiVersionsRequest;
use broker_protocol::messages::sasl_authenticate::SaslAuthenticateRequest;
use broker_protocol::messages::sasl_handshake::SaslHandshakeRequest;
use broker_protocol::{Encoded, ErrorCode, Request, frame};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::session::{Line, LoginVersions, Renewal, authentication_error, sleep_until};
use super::versions::Versions;
use crate::config::ClientConfig;
use crate::error::{Error, Result};
use crate::security::Sasl;
use crate::security::login::{Login, Step};

/// Requests that may wait for their answers on one connection; brokers work them off one after the other.
const REQUESTS_MAX: usize = 1024;

/// Room for what comes while nothing is known to come.
const READ_BYTES_MIN: usize = 2 << 10;

/// A buffer that a larger frame than this made grow is given back.
const BUFFER_BYTES_KEPT: usize = 256 << 10;

pub(super) type Answer = std::result::Result<Bytes, Arc<io::Error>>;

/// Who waits for which answer; the error once the connection is over.
#[derive(Debug)]
pub(super) enum Waiting {
    Open(HashMap<i32, oneshot::Sender<Answer>>),
    Ended(Arc<io::Error>),
}

#[derive(Debug)]
enum Outgoing {
    Frame {
        frame: Encoded,
        /// Told once the frame is written, if no answer will come.
        written: Option<oneshot::Sender<Answer>>,
    },
    /// The broker ends the session at a certain time, unless it is renewed before.
    Renew(Box<Renewal>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    broker: Arc<str>,
    client_id: String,
    request_timeout: Duration,
    versions: Versions,
    next_id: Arc<AtomicI32>,
    outgoing: mpsc::Sender<Outgoing>,
    waiting: Arc<Mutex<Waiting>>,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

/// An answer to come.
#[derive(Debug)]
pub(crate) struct Pending<R> {
    broker: Arc<str>,
    version: i16,
    answer: oneshot::Receiver<Answer>,
    stop: CancellationToken,
    request: PhantomData<fn() -> R>,
}

impl Connection {
    /// Connects, encrypts, asks for the versions the broker speaks, and logs in: the last three only as far as they are asked for.
    pub(crate) async fn open(address: &str, config: &ClientConfig) -> Result<Self> {
        let failed = |source| Error::Connect { broker: address.to_owned(), source: Arc::new(source) };
        let timed_out = || failed(io::Error::new(io::ErrorKind::TimedOut, "no connection in time"));
        let connected = tokio::time::timeout(config.connect_timeout, TcpStream::connect(address)).await;
        let stream = connected.map_err(|_elapsed| timed_out())?.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let mut connection = match &config.security.tls {
            None => {
                let (reading, writing) = stream.into_split();
                Self::start_tasks(reading, writing, address, config)
            }
            Some(tls) => {
                let shaken = tls.connect(host_of(address), stream);
                let shaken = tokio::time::timeout(config.connect_timeout, shaken).await;
                let stream =
                    shaken.map_err(|_elapsed| timed_out())?.map_err(|source| tls_error(address, source))?;
                let (reading, writing) = tokio::io::split(stream);
                Self::start_tasks(reading, writing, address, config)
            }
        };
        connection.versions = connection.negotiate().await?;
        if let Some(sasl) = &config.security.sasl {
            connection.log_in(sasl).await?;
        }
        Ok(connection)
    }

    fn start_tasks<R, W>(reading: R, writing: W, address: &str, config: &ClientConfig) -> Self
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (outgoing, frames) = mpsc::channel(REQUESTS_MAX);
        let waiting = Arc::new(Mutex::new(Waiting::Open(HashMap::new())));
        let next_id = Arc::new(AtomicI32::new(0));
        let stop = CancellationToken::new();
        let (ending, halt) = (Arc::clone(&waiting), stop.clone());
        let read = read_answers(reading, Arc::clone(&waiting), config.response_bytes_max);
        let line = Line {
            socket: writing,
            waiting: Arc::clone(&waiting),
            next_id: Arc::clone(&next_id),
            client_id: config.client_id.clone(),
            broker: address.into(),
            timeout: config.request_timeout,
        };
        tokio::spawn(async move {
            let error = tokio::select! {
                error = read => error,
                error = write_requests(line, frames) => error,
                () = halt.cancelled() => io::Error::new(io::ErrorKind::ConnectionAborted, "closed by this client"),
            };
            end(&ending, &Arc::new(error));
        });
        Self {
            broker: address.into(),
            client_id: config.client_id.clone(),
            request_timeout: config.request_timeout,
            versions: Versions::default(),
            next_id,
            outgoing,
            waiting,
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        }
    }

    /// Proves who we are, and sees to it that it is proven again in time.
    async fn log_in(&self, sasl: &Sasl) -> Result<()> {
        let versions = LoginVersions {
            handshake: self.version::<SaslHandshakeRequest>(i16::MAX)?,
            authenticate: self.version::<SaslAuthenticateRequest>(i16::MAX)?,
        };
        let mut login = Login::new(sasl);
        let failed = |reason| authentication_error(&self.broker, sasl, reason);
        let answer = self.start_version(&login.handshake(), versions.handshake, true)?;
        let mut ask = login.begin(&answer.wait(self.request_timeout).await?).map_err(failed)?;
        let lifetime = loop {
            let answer = self.start_version(&ask, versions.authenticate, true)?;
            match login.next(&answer.wait(self.request_timeout).await?).map_err(failed)? {
                Step::Ask(next) => ask = next,
                Step::Done(lifetime) => break lifetime,
            }
        };
        if let Some(lifetime) = lifetime {
            let renewal = Outgoing::Renew(Box::new(Renewal::new(sasl.clone(), versions, lifetime)));
            self.outgoing.try_send(renewal).map_err(|error| Error::Disconnected {
                broker: self.broker.to_string(),
                api: SaslAuthenticateRequest::KEY,
                source: Arc::new(io::Error::other(error.to_string())),
            })?;
        }
        Ok(())
    }

    /// Asks in version 3, which every broker since Kafka 2.4 knows; an older one answers in version 0, and so do we then.
    async fn negotiate(&self) -> Result<Versions> {
        let request = ApiVersionsRequest {
            client_software_name: "millrace".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
        };
        let answer = self.start_version(&request, 3, true)?.wait(self.request_timeout).await;
        let response = match answer {
            Ok(response) if response.error_code != ErrorCode::UNSUPPORTED_VERSION => response,
            // Some refuse in a form of their own (librdkafka's mock cluster does): version 0 is understood by all.
            Ok(_) | Err(Error::Response { .. }) => {
                self.start_version(&request, 0, true)?.wait(self.request_timeout).await?
            }
            Err(error) => return Err(error),
        };
        match response.error_code.check() {
            Ok(()) => Ok(Versions::new(&response)),
            Err(code) => Err(Error::Refused {
                broker: self.broker.to_string(),
                api: ApiVersionsRequest::KEY,
                subject: "this client".to_owned(),
                code,
                message: None,
            }),
        }
    }

    /// `host:port`.
    pub(crate) fn broker(&self) -> &Arc<str> {
        &self.broker
    }

    /// What the broker speaks.
    pub(crate) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Whether requests can still be sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(*self.waiting.lock(), Waiting::Open(_))
    }

    /// Whether no answer is due.
    pub(crate) fn is_quiet(&self) -> bool {
        match &*self.waiting.lock() {
            Waiting::Open(senders) => senders.is_empty(),
            Waiting::Ended(_) => true,
        }
    }

    /// The version in which `R` would be sent.
    pub(crate) fn version<R: Request>(&self, newest: i16) -> Result<i16> {
        self.versions.choose::<R>(newest, &self.broker)
    }

    /// Sends a request, in the newest common version up to `newest`, and waits.
    pub(crate) async fn call<R: Request>(
        &self,
        request: &R,
        newest: i16,
        timeout: Option<Duration>,
    ) -> Result<R::Response> {
        let version = self.version::<R>(newest)?;
        self.start_version(request, version, true)?.wait(timeout.unwrap_or(self.request_timeout)).await
    }

    /// Puts a request in line, in exactly this version. Without `answered` the answer comes to be when the frame was written.
    pub(crate) fn start_version<R: Request>(
        &self,
        request: &R,
        version: i16,
        answered: bool,
    ) -> Result<Pending<R>> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        let frame = encode_request(request, version, id, Some(&self.client_id))
            .map_err(|source| Error::Request { api: R::KEY, source })?;
        let (sender, answer) = oneshot::channel();
        let ended = |source| Error::Disconnected { broker: self.broker.to_string(), api: R::KEY, source };
        // The lock is held while the frame is put in line, so that frames leave in the order of their ids.
        let mut waiting = self.waiting.lock();
        let Waiting::Open(senders) = &mut *waiting else {
            let Waiting::Ended(error) = &*waiting else { unreachable!("either open or ended") };
            return Err(ended(Arc::clone(error)));
        };
        if senders.len() >= REQUESTS_MAX {
            return Err(ended(Arc::new(io::Error::other(format!("{REQUESTS_MAX} requests wait already")))));
        }
        let written = if answered {
            senders.insert(id, sender);
            None
        } else {
            Some(sender)
        };
        if let Err(error) = self.outgoing.try_send(Outgoing::Frame { frame, written }) {
            senders.remove(&id);
            return Err(ended(Arc::new(io::Error::other(error.to_string()))));
        }
        let (broker, stop) = (Arc::clone(&self.broker), self.stop.clone());
        Ok(Pending { broker, version, answer, stop, request: PhantomData })
    }
}

impl<R: Request> Pending<R> {
    /// Waits for the answer. When time is up the connection is given up too: the answers behind this one would be as late,
    /// and the broker may still carry the request out.
    pub(crate) async fn wait(self, timeout: Duration) -> Result<R::Response> {
        let (version, broker) = (self.version, Arc::clone(&self.broker));
        let frame = self.wait_written(timeout).await?;
        decode_response::<R>(frame, version).map_err(|source| Error::Response {
            broker: broker.to_string(),
            api: R::KEY,
            source,
        })
    }

    /// Waits for the bytes of the answer, or (for a request without answer) until it was written.
    pub(crate) async fn wait_written(self, timeout: Duration) -> Result<Bytes> {
        let broker = self.broker.to_string();
        let Ok(answer) = tokio::time::timeout(timeout, self.answer).await else {
            self.stop.cancel();
            return Err(Error::Timeout { broker, api: R::KEY, after: timeout });
        };
        let answer = answer.unwrap_or_else(|_gone| Err(Arc::new(io::ErrorKind::ConnectionAborted.into())));
        answer.map_err(|source| Error::Disconnected { broker, api: R::KEY, source })
    }
}

/// Tells everyone who waits, and everyone who comes later.
fn end(waiting: &Mutex<Waiting>, error: &Arc<io::Error>) {
    let before = std::mem::replace(&mut *waiting.lock(), Waiting::Ended(Arc::clone(error)));
    let Waiting::Open(senders) = before else { return };
    for (_id, sender) in senders {
        // Who dropped the receiver does not care.
        drop(sender.send(Err(Arc::clone(error))));
    }
}

async fn write_requests<W>(mut line: Line<W>, mut frames: mpsc::Receiver<Outgoing>) -> io::Error
where
    W: AsyncWrite + Unpin + Send,
{
    let mut batch = Vec::new();
    let mut renewal: Option<Renewal> = None;
    loop {
        let due = renewal.as_ref().map(|renewal| renewal.at);
        let count = tokio::select! {
            count = frames.recv_many(&mut batch, 64) => count,
            // Requests wait in line meanwhile: the broker takes nothing else while it is proven who we are.
            () = sleep_until(due) => {
                renewal = match line.renew(renewal.take()).await {
                    Ok(next) => next,
                    Err(error) => return io::Error::new(io::ErrorKind::PermissionDenied, error),
                };
                continue;
            }
        };
        if count == 0 {
            return io::Error::new(io::ErrorKind::ConnectionAborted, "closed by this client");
        }
        let mut bytes = Encoded::default();
        let mut written = Vec::new();
        for outgoing in batch.drain(..) {
            match outgoing {
                Outgoing::Frame { frame, written: told } => {
                    bytes.append(frame);
                    written.extend(told);
                }
                Outgoing::Renew(asked) => renewal = Some(*asked),
            }
        }
        if let Err(error) = line.write(&mut bytes).await {
            return error;
        }
        for sender in written {
            drop(sender.send(Ok(Bytes::new())));
        }
    }
}

/// A broker's name or address, without port and brackets.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _port)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// A certificate that does not do is not to be tried again and again; a socket that broke is.
fn tls_error(address: &str, source: io::Error) -> Error {
    let (broker, distrust) = (address.to_owned(), is_distrust(source.kind()));
    let source = Arc::new(source);
    if distrust { Error::Tls { broker, source } } else { Error::Connect { broker, source } }
}

/// How rustls reports what it found wrong, in contrast to what the socket reports.
fn is_distrust(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

async fn read_answers<R: AsyncRead + Unpin>(
    mut socket: R,
    waiting: Arc<Mutex<Waiting>>,
    bytes_max: usize,
) -> io::Error {
    let (mut buffer, mut largest) = (BytesMut::new(), 0);
    loop {
        loop {
            match frame::take_frame(&mut buffer, bytes_max) {
                Ok(Some(answer)) => {
                    largest = largest.max(answer.len());
                    if let Err(error) = deliver(&waiting, answer) {
                        return error;
                    }
                }
                Ok(None) => break,
                Err(error) => return io::Error::new(io::ErrorKind::InvalidData, error),
            }
        }
        if buffer.is_empty() && largest > BUFFER_BYTES_KEPT {
            (buffer, largest) = (BytesMut::new(), 0);
        }
        // Little, since most connections are idle most of the time; more is made room for once a larger frame has begun.
        buffer.reserve(READ_BYTES_MIN);
        match socket.read_buf(&mut buffer).await {
            Ok(0) => return io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection"),
            Ok(_bytes) => {}
            Err(error) => return error,
        }
    }
}

fn deliver(waiting: &Mutex<Waiting>, answer: Bytes) -> io::Result<()> {
    let id = response_correlation_id(&answer).map_err(io::Error::other)?;
    let Waiting::Open(senders) = &mut *waiting.lock() else { return Ok(()) };
    let Some(sender) = senders.remove(&id) else {
        return Err(io::Error::other(format!("an answer with correlation id {id}, which was not asked for")));
    };
    // Who dropped the receiver does not care.
    drop(sender.send(Ok(answer)));
    Ok(())
}
