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
    /// Where clients reach it, `host:port`.
    pub address: String,
    /// Where the other replicas reach it, `host:port`.
    pub peer_address: String,
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
        Self {
            address: format!("127.0.0.1:{port}"),
            peer_address: format!("127.0.0.1:{peer_port}"),
            data_dir: directory.join(&name),
            config: directory.join(format!("{name}.yaml")),
            log: directory.join(format!("{name}.log")),
            name,
        }
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

    fn config_text(&self, initial: &[Place], fleet: &FleetFile, cloud: &str) -> String {
        let Self { name, address, peer_address, data_dir, .. } = self;
        let data_dir = quoted(&data_dir.to_string_lossy());
        let mut text =
            format!("server:\n  address: \"{address}\"\n  external_address: \"{address}\"\n");
        for line in &fleet.server {
            let _ = writeln!(text, "  {line}");
        }
        let _ = write!(
            text,
            "cluster:\n  replica: {name}\n  data_dir: {data_dir}\n  peer_address: \"{peer_address}\"\n"
        );
        if !initial.is_empty() {
            text.push_str("  initial_replicas:\n");
        }
        for place in initial {
            let Self { name, peer_address, .. } = place;
            let _ = writeln!(text, "    - {{name: {name}, address: \"{peer_address}\"}}");
        }
        text.push_str(&fleet.sections.replace("{cloud}", cloud));
        text
    }
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
        let waits = places[2].config_text(&[], &FleetFile::quiet(), "");
        let waits = navarch::config::parse(&waits, "test.yaml").expect("loads");
        assert!(waits.replica.initial_replicas.is_empty());
    }
}
