use std::{collections::BTreeMap, time::Duration};

use futures::{
    StreamExt as _,
    future::{join_all, try_join_all},
    stream,
};
use navarch::client::{CallOptions, Client, rpc::ListCommands};
use navarch_proto::api;
use serde::Serialize;

use super::{
    history::{History, Order},
    scan::{self, Found},
    writer::REQUEST_PARAMETER,
};
use crate::{error::ChaosError, host::Host, members::Members, wait::until};

/// How long the replicas may take to have applied the same.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// Nodes whose commands are asked for at a time.
const AT_A_TIME: usize = 16;

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
}

/// Checks every replica against `history`: nothing acknowledged is missing, nothing was applied twice, nothing
/// is there that nobody sent, and all states are equal. What is wrong is noted in `history`. All replicas must
/// serve, and all clients have stopped.
///
/// # Errors
///
/// If the check cannot be carried out.
pub async fn check(
    host: &Host,
    group: &impl Members,
    history: &History,
) -> Result<Checked, ChaosError> {
    let clients: Vec<_> = (0..group.count()).map(|index| group.client_of(index)).collect();
    let scans = try_join_all(clients.iter().map(scan::nodes)).await?;
    for (index, found) in scans.iter().enumerate() {
        compare(group.name(index), found, history);
    }
    let orders = count_commands(&group.client()?, history).await?;
    let (applied_index, state_hash) = equal_states(host, group, &clients, history).await?;
    let nodes = scans.iter().map(BTreeMap::len).min().unwrap_or(0);
    Ok(Checked { nodes, orders, applied_index, state_hash })
}

/// Compares what one replica has with what was acknowledged.
fn compare(replica: &str, found: &BTreeMap<String, Found>, history: &History) {
    let (nodes, registers) = (history.nodes(), history.registers());
    for (node_id, acknowledged) in &nodes {
        match found.get(node_id) {
            None if *acknowledged => history
                .violated(format!("lost: {replica} has no {node_id}, which was acknowledged")),
            Some(Found { incarnation: 2.., .. }) => {
                history.violated(format!("applied twice: {node_id} on {replica} registered once"));
            }
            None | Some(_) => {}
        }
    }
    for (register, state) in &registers {
        let version = found.get(register).map_or(0, |found| found.version);
        if !(state.acknowledged..=state.tried).contains(&version) {
            history.violated(format!(
                "lost: {register} on {replica} is at {version}; {} was acknowledged, {} tried",
                state.acknowledged, state.tried
            ));
        }
    }
    for node_id in found.keys() {
        if !nodes.contains_key(node_id) && !registers.contains_key(node_id) {
            history.violated(format!("phantom: {replica} has {node_id}, which nobody sent"));
        }
    }
}

/// Counts the commands of each order; answers how many orders there were.
async fn count_commands(client: &Client, history: &History) -> Result<usize, ChaosError> {
    let orders = history.orders();
    let counted = orders.iter().map(|order| async move {
        let request = api::ListCommandsRequest { node_id: order.node_id.clone() };
        let answer = client.call::<ListCommands>(request, &CallOptions::default()).await;
        let answer = answer.map_err(ChaosError::call("list the commands of a node"))?;
        if let Some(wrong) = judge(order, &answer.message.commands) {
            history.violated(wrong);
        }
        Ok::<_, ChaosError>(())
    });
    let mut counted = stream::iter(counted).buffer_unordered(AT_A_TIME);
    while let Some(result) = counted.next().await {
        result?;
    }
    drop(counted);
    Ok(orders.len())
}

