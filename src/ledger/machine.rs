use std::{io, sync::Arc};

use bytes::Bytes;
use navarch_cluster::{ApplyFault, Image, InstallError, StateMachine};
use navarch_fleet::FleetState;
use prost::Message as _;
use tokio::sync::watch;

/// A state of the fleet and the log index it reflects. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Index of the last entry that the state holds.
    pub index: u64,
    /// The state, which never changes again.
    pub fleet: Arc<FleetState>,
}

/// The fleet state as `cluster` sees it.
pub struct FleetMachine {
    state: FleetState,
    views: watch::Sender<View>,
}

impl FleetMachine {
    /// An empty fleet, and where its views appear.
    pub fn new() -> (Self, watch::Receiver<View>) {
        let (views, receiver) = watch::channel(View::default());
        (Self { state: FleetState::default(), views }, receiver)
    }
}

impl StateMachine for FleetMachine {
    fn apply(&mut self, index: u64, payload: &[u8]) -> Result<Bytes, ApplyFault> {
        let applied =
            self.state.apply(index, payload).map_err(|fault| ApplyFault::new(fault.to_string()))?;
        Ok(Bytes::from(applied.outcome.encode_to_vec()))
    }

    fn batch_applied(&mut self, last_index: u64) {
        self.views.send_replace(View { index: last_index, fleet: Arc::new(self.state.clone()) });
    }

    fn image(&self) -> Box<dyn Image> {
        Box::new(FleetImage(self.state.clone()))
    }

    fn install(&mut self, _last_index: u64, reader: &mut dyn io::Read) -> Result<(), InstallError> {
        self.state = FleetState::read_snapshot(reader)
            .map_err(|error| InstallError::new(error.to_string()))?;
        Ok(())
    }
}

pub(super) struct FleetImage(pub(super) FleetState);

impl Image for FleetImage {
    fn write_to(&self, writer: &mut dyn io::Write) -> io::Result<()> {
        self.0.write_snapshot(writer)
    }
}
