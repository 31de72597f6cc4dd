use std::{collections::BTreeMap, process, time::Duration};

use clap::Args;
use navarch_proto::api;
use prost::Message as _;

use super::load::Load;
use crate::{
    cli::{duration, failure::Failure, invocation::Invocation},
    client::rpc::RegisterNode,
};

/// Size of a write, bytes.
const SIZE: usize = 256;

/// `navarch bench writes`
#[derive(Clone, Debug, Args)]
pub(crate) struct WritesArguments {
    /// Closed loops that write at a time
    #[arg(long, default_value_t = 64, value_parser = super::count)]
    clients: usize,
    /// For how long
    #[arg(long, default_value = "10s", value_parser = duration::parse_positive)]
    duration: Duration,
    /// HTTP/2 connections to each replica [default: one for 64 clients]
    #[arg(long, value_parser = super::count)]
    connections: Option<usize>,
}

impl WritesArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let load = Load::new(invocation, self.clients, self.connections)?;
        // Ids of two runs never meet: a run that registered known nodes again would measure something else.
        let run = format!("{:x}-{:x}", invocation.clock.wall_ms(), process::id());
        let took = load
            .closed_loops::<RegisterNode>(self.clients, self.duration, move |worker, count| {
                registration(format!("bench-{run}-{worker}-{count}"))
            })
            .await;
        let report = load.measure().report("writes", self.clients, took);
        load.finish(&report, invocation)
    }
}

/// A registration of [`SIZE`] bytes.
fn registration(node_id: String) -> api::RegisterNodeRequest {
    let mut request = api::RegisterNodeRequest {
        node_id,
        provider: "bench".to_owned(),
        region: "bench-1".to_owned(),
        zone: "bench-1a".to_owned(),
        instance_type: "bench".to_owned(),
        gpus: Vec::new(),
        metadata: Some(api::NodeMetadata {
            hostname: "bench".to_owned(),
            labels: BTreeMap::from([("padding".to_owned(), String::new())]),
            ..Default::default()
        }),
    };
    // The two bytes are the lengths of the label and of the metadata, which outgrow one byte each.
    let missing = SIZE.saturating_sub(request.encoded_len() + 2);
    if let Some(metadata) = &mut request.metadata {
        metadata.labels.insert("padding".to_owned(), "x".repeat(missing));
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it the comparison with another store's 256-byte writes would not be one.
    #[test]
    fn a_write_is_about_256_bytes() {
        for id in ["bench-0-0-0", "bench-19a3b4c5d6e-1a2b-255-100000"] {
            let size = registration(id.to_owned()).encoded_len();
            assert!((SIZE - 3..=SIZE + 3).contains(&size), "{id}: {size}");
        }
    }
}
