use tokio_util::sync::CancellationToken;

use crate::provider::Machine;

/// Starts what runs on a simulated machine. Called once a boot, when the machine has become `running`.
pub trait AgentBooter: Send + Sync + 'static {
    /// Starts an agent for `machine`, which stops when the handle is dropped. Must not block.
    fn boot(&self, machine: &Machine) -> AgentHandle;
}

/// A running agent; dropping it pulls the plug: the agent stops without a word to anybody.
#[derive(Debug)]
pub struct AgentHandle(CancellationToken);

impl AgentHandle {
    /// A handle that cancels `stop` when it is dropped.
    pub fn new(stop: CancellationToken) -> Self {
        Self(stop)
    }
}

impl Drop for AgentHandle {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Machines on which nothing runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAgents;

impl AgentBooter for NoAgents {
    fn boot(&self, _machine: &Machine) -> AgentHandle {
        AgentHandle::new(CancellationToken::new())
    }
}
