use navarch_proto::{api, fleet::CommandRecord};

use super::record::{RecordError, known};
use crate::{
    ids::{CommandId, NodeId},
    model::{CommandState, NodeCommand},
    text::{SharedTexts, stored},
    time::{LogTime, ms_or_zero},
};

pub(super) fn to_record(command: &NodeCommand) -> CommandRecord {
    CommandRecord {
        command_id: command.id.to_string(),
        node_id: command.node_id.to_string(),
        r#type: command.command_type.into(),
        parameters: command.parameters.clone(),
        state: api::CommandState::from(command.state).into(),
        issued_ms: command.issued_at.as_ms(),
        finished_ms: ms_or_zero(command.finished_at),
        deadline_ms: command.deadline.as_ms(),
        output: command.output.to_string(),
        error: command.error.to_string(),
        actor: command.actor.to_string(),
        sequence: command.sequence,
    }
}

pub(super) fn from_record(
    record: CommandRecord,
    texts: &mut SharedTexts,
) -> Result<NodeCommand, RecordError> {
    let state = state(record.state)?;
    Ok(NodeCommand {
        id: CommandId::new(&record.command_id)?,
        node_id: NodeId::new(&record.node_id)?,
        command_type: known("type", record.r#type)?,
        parameters: record.parameters,
        state,
        issued_at: LogTime::from_ms(record.issued_ms),
        // Time 0 is a time, too: the state tells whether the command ended.
        finished_at: (!state.is_open()).then(|| LogTime::from_ms(record.finished_ms)),
        deadline: LogTime::from_ms(record.deadline_ms),
        output: stored(&record.output, usize::MAX),
        error: stored(&record.error, usize::MAX),
        actor: texts.share(&record.actor),
        sequence: record.sequence,
    })
}

fn state(value: i32) -> Result<CommandState, RecordError> {
    Ok(match known("state", value)? {
        api::CommandState::Queued => CommandState::Queued,
        api::CommandState::Delivered => CommandState::Delivered,
        api::CommandState::Succeeded => CommandState::Succeeded,
        api::CommandState::Failed => CommandState::Failed,
        api::CommandState::Expired => CommandState::Expired,
        api::CommandState::Unknown => {
            return Err(RecordError::UnknownValue { field: "state", value });
        }
    })
}
