use std::collections::{BTreeMap, BTreeSet};

use navarch_proto::api::{CommandInfo, CommandState};

use super::Invariant;
use crate::{
    checkers::Findings,
    evidence::{Evidence, Receipt},
};

/// Each command is delivered until its agent has it, and takes effect once.
#[derive(Clone, Copy, Debug)]
pub struct CommandsOnce;

impl Invariant for CommandsOnce {
    fn name(&self) -> &'static str {
        "commands-once"
    }

    fn claim(&self) -> &'static str {
        "each command is delivered at least once and takes effect once"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = Findings::default();
        let Some(receipts) = &evidence.receipts else { return findings };
        let noted: BTreeMap<&str, &Receipt> =
            receipts.iter().map(|receipt| (receipt.command_id.as_str(), receipt)).collect();
        for command in &evidence.commands {
            findings.checked(1);
            let CommandInfo { command_id, node_id, .. } = command;
            let times = noted.get(command_id.as_str()).map_or(0, |receipt| receipt.executions);
            let once = match command.state() {
                CommandState::Succeeded | CommandState::Failed => times == 1,
                // Nobody got it in time; whoever got it late did it once.
                CommandState::Expired => times <= 1,
                CommandState::Unknown | CommandState::Queued | CommandState::Delivered => {
                    findings.undecided(format!("{command_id} of {node_id} has not ended"));
                    times <= 1
                }
            };
            findings.expect(once, || {
                let state = command.state();
                format!("{node_id} executed command {command_id} {times} times; it is {state:?}")
            });
        }
        let issued: BTreeSet<_> =
            evidence.commands.iter().map(|one| one.command_id.as_str()).collect();
        for receipt in receipts.iter().filter(|receipt| receipt.executions > 1) {
            // One whose issue was not acknowledged may run, but no more than once either.
            findings.expect(issued.contains(receipt.command_id.as_str()), || {
                format!("{} executed {} more than once", receipt.node_id, receipt.command_id)
            });
        }
        findings.figure(format!("{} receipts", receipts.len()));
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verdict::{Held, Unknown, Violated};

    /// Without it a command could be lost, or a machine be drained or reset twice.
    #[test]
    fn commands_that_ran_never_or_twice_are_found() {
        use CommandState::{Expired, Queued, Succeeded};
        let table = [
            (Succeeded, Some(1), Held),
            (Succeeded, Some(2), Violated),
            (Succeeded, Some(0), Violated),
            (Succeeded, None, Violated),
            (Expired, None, Held),
            (Expired, Some(2), Violated),
            (Queued, None, Unknown),
        ];
        for (state, executions, expected) in table {
            let command = CommandInfo {
                command_id: "c".to_owned(),
                state: state.into(),
                ..CommandInfo::default()
            };
            let receipt = |executions| Receipt {
                command_id: "c".to_owned(),
                deliveries: 1,
                executions,
                ..Receipt::default()
            };
            let receipts = Some(executions.map(receipt).into_iter().collect());
            let evidence = Evidence { commands: vec![command], receipts, ..Evidence::default() };
            assert_eq!(
                CommandsOnce.check(&evidence).verdict(),
                expected,
                "{state:?} {executions:?}"
            );
        }
        let twice = Receipt { command_id: "x".to_owned(), executions: 2, ..Receipt::default() };
        let evidence = Evidence { receipts: Some(vec![twice]), ..Evidence::default() };
        assert_eq!(CommandsOnce.check(&evidence).verdict(), Violated, "of unknown issue");
    }
}
