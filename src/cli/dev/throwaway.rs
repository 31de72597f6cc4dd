use std::{convert::Infallible, future, path::Path, process, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{group::Group, plan::Plan, ports, view::notice_line, write_configurations};
use crate::{
    cli::{failure::Failure, invocation::Invocation, output::message},
    config::Yaml,
};

/// As many as survive the loss of one.
const REPLICAS: u16 = 3;

/// How long after its end a killed replica is started again.
const RESTART_AFTER: Duration = Duration::from_secs(5);

/// Where first ports are looked for; a group's ports lie within a step above its first.
const FIRST_PORT: u16 = 20_051;
const PORT_STEP: u16 = 200;
const PORT_STEPS: u16 = 60;

/// A group without a fleet and without a fake cloud of its own, for one purpose.
pub(crate) struct Throwaway {
    group: Group,
    replicas: Vec<String>,
}

impl Throwaway {
    /// Starts it with everything in `directory`, which is made, and waits until every replica serves. What started of a
    /// group that fails is stopped again.
    pub(crate) async fn start(
        directory: &Path,
        stop: &CancellationToken,
        invocation: &Invocation,
    ) -> Result<Self, Failure> {
        let plan = free_plan(directory)?;
        plan.claim_directory()?;
        write_configurations(&plan, &Yaml::Null, Path::new(""))?;
        // It outlives the order to stop, so that whoever uses it can stop first.
        let mut group = Group::start(&plan, RESTART_AFTER, &CancellationToken::new(), invocation)?;
        let mut quiet = |line: String| {
            tracing::debug!(line, "group");
            Ok(())
        };
        let serving = tokio::select! {
            serving = group.until_serving(&invocation.clock, &mut quiet) => serving,
            () = stop.cancelled() => Err(Failure::refused("stopped before the group served")),
        };
        if let Err(failure) = serving {
            group.stop_all(invocation).await;
            return Err(failure);
        }
        let replicas = plan.replicas.iter().map(|replica| replica.address()).collect();
        Ok(Self { group, replicas })
    }

    /// Where clients reach its replicas.
    pub(crate) fn replicas(&self) -> &[String] {
        &self.replicas
    }

    /// Tells of processes that end or start again, until it is dropped.
    pub(crate) async fn watch(&mut self) -> Infallible {
        while let Some(notice) = self.group.notice().await {
            message(&notice_line(&notice));
        }
        future::pending().await
    }

    /// Stops all of it.
    pub(crate) async fn stop(self, invocation: &Invocation) {
        self.group.stop_all(invocation).await;
    }
}

/// A plan whose ports are free. Two processes begin to look at different places, so that they rarely want the same.
fn free_plan(directory: &Path) -> Result<Plan, Failure> {
    let begin = u16::try_from(process::id() % u32::from(PORT_STEPS)).unwrap_or(0);
    let mut refused = None;
    for step in 0..PORT_STEPS {
        let port = FIRST_PORT + (begin + step) % PORT_STEPS * PORT_STEP;
        let plan = Plan { has_cloud: false, ..Plan::new(directory, REPLICAS, port)? };
        match ports::check_free(&plan.ports()) {
            Ok(()) => return Ok(plan),
            Err(failure) => refused = Some(failure),
        }
    }
    Err(refused.unwrap_or_else(|| Failure::refused("no ports were looked for")))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Without it a group could be laid out on ports that something else listens on, or that Linux gives away.
    #[test]
    fn a_plan_without_a_cloud_has_free_ports_below_those_that_are_drawn() {
        let plan = free_plan(Path::new("/tmp/group")).unwrap();
        let ports: Vec<_> = plan.ports().into_iter().map(|(port, _)| port).collect();
        assert_eq!(ports.len(), 2 * usize::from(REPLICAS));
        let last = FIRST_PORT + PORT_STEPS * PORT_STEP;
        assert!(last < 32_768 && ports.iter().all(|port| (FIRST_PORT..last).contains(port)));
        let _taken = TcpListener::bind(("127.0.0.1", ports[0])).unwrap();
        let other = free_plan(Path::new("/tmp/group")).unwrap();
        assert_ne!(other.replicas[0].port, ports[0]);
    }
}
