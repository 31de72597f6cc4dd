use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;
use tokio::process::Command;

use crate::error::ChaosError;

/// The compilers that are tried.
const COMPILERS: [&str; 3] = ["cc", "gcc", "clang"];

/// A library in C, compiled where it is used, that is loaded into a process before its own. It goes with the last clone.
#[derive(Clone, Debug)]
pub(crate) struct Preload {
    library: PathBuf,
    _folder: Arc<TempDir>,
}

impl Preload {
    /// Compiles `source`, of which errors tell as `name`; `Ok(Err(why))` where that cannot be done on this machine, which is
    /// a reason to skip.
    ///
    /// # Errors
    ///
    /// If the compiler refuses the source, or there is no room for it.
    pub(crate) async fn compile(
        name: &str,
        source: &str,
    ) -> Result<Result<Self, String>, ChaosError> {
        if !cfg!(target_os = "linux") {
            return Ok(Err(format!("the {name} is for Linux")));
        }
        let folder = tempfile::Builder::new().prefix(&format!("navarch-{name}-")).tempdir();
        let folder = folder.map_err(ChaosError::system(format!("make a folder for the {name}")))?;
        let file = folder.path().join(format!("{name}.c"));
        let library = folder.path().join(format!("{name}.so"));
        fs::write(&file, source)
            .map_err(ChaosError::system(format!("write the source of the {name}")))?;
        for compiler in COMPILERS {
            let built = Command::new(compiler)
                .args(["-std=gnu11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-pthread"])
                .arg("-o")
                .args([&library, &file])
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
        Ok(Err(format!("there is no C compiler to build the {name} with; tried {tried}")))
    }

    /// What `LD_PRELOAD` is to name.
    pub(crate) fn library(&self) -> &Path {
        &self.library
    }
}
