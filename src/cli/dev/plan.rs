use std::{
    fs, io,
    ops::RangeInclusive,
    path::{Path, PathBuf, absolute},
};

use serde::{Deserialize, Serialize};

use crate::{
    cli::failure::Failure,
    config::{FAKE, Yaml},
};

/// Replicas that one group on one machine may have; an even number survives no more failures than one less.
const REPLICAS: RangeInclusive<u16> = 1..=9;

/// From the first API port to the fake cloud's.
const CLOUD_OFFSET: u16 = 50;

/// From a replica's API port to its peer port.
const PEER_OFFSET: u16 = 100;

/// Where Linux begins to draw the local ports of outgoing connections from (`ip_local_port_range`). A peer port
/// there could be taken while its replica is down, which could then not come back.
const FIRST_DRAWN_PORT: u16 = 32_768;

/// From an API port among those to its peer port.
const PEER_OFFSET_DOWN: u16 = 30_000;

/// The highest first port with which all others are ports too.
const LAST_PORT: u16 = u16::MAX - CLOUD_OFFSET - *REPLICAS.end();

/// Only this machine is served.
const HOST: &str = "127.0.0.1";

/// What remembers how a directory's group was laid out.
const LAYOUT_FILE: &str = "dev.json";

/// A group on this machine: which processes, on which ports, with which files.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// Where everything lies.
    pub(super) directory: PathBuf,
    /// The replicas.
    pub(super) replicas: Vec<ReplicaPlan>,
    /// Whether it has a fake cloud of its own.
    pub(super) has_cloud: bool,
    /// The fake cloud's port.
    pub(super) cloud_port: u16,
    /// The fake cloud's arguments beside those that every group has.
    pub(super) cloud_arguments: Vec<String>,
}

/// One replica of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReplicaPlan {
    /// `r1`, `r2`, ...
    pub(super) name: String,
    /// Where clients reach it.
    pub(super) port: u16,
    /// Where the other replicas reach it.
    pub(super) peer_port: u16,
    /// Where it keeps its data.
    pub(super) data_dir: PathBuf,
}

/// How a directory's group is laid out; it cannot change, for the log holds the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Layout {
    replicas: u16,
    port: u16,
    /// The first peer port; 0: laid out before it was written down.
    #[serde(default)]
    peer_port: u16,
}

impl Plan {
    /// A group of `count` replicas from `port` on, with everything in `directory`.
    pub(super) fn new(directory: &Path, count: u16, port: u16) -> Result<Self, Failure> {
        if !REPLICAS.contains(&count) {
            let (least, most) = (REPLICAS.start(), REPLICAS.end());
            return Err(Failure::usage(format!(
                "--replicas {count}: it must be {least} to {most}"
            )));
        }
        if !(1..=LAST_PORT).contains(&port) {
            return Err(Failure::usage(format!(
                "--port {port}: it must be 1 to {LAST_PORT}, for the ports up to {CLOUD_OFFSET} above are used too"
            )));
        }
        let directory = absolute(directory).map_err(|error| {
            Failure::usage(format!("--data-dir {}: {error}", directory.display()))
        })?;
        let first_peer_port = first_peer_port(port);
        let replicas = (0..count).map(|index| {
            let name = format!("r{}", index + 1);
            ReplicaPlan {
                port: port + index,
                peer_port: first_peer_port + index,
                data_dir: directory.join(&name),
                name,
            }
        });
        Ok(Self {
            replicas: replicas.collect(),
            has_cloud: true,
            cloud_port: port + CLOUD_OFFSET,
            cloud_arguments: Vec::new(),
            directory,
        })
    }

    /// Every port and who will listen on it.
    pub(super) fn ports(&self) -> Vec<(u16, String)> {
        let mut ports: Vec<_> = self
            .replicas
            .iter()
            .flat_map(|replica| {
                let peers = format!("the peers of replica {}", replica.name);
                [(replica.port, format!("replica {}", replica.name)), (replica.peer_port, peers)]
            })
            .collect();
        if self.has_cloud {
            ports.push((self.cloud_port, "the fake cloud".to_owned()));
        }
        ports
    }

    /// Where clients reach the group, comma-separated.
    pub(super) fn servers(&self) -> String {
        let servers: Vec<_> = self.replicas.iter().map(ReplicaPlan::address).collect();
        servers.join(",")
    }

    /// Where the fake cloud listens.
    pub(super) fn cloud_address(&self) -> String {
        format!("{HOST}:{}", self.cloud_port)
    }

    /// The fake cloud's ledger.
    pub(super) fn ledger(&self) -> PathBuf {
        self.directory.join("fake-cloud.jsonl")
    }

    /// A process's log.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    /// A replica's configuration file.
    pub(super) fn config_file(&self, replica: &ReplicaPlan) -> PathBuf {
        self.directory.join(format!("{}.yaml", replica.name))
    }

