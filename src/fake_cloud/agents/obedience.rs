use std::collections::{HashMap, VecDeque};

use navarch_proto::api;

/// Commands remembered by one agent: more than can wait for a node at once.
const MEMORY: usize = 256;

/// Executes each command once, however often it is delivered.
#[derive(Debug, Default)]
pub(super) struct Obedience {
    results: HashMap<String, Result<String, String>>,
    order: VecDeque<String>,
}

impl Obedience {
    /// Executes `command` unless it has been; the acknowledgement, and whether it was executed now.
    pub(super) fn obey(
        &mut self,
        node_id: &str,
        command: &api::NodeCommand,
    ) -> (api::AckCommandRequest, bool) {
        let fresh = !self.results.contains_key(&command.command_id);
        let result = self
            .results
            .entry(command.command_id.clone())
            .or_insert_with(|| execute(command.r#type()))
            .clone();
        if fresh {
            self.order.push_back(command.command_id.clone());
            if self.order.len() > MEMORY
                && let Some(oldest) = self.order.pop_front()
            {
                self.results.remove(&oldest);
            }
        }
        let kind = match result {
            Ok(_) => api::CommandResult::Succeeded,
            Err(_) => api::CommandResult::Failed,
        };
        let acknowledgement = api::AckCommandRequest {
            node_id: node_id.to_owned(),
            command_id: command.command_id.clone(),
            result: kind.into(),
            output: result.clone().unwrap_or_default(),
            error: result.err().unwrap_or_default(),
        };
        (acknowledgement, fresh)
    }
}

fn execute(kind: api::NodeCommandType) -> Result<String, String> {
    match kind {
        api::NodeCommandType::RunDiagnostic => Ok("simulated diagnostic: passed".to_owned()),
        // The machine's end is the cloud's to bring about.
        api::NodeCommandType::Terminate => Ok("simulated node is ready to end".to_owned()),
        api::NodeCommandType::Cordon
        | api::NodeCommandType::Drain
        | api::NodeCommandType::Uncordon => Ok("nothing to do on a simulated node".to_owned()),
        api::NodeCommandType::Unknown => {
            Err("a simulated agent does not know this type".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a command whose acknowledgement was lost would be executed twice.
    #[test]
    fn a_command_is_executed_once() {
        let mut obedience = Obedience::default();
        let command = |id: &str, kind: api::NodeCommandType| api::NodeCommand {
            command_id: id.to_owned(),
            r#type: kind.into(),
            ..api::NodeCommand::default()
        };
        let diagnostic = command("a", api::NodeCommandType::RunDiagnostic);
        let (first, executed) = obedience.obey("n", &diagnostic);
        assert!(executed);
        assert_eq!(first.result(), api::CommandResult::Succeeded);
        assert_eq!(obedience.obey("n", &diagnostic), (first, false));
        let (unknown, _) = obedience.obey("n", &command("b", api::NodeCommandType::Unknown));
        assert_eq!(unknown.result(), api::CommandResult::Failed);
        assert!(!unknown.error.is_empty());
        for number in 0..1_000 {
            obedience.obey("n", &command(&number.to_string(), api::NodeCommandType::Drain));
        }
        assert_eq!((obedience.results.len(), obedience.order.len()), (MEMORY, MEMORY));
    }
}
