use std::{fs, path::Path, time::Duration};

use futures::future::join_all;
use http::uri::PathAndQuery;
use tonic::{
    Request,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use super::messages::{StatusRequest, StatusResponse};
use crate::{
    error::ChaosError,
    host::Host,
    proc::{
        Process, free_ports,
        links::{Links, Party},
    },
    wait::until,
};

const STATUS: &str = "/etcdserverpb.Maintenance/Status";

/// How long a new group may take to elect.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a replica that is looked at may take to answer.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// Replicas, each a process; they end with this value.
pub struct EtcdGroup {
    pub(super) host: Host,
    /// `host:port` of each replica.
    pub(super) addresses: Vec<String>,
    pub(super) processes: Vec<Process>,
    pub(super) links: Option<Links>,
}

/// Where a replica listens, and where the others reach it.
struct Seat {
    name: String,
    client: String,
    peer: String,
    reach: String,
}

impl Seat {
    fn arguments(&self, directory: &Path, initial: &str) -> Vec<String> {
        let Self { name, client, peer, reach } = self;
        let data_dir = directory.join(name).display().to_string();
        let url = |address: &str| format!("http://{address}");
        let arguments = [
            ("--name", name.clone()),
            ("--data-dir", data_dir),
            ("--listen-client-urls", url(client)),
            ("--advertise-client-urls", url(client)),
            ("--listen-peer-urls", url(peer)),
            ("--initial-advertise-peer-urls", url(reach)),
            ("--initial-cluster", initial.to_owned()),
        ];
        arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }
}

impl EtcdGroup {
    /// Starts `replicas` of the `program` in its default configuration, with their data in `directory`, and
    /// waits until they have a leader. If `linked`, they reach each other through proxies, which can cut each
    /// direction of each pair.
    ///
    /// # Errors
    ///
    /// If they do not start.
    pub async fn start(
        host: &Host,
        program: &Path,
        directory: &Path,
        (replicas, linked): (usize, bool),
    ) -> Result<Self, ChaosError> {
        let ports = free_ports(3 * replicas).map_err(ChaosError::system("find free ports"))?;
        let mut links = linked.then(|| Links::new(host));
        let seat = |at: usize| Seat {
            name: format!("e{at}"),
            client: local(ports[at]),
            peer: local(ports[replicas + at]),
            reach: local(ports[if linked { 2 * replicas } else { replicas } + at]),
        };
        let seats: Vec<_> = (0..replicas).map(seat).collect();
        if let Some(links) = &mut links {
            for (at, seat) in seats.iter().enumerate() {
                links.open(ports[2 * replicas + at], Party::Replica(at), &seat.peer)?;
            }
        }
        let initial = seats.iter().map(|seat| format!("{}=http://{}", seat.name, seat.reach));
        let initial = initial.collect::<Vec<_>>().join(",");
        let mut group =
            Self { host: host.clone(), addresses: Vec::new(), processes: Vec::new(), links };
        fs::create_dir_all(directory).map_err(ChaosError::system("make etcd's directory"))?;
        for (at, seat) in seats.into_iter().enumerate() {
            let log = directory.join(format!("{}.log", seat.name));
            let arguments = seat.arguments(directory, &initial);
            group.processes.push(Process::new(&seat.name, program, arguments, log));
            group.addresses.push(seat.client);
            group.start_replica(at)?;
        }
        group.leader().await?;
        Ok(group)
    }

    /// The network between the replicas, if it can be cut.
    pub fn links(&mut self) -> Option<&mut Links> {
        self.links.as_mut()
    }

    /// The address of the leader, `host:port`, and etcd's version.
    ///
    /// # Errors
    ///
    /// If there is none, or a process ended.
    pub async fn leader(&mut self) -> Result<(String, String), ChaosError> {
        self.processes.iter_mut().try_for_each(Process::check_running)?;
        let (index, status) = self.leading().await?;
        Ok((self.addresses[index].clone(), status.version))
    }

    /// Waits for the replica that leads: its index, and what it says. Of several that believe so it is the one of
    /// the highest term.
    pub(super) async fn leading(&self) -> Result<(usize, StatusResponse), ChaosError> {
        until(&self.host, "a leader of etcd", START_LIMIT, || async {
            let (mut last, mut found) = (String::new(), None::<(usize, StatusResponse)>);
            for (index, answer) in self.statuses().await {
                match answer {
                    Ok(status) if leads(&status) => {
                        if found
                            .as_ref()
                            .is_none_or(|(_, other)| status.raft_term > other.raft_term)
                        {
                            found = Some((index, status));
                        }
                    }
                    Ok(status) => last = format!("{index} follows {:x}", status.leader),
                    Err(error) => last = format!("{index}: {error}"),
                }
            }
            found.ok_or(last)
        })
        .await
    }

    /// What each running replica says, in the order of their indices.
    async fn statuses(&self) -> Vec<(usize, Result<StatusResponse, String>)> {
        let running =
            (0..self.addresses.len()).filter(|&index| self.processes[index].id().is_some());
        let looks = running.map(|index| async move { (index, self.status(index).await) });
        join_all(looks).await
    }

    /// What replica `index` says.
    pub(super) async fn status(&self, index: usize) -> Result<StatusResponse, String> {
        let look = self.host.clock.timeout(LOOK_LIMIT, status(&self.addresses[index])).await;
        look.unwrap_or_else(|_| Err(format!("no answer within {LOOK_LIMIT:?}")))
    }
}

/// Whether it is the leader that says so.
fn leads(status: &StatusResponse) -> bool {
    let own = status.header.as_ref().map_or(0, |header| header.member_id);
    status.leader != 0 && status.leader == own
}

/// A connection to `address`, `host:port`.
pub(super) async fn connect(address: &str) -> Result<Channel, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    let endpoint = endpoint.map_err(|error| error.to_string())?;
    endpoint.connect().await.map_err(|error| error.to_string())
}

async fn status(address: &str) -> Result<StatusResponse, String> {
    let mut grpc = Grpc::new(connect(address).await?);
    grpc.ready().await.map_err(|error| error.to_string())?;
    let codec = ProstCodec::<StatusRequest, StatusResponse>::default();
    let path = PathAndQuery::from_static(STATUS);
    let answer = grpc.unary(Request::new(StatusRequest {}), path, codec).await;
    Ok(answer.map_err(|status| status.to_string())?.into_inner())
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
