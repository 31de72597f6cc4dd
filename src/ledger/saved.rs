use std::{io::BufReader, path::Path};

use navarch_cluster::{Image, SavedSnapshot, SavedSnapshotError};
use navarch_fleet::{FleetState, SnapshotError};
use navarch_proto::fleet::{BeginAdoption, Envelope, Outcome, Proposal, outcome, proposal::Kind};
use prost::Message as _;

use super::machine::FleetImage;

/// Why a saved snapshot makes no state of the fleet.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The file is no whole snapshot that this program reads.
    #[error(transparent)]
    File(#[from] SavedSnapshotError),
    /// Its content is no state that this program reads.
    #[error(transparent)]
    State(#[from] SnapshotError),
    /// The state does not take the first entry of a restored fleet.
    #[error("the state of the snapshot cannot be restored: {0}")]
    Refused(String),
}

/// Reads the snapshot at `path`, every byte checked, and the state in it. Blocks.
///
/// # Errors
///
/// If either cannot be used.
pub fn read_saved(path: &Path) -> Result<(SavedSnapshot, FleetState), SavedError> {
    let saved = SavedSnapshot::open(path)?;
    let image = saved.image().map_err(SnapshotError::Read)?;
    let state = FleetState::read_snapshot(&mut BufReader::with_capacity(1 << 20, image))?;
    Ok((saved, state))
}

/// A state that goes on in a new group, and stands still there until an operator has looked.
pub struct Adopting {
    state: FleetState,
    /// The log index of the entry that began it, the first after the snapshot.
    pub index: u64,
}

impl Adopting {
    /// Applies what a restore begins with to `state`, as the entry after the snapshot's last one; `wall_ms` is
    /// the restorer's clock.
    ///
    /// # Errors
    ///
    /// If apply refuses it.
    pub fn begin(
        mut state: FleetState,
        saved: &SavedSnapshot,
        wall_ms: u64,
    ) -> Result<Self, SavedError> {
        let info = saved.info();
        let index = info.last_index + 1;
        let begin = BeginAdoption {
            machine_tag: info.group_id,
            snapshot_index: info.last_index,
            restored_ms: wall_ms,
        };
        let envelope = Envelope {
            format: navarch_fleet::ENVELOPE_FORMAT,
            log_time_ms: state.log_time_ms(),
            actor: "operator".to_owned(),
            proposal: Some(Proposal { kind: Some(Kind::BeginAdoption(begin)) }),
            ..Envelope::default()
        };
        let applied = state.apply(index, &envelope.encode_to_vec());
        let applied = applied.map_err(|fault| SavedError::Refused(fault.to_string()))?;
        match applied.outcome {
            Outcome { result: Some(outcome::Result::Accepted(_)) } => Ok(Self { state, index }),
            Outcome { result: Some(outcome::Result::Rejection(rejection)) } => {
                Err(SavedError::Refused(rejection.message))
            }
            Outcome { result: None } => Err(SavedError::Refused("the outcome is empty".to_owned())),
        }
    }

    /// The state as a group's replica keeps it.
    pub fn into_image(self) -> Box<dyn Image> {
        Box::new(FleetImage(self.state))
    }
}
