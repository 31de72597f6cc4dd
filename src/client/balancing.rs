use std::sync::Arc;

use http::HeaderValue;
use navarch_proto::{api, frame};
use tonic::Streaming;
use tonic_prost::ProstCodec;

use super::{
    Answer, CallError, CallOptions, ClientError, ClientOptions, Rpc,
    address::Address,
    call::{Call, Method},
    exchange::{self, Reply},
    metadata,
    picker::{MAX_REPLICAS, Picker},
    replica::{Dialler, Replica},
    tls,
};

const WATCH_EVENTS: Method = Method {
    path: "/navarch.OperatorService/WatchEvents",
    writes: false,
    patient: false,
    streaming: true,
};

const SAVE_SNAPSHOT: Method = Method {
    path: "/navarch.ReplicaService/SaveSnapshot",
    writes: false,
    // A large state is written to disk before the first byte of an answer.
    patient: true,
    streaming: true,
};

/// A client of the whole group: it asks one replica after the other until one answers or the time is up.
/// Cheap to clone; clones share connections. Connections open when they are first needed.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) picker: Picker,
    pub(super) dialler: Dialler,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) unreachable_after: Option<std::time::Duration>,
    /// All replicas for messages, comma-separated.
    pub(super) endpoints: String,
}

impl Client {
    /// A client of the replicas at `endpoints`, each `host:port`, `host`, `http://host:port` or
    /// `https://host:port`; the port is 50051 unless said.
    ///
    /// # Errors
    ///
    /// An endpoint, the token or the file of authorities cannot be used. Whether a replica is there shows
    /// with the first call.
    pub fn new(endpoints: &[String], options: ClientOptions) -> Result<Self, ClientError> {
        let addresses = addresses(endpoints, options.ca_file.is_some())?;
        let tls = match addresses.iter().find(|address| address.tls) {
            Some(address) => Some(tls::client_config(&options, &address.name)?),
            None => None,
        };
        let authorization = options.token.as_ref().map(metadata::bearer).transpose()?;
        let names: Vec<_> = addresses.iter().map(|address| &*address.name).collect();
        let endpoints = names.join(",");
        let begun = (options.clock.now(), options.balance.suspicion());
        let replicas = addresses
            .into_iter()
            .map(|address| Replica::new(address, options.connections_per_replica, begun))
            .collect();
        let chance: u32 = rand::random();
        let inner = Inner {
            picker: Picker::new(replicas, options.balance, chance as usize),
            dialler: Dialler {
                tls,
                clock: options.clock,
                spawner: options.spawner,
                network: options.network,
                connect_timeout: options.connect_timeout,
                keepalive: options.keepalive,
            },
            authorization,
            unreachable_after: options.unreachable_after,
            endpoints,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Calls a method: `client.call::<rpc::GetNode>(request, &CallOptions::default())`.
    ///
    /// # Errors
    ///
    /// A replica refused, or none answered in time; [`CallError::failure`] tells the kinds apart. A write
    /// whose answer was lost is repeated under the same request id, so it takes effect once.
    pub async fn call<R: Rpc>(
        &self,
        request: R::Request,
        options: &CallOptions,
    ) -> Result<Answer<R::Response>, CallError> {
        let method =
            Method { path: R::PATH, writes: R::WRITES, patient: R::PATIENT, streaming: false };
        let body = framed(&request)?;
        let (index, reply) = Call::new(&self.inner, method, options)?
            .run(|connection, request| exchange::unary(connection, request, body.clone()))
            .await?;
        let endpoint = self.endpoint(index);
        let reply = accepted(reply, &endpoint)?;
        let message = frame::decode(reply.body)
            .map_err(|problem| CallError::BadAnswer { endpoint: Arc::clone(&endpoint), problem })?;
        Ok(Answer {
            message,
            applied_index: metadata::applied_index(&reply.headers),
            leader: metadata::leader(&reply.headers).map(|leader| self.shared_name(leader)),
            endpoint,
        })
    }

    /// Follows the journal on any replica. When the stream breaks, begin again after the last index seen.
    ///
    /// # Errors
    ///
    /// As [`Client::call`], until the stream has begun.
    pub async fn watch_events(
        &self,
        request: api::WatchEventsRequest,
    ) -> Result<Streaming<api::FleetEvent>, CallError> {
        self.stream(WATCH_EVENTS, &request, &CallOptions::default()).await
    }

    /// Takes a snapshot from any replica, as the pieces of a file.
    ///
    /// # Errors
    ///
    /// As [`Client::call`], until the stream has begun.
    pub async fn save_snapshot(
        &self,
        request: api::SaveSnapshotRequest,
        options: &CallOptions,
    ) -> Result<Streaming<api::SaveSnapshotResponse>, CallError> {
        self.stream(SAVE_SNAPSHOT, &request, options).await
    }

    async fn stream<Q, R>(
        &self,
        method: Method,
        request: &Q,
        options: &CallOptions,
    ) -> Result<Streaming<R>, CallError>
    where
        Q: prost::Message + Send + 'static,
        R: prost::Message + Default + Send + 'static,
    {
        let body = framed(request)?;
        let (index, reply) = Call::new(&self.inner, method, options)?
            .run(|connection, request| exchange::streaming(connection, request, body.clone()))
            .await?;
        let reply = accepted(reply, &self.endpoint(index))?;
        let settings = tonic::codec::BufferSettings::default();
        let decoder = ProstCodec::<Q, R>::raw_decoder(settings);
        let limit = Some(frame::MAX_MESSAGE);
        let status = http::StatusCode::OK;
        Ok(Streaming::new_response(decoder, reply.body, status, None, limit))
    }

    /// The replicas of this client, `host:port`, in the order they were given.
    pub fn endpoints(&self) -> Vec<Arc<str>> {
        let replicas = self.inner.picker.replicas();
        replicas.iter().map(|replica| Arc::clone(&replica.address.name)).collect()
    }

    /// The replica that is believed to lead, `host:port`; none before an answer named one of this client's.
    pub fn leader_hint(&self) -> Option<Arc<str>> {
        self.inner.picker.leader().map(|index| self.endpoint(index))
    }

    fn endpoint(&self, index: usize) -> Arc<str> {
        Arc::clone(&self.inner.picker.replicas()[index].address.name)
    }

    /// `name` without a new allocation where it is one of this client's replicas.
    fn shared_name(&self, name: &str) -> Arc<str> {
        let replicas = self.inner.picker.replicas();
        let known = replicas.iter().find(|replica| *replica.address.name == *name);
        known.map_or_else(|| name.into(), |replica| Arc::clone(&replica.address.name))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Client({})", self.inner.endpoints)
    }
}

fn addresses(endpoints: &[String], tls_by_default: bool) -> Result<Vec<Address>, ClientError> {
    if endpoints.is_empty() {
        return Err(ClientError::NoEndpoints);
    }
    if endpoints.len() > MAX_REPLICAS {
        return Err(ClientError::TooManyEndpoints { given: endpoints.len(), limit: MAX_REPLICAS });
    }
    endpoints.iter().map(|endpoint| Address::parse(endpoint, tls_by_default)).collect()
}

fn framed<M: prost::Message>(request: &M) -> Result<bytes::Bytes, CallError> {
    frame::encode(request).map_err(|size| CallError::TooLarge { size, limit: frame::MAX_MESSAGE })
}

fn accepted<B>(reply: Reply<B>, endpoint: &Arc<str>) -> Result<Reply<B>, CallError> {
    match &reply.refusal {
        None => Ok(reply),
        Some(status) => Err(CallError::Refused {
            code: status.code(),
            message: status.message().to_owned(),
            details: bytes::Bytes::copy_from_slice(status.details()),
            endpoint: Arc::clone(endpoint),
        }),
    }
}
