use std::path::PathBuf;

use crate::sim::Kept;

/// `navarch-chaos sim`
#[derive(Clone, Debug, clap::Args)]
pub struct SimOptions {
    /// Seeds to run
    #[arg(long, default_value_t = 200)]
    pub seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    pub first: u64,
    /// Run this seed alone, and tell what happens
    #[arg(long, conflicts_with_all = ["seeds", "first"])]
    pub seed: Option<u64>,
    /// With --seed: only these faults of its plan, by number from 0, as `0,2`; or `none`
    #[arg(long, value_name = "NUMBERS", requires = "seed")]
    pub only: Option<Kept>,
    /// With --seed: write everything that happens, a line each
    #[arg(long, value_name = "FILE", requires = "seed")]
    pub trace: Option<PathBuf>,
    /// Seeds to run twice: both must leave the same trace
    #[arg(long, default_value_t = 3)]
    pub repeat: u64,
    /// Seeds at once [default: as many as there are processors]
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Where to leave a record for `navarch-chaos report`
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
}
