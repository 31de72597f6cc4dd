use std::{
    env,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use crate::error::ChaosError;

/// The shipped binary: `given`, or the `navarch` that was built beside this program.
///
/// # Errors
///
/// If it is not there.
pub fn navarch_program(given: Option<PathBuf>) -> Result<PathBuf, ChaosError> {
    let path = match given {
        Some(path) => path,
        None => {
            let own = env::current_exe().map_err(ChaosError::system("find this program"))?;
            own.with_file_name("navarch")
        }
    };
    if path.is_file() { Ok(path) } else { Err(ChaosError::NoProgram { path }) }
}

/// What `program` says of itself, as `navarch 0.1.0`.
///
/// # Errors
///
/// If it cannot be asked.
pub async fn program_version(program: &Path) -> Result<String, ChaosError> {
    let output = Command::new(program).arg("version").output().await;
    let output = output.map_err(ChaosError::system(format!("run {}", program.display())))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
