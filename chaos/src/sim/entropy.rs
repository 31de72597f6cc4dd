use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::error::ChaosError;

/// What is loaded into a process that is to repeat itself.
const SOURCE: &str = include_str!("entropy.c");
/// Tells it the seed.
const VARIABLE: &str = "NAVARCH_SIM_ENTROPY";

/// Makes processes repeat themselves: their chance comes from a seed, and their time of day stands still.
///
/// A simulated group has its own clocks, but hash maps, identifiers and pauses are drawn all over a program, most of
/// it not ours. The system's sources of chance are therefore replaced for the whole process by a small library,
/// compiled where the run is made.
pub struct Entropy {
    library: PathBuf,
    _folder: TempDir,
}

impl Entropy {
    /// Compiles the library with the system's C compiler, which Rust needs to link anyway.
    ///
    /// # Errors
    ///
    /// If there is no compiler.
    pub fn compile() -> Result<Self, ChaosError> {
        let folder = tempfile::tempdir().map_err(ChaosError::system("make a folder"))?;
        let library = folder.path().join("entropy.so");
        compile(folder.path(), &library).map_err(ChaosError::system(
            "compile the source of chance with `cc`; install a C compiler",
        ))?;
        Ok(Self { library, _folder: folder })
    }

    /// Has `command` start a process whose chance comes from `seed`.
    pub fn seed(&self, command: &mut Command, seed: u64) {
        command.env("LD_PRELOAD", &self.library).env(VARIABLE, seed.to_string());
    }
}

fn compile(folder: &Path, library: &Path) -> io::Result<()> {
    let source = folder.join("entropy.c");
    fs::write(&source, SOURCE)?;
    let output = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-o"])
        .arg(library)
        .arg(&source)
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}
