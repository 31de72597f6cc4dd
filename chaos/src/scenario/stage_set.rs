use std::path::PathBuf;

use navarch_host::Chance;

use super::{Machines, Scenario};
use crate::{
    error::ChaosError,
    faults::Stage,
    host::Host,
    load::registers::RegisterFleet,
    proc::{FleetFile, Group, GroupOptions},
    shim::Shim,
};

/// The pool of a scenario's machines.
pub(super) const POOL: &str = "crew";

/// What performances are made with.
#[derive(Clone, Debug)]
pub struct Means {
    /// The group that each begins with.
    pub group: GroupOptions,
    /// Another build of the program.
    pub other_program: Option<PathBuf>,
    /// The shim, or why there is none.
    pub shim: Result<Shim, String>,
}

/// Starts the group of a scenario; everything between its processes, disks and clocks can be struck.
pub(super) async fn set(
    host: &Host,
    means: &Means,
    scenario: &Scenario,
    seed: u64,
) -> Result<(Stage, RegisterFleet, tempfile::TempDir), ChaosError> {
    let folder = tempfile::tempdir().map_err(ChaosError::system("make a folder"))?;
    let crash_points = folder.path().join("crash-points");
    let made = std::fs::create_dir_all(&crash_points);
    made.map_err(ChaosError::system("make the crash points' folder"))?;
    let crash_variable = ("NAVARCH_CRASH_POINTS".to_owned(), crash_points.display().to_string());
    let registers = scenario.load.as_ref().map_or(0, |load| load.registers);
    let quiet = RegisterFleet::new(FleetFile::quiet(), registers);
    let fleet = scenario.machines.as_ref().map_or_else(|| quiet.file(), crew);
    let cloud = ["--boot-delay", "200ms", "--shutdown-delay", "200ms"].map(str::to_owned);
    let has_cloud = scenario.machines.is_some();
    let options = GroupOptions {
        replicas: scenario.replicas,
        fleet,
        cloud: has_cloud.then(|| cloud.into()),
        environment: if has_cloud { vec![crash_variable] } else { Vec::new() },
        linked: true,
        shim: means.shim.clone().ok(),
        ..means.group.clone()
    };
    let program = options.program.clone();
    let group = Group::start(host, options).await?;
    let stage = Stage {
        host: host.clone(),
        group,
        chance: Chance::seeded(seed),
        other_program: means.other_program.clone(),
        program,
        crash_points: has_cloud.then_some(crash_points),
        has_cloud,
        violations: Vec::new(),
        no_shim: means.shim.as_ref().err().cloned().unwrap_or_default(),
    };
    Ok((stage, quiet, folder))
}

/// One pool of a fake cloud, with times short enough to see every deadline pass.
fn crew(machines: &Machines) -> FleetFile {
    let Machines { least, most, .. } = machines;
    let server =
        ["heartbeat_interval: 500ms", "heartbeat_timeout: 5s", "autoscale_interval: 500ms"];
    let sections = format!(
        "
instance_manager: {{registration_timeout: 10s, stale_check_interval: 1s, retain_terminated: 60s, orphan_sweep_interval: 5s, orphan_min_age: 10s}}
providers:
  cloud: {{type: http, url: \"http://{{cloud}}\"}}
pools:
  {POOL}:
    provider: cloud
    instance_type: h100-8x
    min_nodes: {least}
    max_nodes: {most}
    health: {{unhealthy_after: 2, auto_replace: true}}
"
    );
    FleetFile { server: server.map(str::to_owned).into(), sections }
}
