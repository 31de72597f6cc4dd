use std::{sync::Arc, time::Duration};

use clap::Args;
use navarch_proto::api;

use super::{
    heartbeats::{node_id, register},
    load::{Load, Schedule, Spacing},
};
use crate::{
    cli::{duration, failure::Failure, invocation::Invocation, output::message},
    client::{Client, rpc::ReportHealth},
};

/// Reports in flight at a time; when all are, the next ones wait, and their latency counts the wait.
const REPORTS: usize = 1_024;
/// Events of one report at most.
const MOST_EVENTS: usize = 500;
/// HTTP/2 connections to each replica unless it is said.
const CONNECTIONS: usize = 4;

/// `navarch bench reports`
#[derive(Clone, Debug, Args)]
pub(crate) struct ReportsArguments {
    /// Nodes that are registered and report
    #[arg(long, default_value_t = 1_000, value_parser = super::count)]
    nodes: usize,
    /// Reports a second
    #[arg(long, default_value_t = 2_000, value_parser = super::count)]
    rate: usize,
    /// Health events in each report, beside three check results
    #[arg(long, default_value_t = 4, value_parser = events)]
    events: usize,
    /// For how long
    #[arg(long, default_value = "10s", value_parser = duration::parse_positive)]
    duration: Duration,
    /// HTTP/2 connections to each replica [default: 4]
    #[arg(long, value_parser = super::count)]
    connections: Option<usize>,
}

impl ReportsArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let connections = self.connections.unwrap_or(CONNECTIONS);
        let load = Load::new(invocation, REPORTS, Some(connections))?;
        let nodes = self.nodes as u64;
        register(&load, nodes).await?;
        let replicas = Arc::new(each_replica(invocation, connections)?);
        let spacing = Spacing { interval: Duration::from_secs(1), parts: self.rate as u64 };
        let schedule =
            Schedule { total: spacing.within(self.duration), spacing, in_flight: REPORTS };
        message(&format!("sending {} reports in {:?}", schedule.total, self.duration));
        let (events, options) = (self.events, Arc::new(load.options().clone()));
        let took = load
            .open_loop_of(schedule, move |number| {
                let (replicas, options) = (Arc::clone(&replicas), Arc::clone(&options));
                async move {
                    let count = replicas.len() as u64;
                    let index = usize::try_from(number % count).unwrap_or(0);
                    let request = report(number % nodes, number, events);
                    replicas[index].call::<ReportHealth>(request, &options).await.map(drop)
                }
            })
            .await;
        let report = load.measure().report("reports", self.nodes, took);
        load.finish(&report, invocation)
    }
}

/// A client for each replica alone: agents keep to theirs, whoever leads.
fn each_replica(invocation: &Invocation, connections: usize) -> Result<Vec<Client>, Failure> {
    let clients = invocation.settings.endpoints.iter().map(|endpoint| {
        let mut options = invocation.client_options();
        options.connections_per_replica = connections;
        Client::new(std::slice::from_ref(endpoint), options)
            .map_err(|error| Failure::usage(error.to_string()))
    });
    clients.collect()
}

/// A report as agents make it. Its events are what healthy machines have, so that each is judged by all rules and no
/// node is latched.
fn report(node: u64, number: u64, events: usize) -> api::ReportHealthRequest {
    let result = |name: &str| api::HealthCheckResult {
        check_name: name.to_owned(),
        status: api::HealthStatus::Healthy.into(),
        message: "8 of 8 expected GPUs found".to_owned(),
        ..api::HealthCheckResult::default()
    };
    let event = |index: usize| {
        use api::{HealthEventType as Kind, HealthWatchSystem as System};
        let (kind, system, metric, value) = [
            (Kind::EccSbe, System::Mem, "ecc_sbe_count", "3"),
            (Kind::Thermal, System::Thermal, "temperature", "71"),
            (Kind::Memory, System::Mem, "ecc_dbe_count", "0"),
            (Kind::DriverError, System::Driver, "code", "7"),
        ][index % 4];
        let gpu_index = i32::try_from(index % 8).unwrap_or(0);
        api::HealthEvent {
            gpu_index,
            gpu_uuid: format!("GPU-{node:08x}-bench-{gpu_index}"),
            event_type: kind.into(),
            system: system.into(),
            metrics: [(metric.to_owned(), value.to_owned())].into(),
            message: "bench".to_owned(),
            event_id: format!("bench-{number}-{index}"),
            ..api::HealthEvent::default()
        }
    };
    api::ReportHealthRequest {
        node_id: node_id(node),
        results: ["boot", "nvml", "xid"].map(result).into(),
        events: (0..events).map(event).collect(),
    }
}

fn events(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= MOST_EVENTS => Ok(count),
        _ => Err(format!("`{text}` is no number from 0 to {MOST_EVENTS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Policy;

    /// Without it the load would latch its nodes, and measure what happens to sick ones.
    #[test]
    fn no_report_makes_a_node_unhealthy() {
        let policy = Policy::compile("", 0).unwrap();
        let request = report(7, 1, 8);
        assert_eq!((request.results.len(), request.events.len()), (3, 8));
        let verdict = policy.judge(&request).unwrap();
        assert_eq!(verdict.overall, api::HealthStatus::Healthy);
        assert_eq!(verdict.failures, []);
    }
}
