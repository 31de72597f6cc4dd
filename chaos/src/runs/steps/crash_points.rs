use std::{collections::BTreeSet, fs, io, path::PathBuf};

use crate::error::ChaosError;

/// The folder through which replicas tell which crash points they pass, and are told at which to die.
pub(super) struct CrashPoints {
    folder: PathBuf,
}

impl CrashPoints {
    /// An empty folder.
    pub(super) fn new(folder: PathBuf) -> Result<Self, ChaosError> {
        fs::create_dir_all(&folder).map_err(ChaosError::system("make the crash points' folder"))?;
        Ok(Self { folder })
    }

    /// What replicas need in their environment.
    pub(super) fn environment(&self) -> (String, String) {
        ("NAVARCH_CRASH_POINTS".to_owned(), self.folder.display().to_string())
    }

    /// All that any replica has passed so far.
    pub(super) fn seen(&self) -> Result<BTreeSet<String>, ChaosError> {
        let failed = ChaosError::system("list the crash points");
        let listed = fs::read_dir(&self.folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let names = listed.map_err(failed)?;
        let seen = |entry: &fs::DirEntry| {
            entry.file_name().to_str()?.strip_suffix(".seen").map(ToOwned::to_owned)
        };
        Ok(names.iter().filter_map(seen).collect())
    }

    /// Has the next replica that passes `point` die there.
    pub(super) fn arm(&self, point: &str) -> Result<(), ChaosError> {
        fs::write(self.armed(point), "").map_err(ChaosError::system(format!("arm {point}")))
    }

    /// Whether nobody has died at `point` since it was armed.
    pub(super) fn is_armed(&self, point: &str) -> bool {
        self.armed(point).exists()
    }

    /// Takes the order back; answers whether nobody has carried it out.
    pub(super) fn disarm(&self, point: &str) -> Result<bool, ChaosError> {
        match fs::remove_file(self.armed(point)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(ChaosError::system(format!("disarm {point}"))(error)),
        }
    }

    fn armed(&self, point: &str) -> PathBuf {
        self.folder.join(format!("{point}.armed"))
    }
}
