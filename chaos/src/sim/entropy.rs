use std::process::Command;

use crate::{error::ChaosError, preload::Preload};

/// What is loaded into a process that is to repeat itself.
const SOURCE: &str = include_str!("entropy.c");
/// Tells it the seed.
const VARIABLE: &str = "NAVARCH_SIM_ENTROPY";

/// Makes processes repeat themselves: their chance comes from a seed, their time of day stands still, and any other time passes
/// by being asked for.
///
/// A simulated group has its own clocks, but hash maps, identifiers and pauses are drawn all over a program, most of
/// it not ours. The system's sources of chance are therefore replaced for the whole process by a small library,
/// compiled where the run is made.
pub struct Entropy(Preload);

impl Entropy {
    /// Compiles the library with the system's C compiler, which Rust needs to link anyway.
    ///
    /// # Errors
    ///
    /// If there is no compiler.
    pub async fn compile() -> Result<Self, ChaosError> {
        let compiled = Preload::compile("source-of-chance", SOURCE).await?;
        let missing = |problem| ChaosError::Tool { program: "simulation".to_owned(), problem };
        compiled.map(Self).map_err(missing)
    }

    /// Has `command` start a process whose chance comes from `seed`.
    pub fn seed(&self, command: &mut Command, seed: u64) {
        command.env("LD_PRELOAD", self.0.library()).env(VARIABLE, seed.to_string());
    }
}
