use std::{fs, path::Path, path::PathBuf, sync::Arc};

use tempfile::TempDir;
use tokio::process::Command;

use super::Board;
use crate::{error::ChaosError, proc::Place};

/// The library's source, which travels with this program.
const SOURCE: &str = include_str!("../../shim/shim.c");

/// The compilers that are tried.
const COMPILERS: [&str; 3] = ["cc", "gcc", "clang"];

/// The library, ready to be preloaded. It goes with the last clone.
#[derive(Clone, Debug)]
pub struct Shim {
    library: PathBuf,
    _folder: Arc<TempDir>,
}

impl Shim {
    /// Builds it; `Ok(Err(why))` where that cannot be done on this machine, which is a reason to skip.
    ///
    /// # Errors
    ///
    /// If the compiler refuses the source, or there is no room for it.
    pub async fn build() -> Result<Result<Self, String>, ChaosError> {
        if !cfg!(target_os = "linux") {
            return Ok(Err("the shim is for Linux".to_owned()));
        }
        let folder = tempfile::Builder::new().prefix("navarch-shim-").tempdir();
        let folder = folder.map_err(ChaosError::system("make a folder for the shim"))?;
        let (source, library) = (folder.path().join("shim.c"), folder.path().join("shim.so"));
        fs::write(&source, SOURCE).map_err(ChaosError::system("write the shim's source"))?;
        for compiler in COMPILERS {
            let built = Command::new(compiler)
                .args(["-std=gnu11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-pthread"])
                .arg("-o")
                .args([&library, &source])
                .arg("-ldl")
                .output()
                .await;
            // A compiler that is not there is no failure: the next one may be.
            let Ok(output) = built else { continue };
            if output.status.success() {
                return Ok(Ok(Self { library, _folder: Arc::new(folder) }));
            }
            let problem = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(ChaosError::Tool { program: compiler.to_owned(), problem });
        }
        let tried = COMPILERS.join(", ");
        Ok(Err(format!("there is no C compiler to build the shim with; tried {tried}")))
    }

    /// Lays out the levers of the replica that is to lie at `place`.
    ///
    /// # Errors
    ///
    /// If the files cannot be made.
    pub fn board(&self, directory: &Path, place: &Place) -> Result<Board, ChaosError> {
        let folder = directory.join(format!("{}.shim", place.name));
        let made = Board::lay_out(&folder, &place.data_dir, &self.library);
        made.map_err(ChaosError::system(format!("lay the shim of {} out", place.name)))
    }
}
