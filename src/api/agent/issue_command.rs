use std::collections::BTreeMap;

use navarch_fleet::LogTime;
use navarch_proto::{
    api::{IssueCommandRequest, IssueCommandResponse, NodeCommandType},
    fleet::{CordonNode, DrainNode, QueueCommand, UncordonNode, proposal::Kind},
};
use tonic::Status;

use super::drain_outcome::DrainOutcome;
use crate::{
    api::call::{Answer, Call, require_node_id},
    config,
};

/// How long a drain may take unless the caller says otherwise: one hour.
const DRAIN_DEADLINE_MS: u64 = 3_600_000;

/// Orders something of a node. Cordon, drain and uncordon are carried out by the state machine at once;
/// the other types wait for the agent. The answer to a drain waits until the workload system took notice, and
/// is its refusal where it refuses.
pub(in crate::api) async fn issue_command(
    call: Call,
    request: IssueCommandRequest,
) -> Result<Answer<IssueCommandResponse>, Status> {
    require_node_id(&request.node_id)?;
    let author = call.operator_once("IssueCommand", &request);
    let now_ms = call.api.ledger.log_time_ms();
    let outcome = DrainOutcome::of(&call, &request.node_id);
    let kind = proposal(request, call.api.new_id(), now_ms)?;
    let is_drain = matches!(kind, Kind::DrainNode(_));
    let committed = call.propose(kind, &author).await?;
    if is_drain {
        outcome.wait(&call, committed.index).await?;
    }
    let message = IssueCommandResponse {
        command_id: committed.accepted.command_id,
        issued_at: Some(LogTime::from_ms(committed.accepted.log_time_ms).to_timestamp()),
    };
    Ok(Answer { message, index: committed.index })
}

fn proposal(request: IssueCommandRequest, command_id: String, now_ms: u64) -> Result<Kind, Status> {
    let command_type = request.command_type;
    let known = NodeCommandType::try_from(command_type).unwrap_or_default();
    let IssueCommandRequest { node_id, parameters, .. } = request;
    let reason = parameters.get("reason").cloned().unwrap_or_default();
    Ok(match known {
        NodeCommandType::Unknown => {
            return Err(Status::invalid_argument(format!(
                "command_type {command_type} is unknown; send one of cordon (1), drain (2), \
                 run_diagnostic (3), terminate (4), uncordon (5)"
            )));
        }
        NodeCommandType::Cordon => {
            Kind::CordonNode(CordonNode { node_id, reason, command_id, parameters })
        }
        NodeCommandType::Uncordon => Kind::UncordonNode(UncordonNode {
            node_id,
            reason,
            command_id,
            parameters,
            keep_verdict: false,
        }),
        NodeCommandType::Drain => {
            let deadline_ms = deadline_ms(&parameters, now_ms)?
                .unwrap_or_else(|| now_ms.saturating_add(DRAIN_DEADLINE_MS));
            Kind::DrainNode(DrainNode {
                node_id,
                reason,
                deadline_ms,
                command_id,
                parameters,
                for_verdict: false,
            })
        }
        NodeCommandType::RunDiagnostic | NodeCommandType::Terminate => {
            let deadline_ms = deadline_ms(&parameters, now_ms)?.unwrap_or(0);
            let r#type = known.into();
            Kind::QueueCommand(QueueCommand {
                command_id,
                node_id,
                r#type,
                parameters,
                deadline_ms,
            })
        }
    })
}

/// The parameter `deadline` as a LogTime: `1h` from now; `0` is none.
fn deadline_ms(parameters: &BTreeMap<String, String>, now_ms: u64) -> Result<Option<u64>, Status> {
    let Some(text) = parameters.get("deadline") else { return Ok(None) };
    let limit = config::parse_duration(text)
        .map_err(|error| Status::invalid_argument(format!("parameter `deadline`: {error}")))?;
    let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    Ok(Some(if limit_ms == 0 { 0 } else { now_ms.saturating_add(limit_ms) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(command_type: i32, deadline: Option<&str>) -> IssueCommandRequest {
        let parameters = deadline.map(|text| ("deadline".to_owned(), text.to_owned()));
        IssueCommandRequest {
            node_id: "n1".to_owned(),
            command_type,
            parameters: parameters.into_iter().collect(),
        }
    }

    /// Without it a drain without a deadline would wait for ever, and one with `0` would not.
    #[test]
    fn drains_have_a_deadline_unless_told_otherwise() {
        let table = [(None, 1_000 + 3_600_000), (Some("2m"), 1_000 + 120_000), (Some("0"), 0)];
        for (deadline, expected) in table {
            let kind = proposal(request(2, deadline), String::new(), 1_000).unwrap();
            let Kind::DrainNode(drain) = kind else { panic!("{kind:?}") };
            assert_eq!(drain.deadline_ms, expected, "{deadline:?}");
        }
    }

    /// Without it a type of a newer client would be taken for another one.
    #[test]
    fn unknown_types_are_refused() {
        for command_type in [0, 6, -1] {
            let error = proposal(request(command_type, None), String::new(), 0).unwrap_err();
            assert_eq!(error.code(), tonic::Code::InvalidArgument);
        }
        assert!(proposal(request(3, Some("soon")), String::new(), 0).is_err());
    }
}