/// What is wrong with the commands that came of an order.
fn judge(order: &Order, commands: &[api::CommandInfo]) -> Option<String> {
    let Order { node_id, request_id, command_ids } = order;
    let ours = commands.iter().filter(|command| {
        command.parameters.get(REQUEST_PARAMETER).is_some_and(|request| request == request_id)
    });
    let found: Vec<_> = ours.map(|command| command.command_id.as_str()).collect();
    match found.as_slice() {
        [_, _, ..] => Some(format!("applied twice: order {request_id} gave {node_id} {found:?}")),
        [] if !command_ids.is_empty() => {
            Some(format!("lost: order {request_id} of {node_id}, acknowledged as {command_ids:?}"))
        }
        [one] if !command_ids.is_empty() && !command_ids.contains(*one) => Some(format!(
            "wrong answer: order {request_id} is {one}, and was acknowledged as {command_ids:?}"
        )),
        [] | [_] => None,
    }
}

/// Waits until all replicas have applied equally much, and compares their states there.
async fn equal_states(
    host: &Host,
    group: &impl Members,
    clients: &[Client],
    history: &History,
) -> Result<(u64, String), ChaosError> {
    let hashes = until(host, "equal applied indices", SETTLE_LIMIT, || async {
        let hashes = join_all(clients.iter().map(scan::state_hash)).await;
        let hashes = hashes.into_iter().collect::<Result<Vec<_>, _>>()?;
        let indices: Vec<_> = hashes.iter().map(|(index, _)| *index).collect();
        let equal = indices.windows(2).all(|pair| pair[0] == pair[1]);
        if equal { Ok(hashes) } else { Err(format!("{indices:?}")) }
    });
    let hashes = hashes.await?;
    let Some((first_index, first_hash)) = hashes.first().cloned() else {
        return Ok((0, String::new()));
    };
    for (index, (_, hash)) in hashes.iter().enumerate() {
        if *hash != first_hash {
            history.violated(format!(
                "diverged: at index {first_index} {} has {hash}, {} has {first_hash}",
                group.name(index),
                group.name(0)
            ));
        }
    }
    Ok((first_index, first_hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        let history = History::default();
        let begun = Host::system().clock.now();
        for node_id in ["kept", "open"] {
            history.tries_node(node_id);
        }
        history.has_node("kept".to_owned(), begun);
        history.tries_version("register", 3);
        history.has_version("register", 2, begun);
        history
    }

    /// A node, its version and its incarnation.
    type Entry = (&'static str, u64, u64);

    fn found(entries: &[Entry]) -> BTreeMap<String, Found> {
        let found = entries.iter().map(|&(node_id, version, incarnation)| {
            (node_id.to_owned(), Found { version, incarnation })
        });
        found.collect()
    }

    /// Without it the check could pass over the very things it is for.
    #[tokio::test]
    async fn each_kind_of_violation_is_found() {
        let table: [(&str, &[Entry]); 6] = [
            ("", &[("kept", 1, 1), ("register", 2, 2)]),
            ("", &[("kept", 1, 1), ("open", 1, 1), ("register", 3, 3)]),
            ("lost: r1 has no kept", &[("register", 2, 2)]),
            ("lost: register on r1 is at 1", &[("kept", 1, 1), ("register", 1, 1)]),
            ("applied twice: kept", &[("kept", 1, 2), ("register", 2, 2)]),
            ("phantom: r1 has other", &[("kept", 1, 1), ("register", 2, 2), ("other", 1, 1)]),
        ];
        for (expected, entries) in table {
            let history = history();
            compare("r1", &found(entries), &history);
            let violations = history.violations();
            assert_eq!(violations.len(), usize::from(!expected.is_empty()), "{violations:?}");
            assert!(violations.iter().all(|found| found.starts_with(expected)), "{violations:?}");
        }
    }

    /// Without it a command that an agent would get twice could count as one.
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
        assert_eq!(judge(&order(&["a"]), &[a.clone(), other.clone()]), None);
        assert_eq!(judge(&order(&[]), &[]), None);
        assert_eq!(judge(&order(&[]), std::slice::from_ref(&a)), None);
        assert!(judge(&order(&["a"]), &[a, b.clone()]).unwrap().starts_with("applied twice"));
        assert!(judge(&order(&["a"]), &[other]).unwrap().starts_with("lost"));
        assert!(judge(&order(&["a"]), &[b]).unwrap().starts_with("wrong answer"));
    }
}
