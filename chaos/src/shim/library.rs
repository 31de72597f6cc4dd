use std::path::Path;

use super::Board;
use crate::{error::ChaosError, preload::Preload, proc::Place};

/// The library's source, which travels with this program.
const SOURCE: &str = include_str!("../../shim/shim.c");

/// The library, ready to be preloaded. It goes with the last clone.
#[derive(Clone, Debug)]
pub struct Shim(Preload);

impl Shim {
    /// Builds it; `Ok(Err(why))` where that cannot be done on this machine, which is a reason to skip.
    ///
    /// # Errors
    ///
    /// If the compiler refuses the source, or there is no room for it.
    pub async fn build() -> Result<Result<Self, String>, ChaosError> {
        Ok(Preload::compile("shim", SOURCE).await?.map(Self))
    }

    /// Lays out the levers of the replica that is to lie at `place`.
    ///
    /// # Errors
    ///
    /// If the files cannot be made.
    pub fn board(&self, directory: &Path, place: &Place) -> Result<Board, ChaosError> {
        let folder = directory.join(format!("{}.shim", place.name));
        let made = Board::lay_out(&folder, &place.data_dir, self.0.library());
        made.map_err(ChaosError::system(format!("lay the shim of {} out", place.name)))
    }
}
