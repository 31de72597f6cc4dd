use std::{fs, path::Path};

use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::record::RunRecord;

/// Digits of a program's hash that are kept: as many as Git shows where a name must stay the only one for years.
const DIGITS: usize = 12;

/// Which build of a program a run tried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Build {
    /// What its `version` says, on one line; empty if it says nothing.
    pub version: String,
    /// The first digits of its SHA-256; empty if it cannot be read.
    pub program: String,
}

impl Build {
    /// That of `program`, which is asked.
    pub(crate) async fn of(program: &Path) -> Self {
        let output = Command::new(program).arg("version").output().await;
        let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let version = said.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { version, program: hash_of(program) }
    }

    /// That of this program, for runs that have the control plane within them.
    pub(crate) fn own() -> Self {
        let version = format!("navarch {}", env!("CARGO_PKG_VERSION"));
        let program = std::env::current_exe().map(|path| hash_of(&path)).unwrap_or_default();
        Self { version, program }
    }

    /// A record that tells this build, and nothing else yet.
    pub(crate) fn record(&self) -> RunRecord {
        let (build, program) = (self.version.clone(), self.program.clone());
        RunRecord { build, program, ..RunRecord::default() }
    }
}

fn hash_of(program: &Path) -> String {
    let bytes = fs::read(program).unwrap_or_default();
    if bytes.is_empty() {
        return String::new();
    }
    let hash = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    hash.chars().take(DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a figure could be told of a program that `sha256sum` does not find.
    #[test]
    fn a_program_is_told_as_sha256sum_tells_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(hash_of(file.path()), "");
        fs::write(file.path(), "abc").unwrap();
        // The first of the examples in FIPS 180-4.
        assert_eq!(hash_of(file.path()), "ba7816bf8f01");
        assert_eq!(hash_of(Path::new("/nowhere/at/all")), "");
    }
}
