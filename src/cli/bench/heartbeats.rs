use std::time::Duration;

use clap::Args;
use navarch_proto::api;
use prost_types::Timestamp;

use super::load::{Load, Schedule, Spacing};
use crate::{
    cli::{duration, failure::Failure, invocation::Invocation, output::message},
    client::rpc::{Heartbeat, RegisterNode},
};

/// GPUs of a node.
const GPUS: i32 = 8;

/// Registrations in flight at a time.
const REGISTRATIONS: usize = 256;

/// Heartbeats in flight at a time; when all are, the next ones wait, and their latency counts the wait.
const BEATS: usize = 4_096;

/// `navarch bench heartbeats`
#[derive(Clone, Debug, Args)]
pub(crate) struct HeartbeatsArguments {
    /// Nodes that are registered and beat
    #[arg(long, default_value_t = 1_000, value_parser = super::count)]
    nodes: usize,
    /// Between two beats of a node
    #[arg(long, default_value = "10s", value_parser = duration::parse_positive)]
    interval: Duration,
    /// For how long
    #[arg(long, default_value = "60s", value_parser = duration::parse_positive)]
    duration: Duration,
    /// HTTP/2 connections to each replica [default: 8]
    #[arg(long, value_parser = super::count)]
    connections: Option<usize>,
}

impl HeartbeatsArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let load = Load::new(invocation, BEATS, self.connections)?;
        let nodes = self.nodes as u64;
        register(&load, nodes).await?;
        let spacing = Spacing { interval: self.interval, parts: nodes };
        let schedule = Schedule { total: spacing.within(self.duration), spacing, in_flight: BEATS };
        let clock = invocation.clock.clone();
        message(&format!("sending {} heartbeats in {:?}", schedule.total, self.duration));
        let took = load
            .open_loop::<Heartbeat>(schedule, move |number| {
                beat(number % nodes, number, clock.wall_ms())
            })
            .await;
        let report = load.measure().report("heartbeats", self.nodes, took);
        load.finish(&report, invocation)
    }
}

/// Registers all nodes; ids are the same in every run, so that a fleet does not grow with each.
pub(super) async fn register(load: &Load, nodes: u64) -> Result<(), Failure> {
    message(&format!("registering {nodes} nodes with {GPUS} GPUs each"));
    let setup = load.afresh();
    let at_once = Schedule {
        total: nodes,
        spacing: Spacing { interval: Duration::ZERO, parts: 1 },
        in_flight: REGISTRATIONS,
    };
    setup.open_loop::<RegisterNode>(at_once, registration).await;
    if setup.stopped() {
        return Err(Failure::refused("stopped before all nodes were registered"));
    }
    match setup.measure().examples().into_values().next() {
        None => Ok(()),
        Some(example) => {
            let (_, failed) = setup.measure().ended();
            let message = format!("{failed} of {nodes} nodes could not be registered: {example}");
            Err(Failure::refused(message).help("`navarch status` shows how the group is"))
        }
    }
}

pub(super) fn node_id(number: u64) -> String {
    format!("bench-node-{number:07}")
}

fn registration(number: u64) -> api::RegisterNodeRequest {
    let gpus = (0..GPUS).map(|index| api::GpuInfo {
        index,
        uuid: format!("GPU-{number:08x}-bench-{index}"),
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        pci_bus_id: format!("00000000:{index:02x}:00.0"),
        memory_total: 80 << 30,
        driver_version: "570.86.15".to_owned(),
        cuda_version: "12.8".to_owned(),
    });
    api::RegisterNodeRequest {
        node_id: node_id(number),
        provider: "bench".to_owned(),
        region: "bench-1".to_owned(),
        zone: "bench-1a".to_owned(),
        instance_type: "h100-8x".to_owned(),
        gpus: gpus.collect(),
        metadata: Some(api::NodeMetadata { hostname: node_id(number), ..Default::default() }),
    }
}

/// A beat with figures that move a little from one to the next.
fn beat(node: u64, number: u64, wall_ms: u64) -> api::HeartbeatRequest {
    let wobble = u32::try_from(number % 16).unwrap_or(0);
    let gpu_metrics = (0..GPUS).map(|gpu_index| api::GpuMetrics {
        gpu_index,
        temperature: 55 + gpu_index,
        power_usage: 400 + gpu_index,
        utilization_percent: 60.0 + f64::from(wobble),
        memory_used: 64 << 30,
    });
    api::HeartbeatRequest {
        node_id: node_id(node),
        timestamp: Some(Timestamp {
            seconds: i64::try_from(wall_ms / 1_000).unwrap_or(i64::MAX),
            nanos: i32::try_from(wall_ms % 1_000 * 1_000_000).unwrap_or(0),
        }),
        metrics: Some(api::NodeMetrics {
            cpu_usage_percent: 20.0 + f64::from(wobble),
            memory_usage_percent: 40.0,
            gpu_metrics: gpu_metrics.collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it the load would not be the one of a fleet of 8-GPU machines.
    #[test]
    fn nodes_and_beats_carry_eight_gpus() {
        assert_eq!(registration(3).gpus.len(), 8);
        assert_eq!(registration(3).node_id, beat(3, 1_000_003, 0).node_id);
        let metrics = beat(3, 5, 1_234).metrics.unwrap();
        assert_eq!(metrics.gpu_metrics.len(), 8);
        assert_eq!(beat(3, 5, 1_234).timestamp.unwrap().nanos, 234_000_000);
    }
}
