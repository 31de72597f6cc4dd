use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    AvailabilityRecord, BugRecord, FaultRecord, InvariantRecord, LoadPoint, RejoinRecord,
    SeedsRecord,
};
use crate::error::ChaosError;

/// All that one run leaves behind. Times within it count from its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The kind of run, as on the command line: `sim`, `scenario`, `availability`, `power-loss`, `mutants`.
    pub run: String,
    /// What is special about this one: the name of its scenario, the fault that it measures.
    pub name: String,
    /// The line that repeats it.
    pub command: String,
    /// When it began, milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// How long it took, milliseconds of real time.
    pub took_ms: u64,
    /// The program that was tried, as `navarch version` tells it.
    pub build: String,
    /// The first twelve digits of that program's SHA-256, which tells two builds of one version apart (`sha256sum`); empty
    /// in records of before it was kept.
    #[serde(default)]
    pub program: String,
    /// Every fault, in the order of time.
    pub faults: Vec<FaultRecord>,
    /// What was checked at the end.
    pub invariants: Vec<InvariantRecord>,
    /// Clients' throughput and latency, in the order of time; empty if nobody measured them.
    pub load: Vec<LoadPoint>,
    /// How long writes waited; empty if that was not measured.
    pub availability: Vec<AvailabilityRecord>,
    /// How long wiped replicas took to rejoin; empty if that was not measured.
    #[serde(default)]
    pub rejoin: Vec<RejoinRecord>,
    /// Bugs that were planted; empty if none was.
    #[serde(default)]
    pub bugs: Vec<BugRecord>,
    /// Simulated runs; `None` for processes.
    pub seeds: Option<SeedsRecord>,
}

impl RunRecord {
    /// Writes it into `directory`, which is created, under a name of its own.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save(&self, directory: &Path) -> Result<PathBuf, ChaosError> {
        let name = format!("{}-{}-{}.json", self.run, file_name(&self.name), self.started_unix_ms);
        let path = directory.join(name);
        let failed =
            |source| ChaosError::System { what: format!("write {}", path.display()), source };
        let text = serde_json::to_string(self).map_err(|error| failed(error.into()))?;
        fs::create_dir_all(directory).and_then(|()| fs::write(&path, text)).map_err(failed)?;
        Ok(path)
    }

    /// Reads all records of `directory`, oldest first.
    ///
    /// # Errors
    ///
    /// If the directory or a record in it cannot be read.
    pub fn load_all(directory: &Path) -> Result<Vec<Self>, ChaosError> {
        let failed = |path: &Path, source| ChaosError::System {
            what: format!("read {}", path.display()),
            source,
        };
        let mut records = Vec::new();
        let entries = fs::read_dir(directory).map_err(|source| failed(directory, source))?;
        for entry in entries {
            let path = entry.map_err(|source| failed(directory, source))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let text = fs::read(&path).map_err(|source| failed(&path, source))?;
                let record: Self =
                    serde_json::from_slice(&text).map_err(|error| failed(&path, error.into()))?;
                records.push(record);
            }
        }
        records.sort_by_key(|record| record.started_unix_ms);
        Ok(records)
    }
}

/// `name` with whatever a file's name should not have replaced.
fn file_name(name: &str) -> String {
    let kept = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    name.chars().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it the report would not find, or not understand, what runs left for it.
    #[test]
    fn records_come_back_oldest_first() {
        let directory = tempfile::tempdir().unwrap();
        let record = |name: &str, started_unix_ms| RunRecord {
            run: "scenario".to_owned(),
            name: name.to_owned(),
            started_unix_ms,
            ..RunRecord::default()
        };
        let (later, earlier) = (record("a/b c", 2), record("z", 1));
        later.save(directory.path()).unwrap();
        earlier.save(directory.path()).unwrap();
        assert_eq!(RunRecord::load_all(directory.path()).unwrap(), [earlier, later]);
    }
}
