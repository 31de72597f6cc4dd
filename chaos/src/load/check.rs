use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use navarch::client::{CallError, CallOptions, Client, rpc::ListCommands};
use navarch_proto::api;
use serde::Serialize;
use tonic::Code;

use super::{
    history::{History, Order},
    scan::{self, Found},
    writer::{NODES, ORDERS, REQUEST_PARAMETER},
};
use crate::{
    error::ChaosError,
    evidence::{self, Evidence, Watch},
    history::{OpenCall, Operation, PastCall, Recorder, Value},
    host::Host,
    invariants::{self, Invariant},
    members::Members,
    record::InvariantRecord,
};

/// Nodes whose commands are asked for at a time.
const AT_A_TIME: usize = 16;

/// Who scans, in the history.
const SCANNER: u32 = u32::MAX;

/// What must hold of a group that clients have written to and that is quiet now.
const INVARIANTS: [&dyn Invariant; 9] = [
    &invariants::AcknowledgedKept,
    &invariants::AppliedOnce,
    &invariants::NoPhantom,
    &invariants::RegistersLinearizable,
    &invariants::SessionsForward,
    &invariants::StatesEqual,
    &invariants::JournalContiguous,
    &invariants::JournalEqual,
    &invariants::TimeForward,
];

/// What the check went through; what it found wrong is in the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Nodes that every replica has.
    pub nodes: usize,
    /// Orders whose commands were counted.
    pub orders: usize,
    /// The index that all replicas have applied.
    pub applied_index: u64,
    /// The hash of their states there.
    pub state_hash: String,
    /// What was checked, and what it came to.
    pub invariants: Vec<InvariantRecord>,
}

impl Checked {
    /// What `history` tells of violations beside what the invariants come to: whoever calls this tells that as well.
    pub fn beside(&self, history: &History) -> Vec<String> {
        let mut violations = history.violations();
        let told = |violation: &String| {
            self.invariants.iter().any(|record| violation.starts_with(&record.invariant))
        };
        violations.retain(|violation| !told(violation));
        violations
    }
}

/// Checks every replica against `history`, and what `watches` were told: nothing acknowledged is missing, nothing
/// was applied twice, nothing is there that nobody sent, all reads fit, and all replicas tell the same. What is
/// wrong is noted in `history`. All replicas must serve, and all clients have stopped.
///
/// # Errors
///
/// If the check cannot be carried out.
pub async fn check(
    host: &Host,
    group: &impl Members,
    history: &History,
    watches: Vec<Watch>,
) -> Result<Checked, ChaosError> {
    let recorder = history.recorder();
    let mut nodes = usize::MAX;
    for index in 0..group.count() {
        nodes = nodes.min(scan_nodes(group.name(index), &group.client_of(index), recorder).await?);
    }
    let orders = scan_orders(&group.client()?, history).await?;
    let states = evidence::group::equal_states(host, group).await?;
    let (applied_index, state_hash) =
        states.first().map(|state| (state.index, state.hash.clone())).unwrap_or_default();
    let mut checks = INVARIANTS.to_vec();
    if !watches.is_empty() {
        checks.push(&invariants::WatchWhole);
    }
    let evidence = Evidence {
        history: recorder.events(),
        journals: evidence::group::journals(group).await?,
        watches,
        states,
        ..Evidence::default()
    };
    let records = invariants::judge(&checks, &evidence);
    invariants::unmet(&records).into_iter().for_each(|unmet| history.violated(unmet));
    Ok(Checked { nodes, orders, applied_index, state_hash, invariants: records })
}

/// Records what a replica has: the nodes that were registered once, as a set, and each register. Answers how many
/// nodes it has.
async fn scan_nodes(
    replica: &str,
    client: &Client,
    recorder: &Recorder,
) -> Result<usize, ChaosError> {
    let (at_us, keys) = registers(recorder);
    let (set, replica) = (NODES.to_owned(), replica.to_owned());
    let scan = recorder.invoke(at_us, SCANNER, Operation::Scan { set, replica });
    let read = |key: &String| {
        let call = recorder.invoke(at_us, SCANNER, Operation::Read { key: key.clone() });
        (key.clone(), call)
    };
    let reads: BTreeMap<String, OpenCall> = keys.iter().map(read).collect();
    let mut found = scan::nodes(client).await?;
    let count = found.len();
    for (key, call) in reads {
        let version = found.remove(&key).map(|found| found.version);
        call.ok(at_us, Some(Value::Register(version)), None);
    }
    let times = |(node_id, found): (String, Found)| (node_id, found.incarnation);
    scan.ok(at_us, Some(Value::Elements(found.into_iter().map(times).collect())), None);
    Ok(count)
}

