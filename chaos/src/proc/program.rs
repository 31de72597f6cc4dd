use std::{env, path::PathBuf};

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

/// A program that is named on the command line; refused where there is none, as a run would miss it only halfway.
///
/// # Errors
///
/// If it is not there.
pub fn named_program(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_file() { Ok(path) } else { Err("there is no such program".to_owned()) }
}