    /// The configuration of a replica: `base` with the addresses of this plan, and with the fake cloud in the
    /// place of every provider of type `fake`. Relative paths in `base` count from `folder`.
    pub(super) fn configuration(&self, replica: &ReplicaPlan, base: &Yaml, folder: &Path) -> Yaml {
        let mut yaml = base.clone();
        let server = yaml.map_mut("server");
        server.set("address", Yaml::text(replica.address()));
        server.set("external_address", Yaml::text(replica.address()));
        // Certificates, like addresses, belong to the machine that the file was written for.
        server.remove("tls");
        anchor(server, "health_policy", folder);
        let before = yaml.get("cluster").cloned();
        yaml.set("cluster", self.cluster(replica));
        // What is of no machine in particular stays.
        for key in ["timings", "snapshot_every"] {
            if let Some(value) = before.as_ref().and_then(|cluster| cluster.get(key)) {
                yaml.map_mut("cluster").set(key, value.clone());
            }
        }
        let url = format!("http://{}", self.cloud_address());
        yaml.serve_fake_providers(|_| Some(url.clone()));
        for (_, provider) in yaml.map_mut("providers").entries_mut() {
            anchor(provider, "ca_file", folder);
        }
        yaml
    }

    /// What the fake cloud takes from the first provider of type `fake`: its name and its machines' GPUs.
    pub(super) fn cloud_of(base: &Yaml) -> Vec<String> {
        let Some(Yaml::Map(providers)) = base.get("providers") else {
            return Vec::new();
        };
        let fake = Yaml::text(FAKE);
        let Some((name, provider)) =
            providers.iter().find(|(_, provider)| provider.get("type") == Some(&fake))
        else {
            return Vec::new();
        };
        let mut arguments = vec!["--provider".to_owned(), name.clone()];
        if let Some(Yaml::Scalar(count)) = provider.get("gpu_count") {
            arguments.extend(["--gpu-count".to_owned(), count.clone()]);
        }
        arguments
    }

    fn cluster(&self, replica: &ReplicaPlan) -> Yaml {
        let initial = self.replicas.iter().map(|replica| {
            Yaml::map([
                ("name", Yaml::text(&replica.name)),
                ("address", Yaml::text(replica.peer_address())),
            ])
        });
        Yaml::map([
            ("replica", Yaml::text(&replica.name)),
            ("data_dir", Yaml::text(replica.data_dir.to_string_lossy())),
            ("peer_address", Yaml::text(replica.peer_address())),
            ("initial_replicas", Yaml::List(initial.collect())),
        ])
    }

    /// Makes the directory, or checks that an earlier run laid it out alike. Answers whether it was there.
    pub(super) fn claim_directory(&self) -> Result<bool, Failure> {
        let path = self.directory.join(LAYOUT_FILE);
        let layout = Layout {
            replicas: u16::try_from(self.replicas.len()).unwrap_or(u16::MAX),
            port: self.replicas.first().map_or(0, |replica| replica.port),
            peer_port: self.replicas.first().map_or(0, |replica| replica.peer_port),
        };
        let failed = |error: String| {
            let message = format!("cannot use {}: {error}", self.directory.display());
            Failure::refused(message).help("choose another directory with --data-dir")
        };
        match fs::read(&path) {
            Ok(bytes) => {
                let found: Layout = serde_json::from_slice(&bytes)
                    .map_err(|error| failed(format!("{LAYOUT_FILE} is damaged: {error}")))?;
                if found == layout {
                    return Ok(true);
                }
                Err(self.laid_out_otherwise(found, layout))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = serde_json::json!(layout).to_string();
                fs::create_dir_all(&self.directory).map_err(|error| failed(error.to_string()))?;
                fs::write(&path, text).map_err(|error| failed(error.to_string()))?;
                Ok(false)
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }

    fn laid_out_otherwise(&self, found: Layout, wanted: Layout) -> Failure {
        let Layout { replicas, port, .. } = found;
        let directory = self.directory.display();
        if (Layout { peer_port: wanted.peer_port, ..found }) == wanted {
            let message =
                format!("{directory} holds a group of an earlier version, with other peer ports");
            return Failure::usage(message)
                .help(format!("choose another --data-dir, or remove {directory} to begin anew"));
        }
        Failure::usage(format!("{directory} holds a group of {replicas} replicas on port {port}, which cannot change"))
            .help(format!(
                "start it with --replicas {replicas} --port {port}, choose another --data-dir, or remove {directory} to begin anew"
            ))
    }
}

impl ReplicaPlan {
    /// Where clients reach it.
    pub(super) fn address(&self) -> String {
        format!("{HOST}:{}", self.port)
    }

    /// Where the other replicas reach it.
    pub(super) fn peer_address(&self) -> String {
        format!("{HOST}:{}", self.peer_port)
    }
}

/// The first peer port of a group whose first API port is `port`: none that the system gives to connections, as
/// far as the ports reach.
fn first_peer_port(port: u16) -> u16 {
    let above = port.saturating_add(PEER_OFFSET);
    if above.saturating_add(*REPLICAS.end()) <= FIRST_DRAWN_PORT {
        above
    } else {
        port - PEER_OFFSET_DOWN
    }
}

/// Makes a path under a key absolute.
fn anchor(yaml: &mut Yaml, key: &str, folder: &Path) {
    let Some(Yaml::Scalar(written)) = yaml.get(key) else {
        return;
    };
    let path: String = serde_json::from_str(written).unwrap_or_else(|_| written.clone());
    if !path.is_empty() {
        yaml.set(key, Yaml::text(folder.join(path).to_string_lossy()));
    }
}