/// When the history ends so far, and the nodes in it that are registers.
fn registers(recorder: &Recorder) -> (u64, BTreeSet<String>) {
    let events = recorder.events();
    let calls = PastCall::all(&events);
    let node = |call: &PastCall<'_>| match call.operation {
        // Registers of other kinds are no nodes; their names have blanks.
        Operation::Write { key, .. } if !key.contains(' ') => Some(key.clone()),
        _ => None,
    };
    (events.last().map_or(0, |event| event.at_us), calls.iter().filter_map(node).collect())
}

/// Records how many commands came of each order; answers how many orders there were.
async fn scan_orders(client: &Client, history: &History) -> Result<usize, ChaosError> {
    let (orders, recorder) = (history.orders(), history.recorder());
    let (at_us, _) = registers(recorder);
    let (set, replica) = (ORDERS.to_owned(), "the group".to_owned());
    let scan = recorder.invoke(at_us, SCANNER, Operation::Scan { set, replica });
    let counted = orders.iter().map(|order| async move {
        let request = api::ListCommandsRequest { node_id: order.node_id.clone() };
        let answer = client.call::<ListCommands>(request, &CallOptions::default()).await;
        let commands = match answer {
            Ok(answer) => answer.message.commands,
            // A node that is lost has lost its commands: the scan says so of both.
            Err(CallError::Refused { code: Code::NotFound, .. }) => Vec::new(),
            Err(error) => return Err(ChaosError::call("list the commands of a node")(error)),
        };
        Ok::<_, ChaosError>(commands_of(order, &commands))
    });
    let mut counted = stream::iter(counted).buffer_unordered(AT_A_TIME);
    let mut elements = BTreeMap::new();
    while let Some(counted) = counted.next().await {
        let (elements_of, wrong) = counted?;
        elements.extend(elements_of);
        wrong.into_iter().for_each(|wrong| history.violated(wrong));
    }
    drop(counted);
    scan.ok(at_us, Some(Value::Elements(elements)), None);
    Ok(orders.len())
}

/// How often each order's command stands among a node's commands, and whether it is another one than was
/// acknowledged.
fn commands_of(
    order: &Order,
    commands: &[api::CommandInfo],
) -> (BTreeMap<String, u64>, Option<String>) {
    let mut elements = BTreeMap::new();
    let mut wrong = None;
    for command in commands {
        let Some(request) = command.parameters.get(REQUEST_PARAMETER) else { continue };
        *elements.entry(request.clone()).or_default() += 1;
        let Order { request_id, command_ids, .. } = order;
        let acknowledged = command_ids.is_empty() || command_ids.contains(&command.command_id);
        if request == request_id && !acknowledged {
            let id = &command.command_id;
            let told =
                format!("order {request_id} is {id}, and was acknowledged as {command_ids:?}");
            wrong = Some(format!("wrong answer: {told}"));
        }
    }
    (elements, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a command that an agent would get twice could count as one, or one that nobody acknowledged pass.
    #[test]
    fn orders_are_counted_by_their_request_id() {
        let command = |command_id: &str, request: &str| api::CommandInfo {
            command_id: command_id.to_owned(),
            parameters: [(REQUEST_PARAMETER.to_owned(), request.to_owned())].into(),
            ..Default::default()
        };
        let order = |ids: &[&str]| Order {
            node_id: "n".to_owned(),
            request_id: "q".to_owned(),
            command_ids: ids.iter().map(|&id| id.to_owned()).collect(),
        };
        let (a, b, other) = (command("a", "q"), command("b", "q"), command("c", "z"));
        let twice = commands_of(&order(&[]), &[a.clone(), b.clone(), other.clone()]);
        assert_eq!(twice, ([("q".to_owned(), 2), ("z".to_owned(), 1)].into(), None));
        let once = ([("q".to_owned(), 1)].into(), None);
        assert_eq!(commands_of(&order(&["a"]), std::slice::from_ref(&a)), once);
        let (_, wrong) = commands_of(&order(&["a"]), &[b]);
        assert!(wrong.unwrap().starts_with("wrong answer"));
    }
}
