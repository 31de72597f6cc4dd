use std::fmt;

use navarch_proto::fleet::FailureKind;

/// Where a rented machine is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceState {
    /// The order is in the log; the provider has not answered it for good.
    Provisioning,
    /// Bought; its agent has not registered.
    PendingRegistration,
    /// Its agent registered.
    Running,
    /// To be given back; the provider has not confirmed that it is gone.
    Terminating,
    /// The provider confirmed that it is gone.
    Terminated,
    /// The order or the machine failed.
    Failed,
}

impl InstanceState {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 6] = [
        Self::Provisioning,
        Self::PendingRegistration,
        Self::Running,
        Self::Terminating,
        Self::Terminated,
        Self::Failed,
    ];
}

impl fmt::Display for InstanceState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Provisioning => "provisioning",
            Self::PendingRegistration => "pending_registration",
            Self::Running => "running",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
            Self::Failed => "failed",
        })
    }
}

/// Whether a failed record still has a machine that costs money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    Present,
    Absent,
}

/// What may happen to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstanceStep {
    /// The provider sold a machine, or a sold one turned up.
    Buy,
    /// An agent registered on it.
    Join,
    Fail(FailureKind),
    /// It is to be given back.
    Terminate,
    /// The provider confirms that it is gone.
    ConfirmGone,
}

/// The transition table: the state after `step`, or why it is refused. An equal state is no change.
pub(crate) fn next_state(
    state: InstanceState,
    machine: Machine,
    step: InstanceStep,
) -> Result<InstanceState, &'static str> {
    match state {
        InstanceState::Provisioning => from_provisioning(step),
        InstanceState::PendingRegistration => from_pending(step),
        InstanceState::Running => from_running(step),
        InstanceState::Terminating => match step {
            InstanceStep::Buy | InstanceStep::Terminate => Ok(InstanceState::Terminating),
            InstanceStep::ConfirmGone => Ok(InstanceState::Terminated),
            InstanceStep::Join => Err("it is being given back"),
            InstanceStep::Fail(_) => Err("it is being given back; wait for the provider"),
        },
        InstanceState::Terminated => match step {
            // A machine that turns up late is given back.
            InstanceStep::Buy => Ok(InstanceState::Terminating),
            InstanceStep::Terminate | InstanceStep::ConfirmGone => Ok(InstanceState::Terminated),
            InstanceStep::Join | InstanceStep::Fail(_) => Err("its machine is gone"),
        },
        InstanceState::Failed => match (step, machine) {
            (InstanceStep::Buy, _) | (InstanceStep::Terminate, Machine::Present) => {
                Ok(InstanceState::Terminating)
            }
            (InstanceStep::Terminate, Machine::Absent) => Err("it has no machine"),
            (InstanceStep::ConfirmGone, _) => Err("it was never asked to terminate"),
            (InstanceStep::Join | InstanceStep::Fail(_), _) => Err("it has failed already"),
        },
    }
}

fn from_provisioning(step: InstanceStep) -> Result<InstanceState, &'static str> {
    match step {
        InstanceStep::Buy => Ok(InstanceState::PendingRegistration),
        // The agent was faster than the purchase's result, which makes it running.
        InstanceStep::Join => Ok(InstanceState::Provisioning),
        InstanceStep::Fail(kind) => match kind {
            FailureKind::Capacity
            | FailureKind::Quota
            | FailureKind::Invalid
            | FailureKind::LaunchTimeout => Ok(InstanceState::Failed),
            FailureKind::Unspecified
            | FailureKind::Stale
            | FailureKind::Vanished
            | FailureKind::NodeLost
            | FailureKind::NodeUnhealthy
            | FailureKind::BadGpu => Err("its order has not been answered"),
        },
        InstanceStep::Terminate => Err("its order has not been answered; it keeps its slot"),
        InstanceStep::ConfirmGone => Err("its order has not been answered"),
    }
}

fn from_pending(step: InstanceStep) -> Result<InstanceState, &'static str> {
    match step {
        InstanceStep::Buy => Ok(InstanceState::PendingRegistration),
        InstanceStep::Join => Ok(InstanceState::Running),
        InstanceStep::Fail(kind) => match kind {
            FailureKind::Stale | FailureKind::Vanished => Ok(InstanceState::Failed),
            FailureKind::Unspecified
            | FailureKind::Capacity
            | FailureKind::Quota
            | FailureKind::Invalid
            | FailureKind::LaunchTimeout => Err("it is bought already"),
            FailureKind::NodeLost | FailureKind::NodeUnhealthy | FailureKind::BadGpu => {
                Err("no node runs on it")
            }
        },
        InstanceStep::Terminate => Ok(InstanceState::Terminating),
        InstanceStep::ConfirmGone => Err("it was never asked to terminate"),
    }
}

fn from_running(step: InstanceStep) -> Result<InstanceState, &'static str> {
    match step {
        InstanceStep::Buy | InstanceStep::Join => Ok(InstanceState::Running),
        InstanceStep::Fail(kind) => match kind {
            FailureKind::Vanished
            | FailureKind::NodeLost
            | FailureKind::NodeUnhealthy
            | FailureKind::BadGpu => Ok(InstanceState::Failed),
            FailureKind::Stale => Err("its node has registered"),
            FailureKind::Unspecified
            | FailureKind::Capacity
            | FailureKind::Quota
            | FailureKind::Invalid
            | FailureKind::LaunchTimeout => Err("it is bought already"),
        },
        InstanceStep::Terminate => Ok(InstanceState::Terminating),
        InstanceStep::ConfirmGone => Err("it was never asked to terminate"),
    }
}

#[cfg(test)]
#[path = "instance_state_test.rs"]
mod tests;
