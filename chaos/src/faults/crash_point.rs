use std::{collections::BTreeSet, fs, io, path::Path};

use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage};
use crate::error::ChaosError;

/// Leaders die between intent, cloud call, result and answer: at the next place that one passes, of those that any has
/// passed before.
#[derive(Default)]
pub(super) struct CrashPoint {
    armed: BTreeSet<String>,
}

#[async_trait(?Send)]
impl Fault for CrashPoint {
    fn name(&self) -> String {
        "crash-point".to_owned()
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        let Some(folder) = &stage.crash_points else {
            return Ok(Begun::Skipped("replicas were told of no crash points".to_owned()));
        };
        if !stage.has_cloud {
            let why = "without a cloud leaders pass no place to die at";
            return Ok(Begun::Skipped(why.to_owned()));
        }
        let seen = seen(folder).map_err(ChaosError::system("list the crash points"))?;
        for point in seen {
            fs::write(armed(folder, &point), "")
                .map_err(ChaosError::system("arm a crash point"))?;
            self.armed.insert(point);
        }
        Ok(Begun::Struck(self.armed.iter().cloned().collect()))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        let Some(folder) = stage.crash_points.clone() else {
            return Ok(Seen::No("crash points".to_owned()));
        };
        let mut passed = 0;
        for point in std::mem::take(&mut self.armed) {
            match fs::remove_file(armed(&folder, &point)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => passed += 1,
                Err(error) => return Err(ChaosError::system("disarm a crash point")(error)),
            }
        }
        let all: Vec<_> = stage.indices().collect();
        stage.revive(&all)?;
        Ok(Seen::when(passed > 0, "a leader that passed an armed point"))
    }
}

fn armed(folder: &Path, point: &str) -> std::path::PathBuf {
    folder.join(format!("{point}.armed"))
}

fn seen(folder: &Path) -> io::Result<BTreeSet<String>> {
    let name = |entry: fs::DirEntry| {
        entry.file_name().to_str()?.strip_suffix(".seen").map(ToOwned::to_owned)
    };
    Ok(fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?.into_iter().filter_map(name).collect())
}
