use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, stream::FuturesUnordered};
use h2::{Reason, RecvStream, SendStream, client, server};
use http::{HeaderMap, Request, Response, Uri, response};
use navarch_host::TaskHandle;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{error::ChaosError, host::Host};

/// One call that went through, with the answer of the replica whether or not that came back.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The gRPC path.
    pub path: String,
    /// The framed request.
    pub request: Bytes,
    /// Whether the replica answered with status 0.
    pub accepted: bool,
}

/// What is told of each call.
pub type Witness = Arc<dyn Fn(Exchange) + Send + Sync>;

/// Stands between clients and one replica: loses answers, is cut, and sees all that goes through.
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
    task: TaskHandle,
}

struct Shared {
    target: String,
    cut: watch::Sender<bool>,
    /// Of each hundred answers so many are lost.
    lost_percent: AtomicU64,
    passed: AtomicU64,
    lost: AtomicU64,
    witness: Witness,
    /// Why the last connection ended badly, for whoever wonders.
    trouble: Mutex<String>,
}

impl Proxy {
    /// Listens for clients of the replica at `target`, `host:port`.
    ///
    /// # Errors
    ///
    /// If there is no port to listen on.
    pub async fn start(host: &Host, target: &str, witness: Witness) -> Result<Self, ChaosError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(ChaosError::system("listen for a proxy"))?;
        let address = listener.local_addr().map_err(ChaosError::system("listen for a proxy"))?;
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            cut: watch::Sender::new(false),
            lost_percent: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            witness,
            trouble: Mutex::default(),
        });
        let task = host.spawner.spawn("proxy", Arc::clone(&shared).serve(listener));
        Ok(Self { address: address.to_string(), shared, task })
    }

    /// Where clients reach it, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Loses so many of each hundred answers from now on.
    pub fn lose(&self, percent: u64) {
        self.shared.lost_percent.store(percent, Ordering::Relaxed);
    }

    /// Ends all connections and takes none, or takes them again.
    pub fn cut(&self, cut: bool) {
        self.shared.cut.send_replace(cut);
    }

    /// Answers that were passed on, and that were lost.
    pub fn answers(&self) -> (u64, u64) {
        let Shared { passed, lost, .. } = &*self.shared;
        (passed.load(Ordering::Relaxed), lost.load(Ordering::Relaxed))
    }

    /// Why the last connection ended badly; empty: none did.
    pub fn trouble(&self) -> String {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((socket, _)) = accepted else { continue };
                    if !*self.cut.borrow() {
                        connections.push(Arc::clone(&self).until_cut(socket));
                    }
                }
                Some(()) = connections.next() => {}
            }
        }
    }

    async fn until_cut(self: Arc<Self>, socket: TcpStream) {
        let mut cut = self.cut.subscribe();
        tokio::select! {
            _ = cut.wait_for(|cut| *cut) => {}
            ended = self.connection(socket) => if let Err(error) = ended {
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
            }
        }
    }

    async fn connection(&self, socket: TcpStream) -> Result<(), h2::Error> {
        // A replica that is gone is gone for its clients, too.
        let Ok(upstream) = TcpStream::connect(&self.target).await else { return Ok(()) };
        let mut inbound = server::handshake(socket).await?;
        let (calls, upstream) = client::handshake(upstream).await?;
        let mut upstream = std::pin::pin!(upstream);
        let mut streams = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = inbound.accept() => match accepted {
                    Some(call) => {
                        let (request, respond) = call?;
                        streams.push(self.exchange(request, respond, calls.clone()));
                    }
                    None => return Ok(()),
                },
                // The replica is gone: so is the client's connection.
                ended = &mut upstream => return ended,
                Some(ended) = streams.next() => drop(ended),
            }
        }
    }

    /// One call: all of the request there, all of the answer back, or nothing of it.
    async fn exchange(
        &self,
        request: Request<RecvStream>,
        mut respond: server::SendResponse<Bytes>,
        calls: client::SendRequest<Bytes>,
    ) -> Result<(), h2::Error> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let (body, _) = gather(body).await?;
        // Path and target are parts of addresses already.
        parts.uri = Uri::try_from(format!("http://{}{path}", self.target)).unwrap_or_default();
        let mut calls = calls.ready().await?;
        let (answer, mut sending) = calls.send_request(Request::from_parts(parts, ()), false)?;
        sending.send_data(body.clone(), true)?;
        let (head, answer) = answer.await?.into_parts();
        let (answer, trailers) = gather(answer).await?;
        let status = trailers.as_ref().unwrap_or(&head.headers).get("grpc-status");
        let accepted = status.is_some_and(|status| status == "0");
        (self.witness)(Exchange { path, request: body, accepted });
        if rand::random_range(0..100) < self.lost_percent.load(Ordering::Relaxed) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            respond.send_reset(Reason::CANCEL);
            return Ok(());
        }
        self.passed.fetch_add(1, Ordering::Relaxed);
        pass_on(&mut respond, head, answer, trailers)
    }
}

fn pass_on(
    respond: &mut server::SendResponse<Bytes>,
    head: response::Parts,
    answer: Bytes,
    trailers: Option<HeaderMap>,
) -> Result<(), h2::Error> {
    let bare = answer.is_empty() && trailers.is_none();
    let mut sending: SendStream<Bytes> =
        respond.send_response(Response::from_parts(head, ()), bare)?;
    if bare {
        return Ok(());
    }
    sending.send_data(answer, trailers.is_none())?;
    trailers.map_or(Ok(()), |trailers| sending.send_trailers(trailers))
}

async fn gather(mut body: RecvStream) -> Result<(Bytes, Option<HeaderMap>), h2::Error> {
    let mut all = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        all.extend_from_slice(&chunk);
        body.flow_control().release_capacity(chunk.len())?;
    }
    Ok((all.freeze(), body.trailers().await?))
}
