use std::{collections::BTreeMap, fmt, sync::Arc};

use navarch_proto::api::NodeCommandType;

use crate::{
    ids::{CommandId, NodeId},
    time::LogTime,
};

/// An order to a node's agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCommand {
    /// Its id, minted before the log.
    pub id: CommandId,
    /// Whom it is for.
    pub node_id: NodeId,
    /// What is ordered.
    pub command_type: NodeCommandType,
    /// With what.
    pub parameters: BTreeMap<String, String>,
    /// How far it has come.
    pub state: CommandState,
    /// When it was issued.
    pub issued_at: LogTime,
    /// When it ended; none: it has not.
    pub finished_at: Option<LogTime>,
    /// When it expires.
    pub deadline: LogTime,
    /// What the agent says of it, at most 64 KiB.
    pub output: Arc<str>,
    /// What went wrong, at most 64 KiB.
    pub error: Arc<str>,
    /// Who issued it.
    pub actor: Arc<str>,
    /// The log index of its entry: its order among all commands.
    pub sequence: u64,
}

/// How far a node command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandState {
    /// Waits for its node.
    Queued,
    /// Handed to the agent, not acknowledged.
    Delivered,
    /// Done.
    Succeeded,
    /// The agent could not.
    Failed,
    /// The deadline passed without an acknowledgement.
    Expired,
}

impl CommandState {
    /// Whether an agent still has to acknowledge it.
    pub fn is_open(self) -> bool {
        match self {
            Self::Queued | Self::Delivered => true,
            Self::Succeeded | Self::Failed | Self::Expired => false,
        }
    }

    /// The transition table: the state after `step`. An equal result is no change; nothing is refused,
    /// because an agent repeats itself until it is heard, and the first end of a command is its end.
    pub(crate) fn next(self, step: CommandStep) -> Self {
        match self {
            Self::Queued | Self::Delivered => match step {
                CommandStep::Deliver => Self::Delivered,
                CommandStep::HandOut | CommandStep::Succeed => Self::Succeeded,
                CommandStep::Fail => Self::Failed,
                CommandStep::Expire => Self::Expired,
            },
            Self::Succeeded | Self::Failed | Self::Expired => self,
        }
    }
}

impl fmt::Display for CommandState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Expired => "expired",
        })
    }
}

/// What may happen to a node command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandStep {
    /// Handed to an agent that will acknowledge it.
    Deliver,
    /// Handed to an agent that never acknowledges.
    HandOut,
    /// Acknowledged as done.
    Succeed,
    /// Acknowledged as failed.
    Fail,
    /// Its deadline passed.
    Expire,
}

/// How events and messages name a type.
pub(crate) fn type_word(command_type: NodeCommandType) -> &'static str {
    match command_type {
        NodeCommandType::Unknown => "unknown",
        NodeCommandType::Cordon => "cordon",
        NodeCommandType::Drain => "drain",
        NodeCommandType::RunDiagnostic => "run-diagnostic",
        NodeCommandType::Terminate => "terminate",
        NodeCommandType::Uncordon => "uncordon",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A late or repeated acknowledgement must not turn one result into another.
    #[test]
    fn transition_table() {
        use CommandState::{Delivered, Expired, Failed, Queued, Succeeded};
        // queued, delivered, succeeded, failed, expired
        let table = [
            (CommandStep::Deliver, [Delivered, Delivered, Succeeded, Failed, Expired]),
            (CommandStep::HandOut, [Succeeded, Succeeded, Succeeded, Failed, Expired]),
            (CommandStep::Succeed, [Succeeded, Succeeded, Succeeded, Failed, Expired]),
            (CommandStep::Fail, [Failed, Failed, Succeeded, Failed, Expired]),
            (CommandStep::Expire, [Expired, Expired, Succeeded, Failed, Expired]),
        ];
        for (step, expected) in table {
            let row = [Queued, Delivered, Succeeded, Failed, Expired].map(|state| state.next(step));
            assert_eq!(row, expected, "{step:?}");
        }
    }
}
