use std::{sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use navarch_proto::api;

use super::load::Load;
use crate::{
    cli::{duration, failure::Failure, invocation::Invocation},
    client::rpc::{GetNode, ListNodes, RegisterNode},
};

/// How many different nodes are read.
const NODES: u32 = 1_000;

/// The node that is registered when there is none to read.
const OWN_NODE: &str = "bench-reads";

/// What a read promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Consistency {
    /// Sees everything that was acknowledged before it.
    Linearizable,
    /// Sees what the replica has.
    Stale,
}

/// `navarch bench reads`
#[derive(Clone, Debug, Args)]
pub(crate) struct ReadsArguments {
    /// Closed loops that read at a time
    #[arg(long, default_value_t = 64, value_parser = super::count)]
    clients: usize,
    /// For how long
    #[arg(long, default_value = "10s", value_parser = duration::parse_positive)]
    duration: Duration,
    /// What a read promises
    #[arg(long, value_enum, default_value = "linearizable")]
    consistency: Consistency,
    /// HTTP/2 connections to each replica [default: one for 64 clients]
    #[arg(long, value_parser = super::count)]
    connections: Option<usize>,
}

impl ReadsArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let mut load = Load::new(invocation, self.clients, self.connections)?;
        let nodes = Arc::new(nodes(&load, invocation).await?);
        load.options_mut().stale = self.consistency == Consistency::Stale;
        let took = load
            .closed_loops::<GetNode>(self.clients, self.duration, move |worker, count| {
                // Workers start apart from each other and walk through all nodes.
                let position =
                    worker.wrapping_mul(31).wrapping_add(usize::try_from(count).unwrap_or(0));
                api::GetNodeRequest { node_id: nodes[position % nodes.len()].clone() }
            })
            .await;
        let report = load.measure().report("reads", self.clients, took);
        load.finish(&report, invocation)
    }
}

/// Some nodes of the fleet, never none.
async fn nodes(load: &Load, invocation: &Invocation) -> Result<Vec<String>, Failure> {
    let request = api::ListNodesRequest { page_size: NODES, ..Default::default() };
    let answer =
        invocation.call_on::<ListNodes>(load.client(), "list the nodes to read", request).await?;
    if !answer.nodes.is_empty() {
        return Ok(answer.nodes.into_iter().map(|node| node.node_id).collect());
    }
    let request = api::RegisterNodeRequest {
        node_id: OWN_NODE.to_owned(),
        provider: "bench".to_owned(),
        ..Default::default()
    };
    invocation.call_on::<RegisterNode>(load.client(), "register a node to read", request).await?;
    Ok(vec![OWN_NODE.to_owned()])
}
