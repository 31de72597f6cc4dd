use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use super::options::FleetFile;

/// Where a replica is and lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `r1`, `r2`, ...
    pub name: String,
    /// Where it listens for clients, `host:port`.
    pub address: String,
    /// Where it listens for the other replicas, `host:port`.
    pub peer_address: String,
    /// Where clients are told to reach it: there, or at a proxy before it.
    pub reach: String,
    /// Where the other replicas are told to reach it.
    pub peer_reach: String,
    /// Its log and snapshots.
    pub data_dir: PathBuf,
    /// Its configuration file.
    pub config: PathBuf,
    /// What it prints.
    pub log: PathBuf,
}

impl Place {
    /// The place of replica `number` in `directory`.
    pub(super) fn new(directory: &Path, number: usize, (port, peer_port): (u16, u16)) -> Self {
        let name = format!("r{number}");
        let (address, peer_address) = (local(port), local(peer_port));
        Self {
            reach: address.clone(),
            peer_reach: peer_address.clone(),
            address,
            peer_address,
            data_dir: directory.join(&name),
            config: directory.join(format!("{name}.yaml")),
            log: directory.join(format!("{name}.log")),
            name,
        }
    }

    /// The same, with proxies at two further ports before it.
    pub(super) fn behind(self, (port, peer_port): (u16, u16)) -> Self {
        Self { reach: local(port), peer_reach: local(peer_port), ..self }
    }

    /// Writes the configuration; `initial` names the replicas of a new group, or none for one that waits to be
    /// added.
    pub(super) fn write_config(
        &self,
        initial: &[Place],
        fleet: &FleetFile,
        cloud: &str,
    ) -> io::Result<()> {
        fs::write(&self.config, self.config_text(initial, fleet, cloud))
    }

    /// Has the configuration say how many entries lie between two snapshots, or nothing of it.
    pub(super) fn set_snapshot_every(&self, entries: Option<u64>) -> io::Result<()> {
        fs::write(&self.config, with_snapshots(&fs::read_to_string(&self.config)?, entries))
    }

    fn config_text(&self, initial: &[Place], fleet: &FleetFile, cloud: &str) -> String {
        let Self { name, address, peer_address, reach, peer_reach, data_dir, .. } = self;
        let data_dir = quoted(&data_dir.to_string_lossy());
        let mut text =
            format!("server:\n  address: \"{address}\"\n  external_address: \"{reach}\"\n");
        for line in &fleet.server {
            let _ = writeln!(text, "  {line}");
        }
        let _ = write!(
            text,
            "cluster:\n  replica: {name}\n  data_dir: {data_dir}\n  peer_address: \"{peer_address}\"\n"
        );
        match initial {
            [] => {
                let _ = writeln!(text, "  advertise_peer_address: \"{peer_reach}\"");
            }
            [_, ..] => text.push_str("  initial_replicas:\n"),
        }
        for Self { name, peer_reach, .. } in initial {
            let _ = writeln!(text, "    - {{name: {name}, address: \"{peer_reach}\"}}");
        }
        text.push_str(&fleet.sections.replace("{cloud}", cloud));
        text
    }
}

/// A configuration with `entries` between two snapshots in the place of what it said before.
fn with_snapshots(text: &str, entries: Option<u64>) -> String {
    const KEY: &str = "  snapshot_every:";
    let mut changed = String::new();
    for line in text.lines().filter(|line| !line.starts_with(KEY)) {
        changed.push_str(line);
        changed.push('\n');
        if let Some(entries) = entries.filter(|_| line == "cluster:") {
            let _ = writeln!(changed, "{KEY} {entries}");
        }
    }
    changed
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A JSON string is a YAML double-quoted scalar.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it the replicas of a run would not start, or not as one group.
    #[test]
    fn configurations_load() {
        let directory = Path::new("/tmp/with \"quotes\"");
        let places =
            [1, 2, 3].map(|port| Place::new(directory, usize::from(port), (port, 100 + port)));
        let sections = "providers:\n  p: {type: http, url: \"http://{cloud}\"}\n".to_owned();
        let fleet = FleetFile { sections, ..FleetFile::quiet() };
        let text = places[1].config_text(&places, &fleet, "127.0.0.1:7");
        let config = navarch::config::parse(&text, "test.yaml").expect("loads");
        assert_eq!(config.replica.name, "r2");
        assert_eq!(config.replica.data_dir, directory.join("r2"));
        assert_eq!(config.replica.initial_replicas.len(), 3);
        assert!(text.contains("http://127.0.0.1:7"), "{text}");
        let often = with_snapshots(&with_snapshots(&text, Some(50)), Some(60));
        let replica = navarch::config::parse(&often, "test.yaml").expect("loads").replica;
        assert_eq!(replica.snapshot_every, Some(60));
        assert_eq!(with_snapshots(&often, None), text);
        let behind = places[2].clone().behind((13, 113));
        let waits = behind.config_text(&[], &FleetFile::quiet(), "");
        let waits = navarch::config::parse(&waits, "test.yaml").expect("loads").replica;
        assert!(waits.initial_replicas.is_empty());
        assert_eq!((&*waits.address, &*waits.peer_address), ("127.0.0.1:3", "127.0.0.1:103"));
        assert_eq!(waits.external_address, "127.0.0.1:13");
        assert_eq!(waits.advertise_peer_address, "127.0.0.1:113");
    }
}
