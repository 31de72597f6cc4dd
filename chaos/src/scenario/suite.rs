use std::{path::PathBuf, time::Duration};

use clap::Args;
use serde::Serialize;

use super::{Means, Performance, Scenario, perform};
use crate::{
    error::ChaosError,
    faults::catalogue::LEADER_IN_MINORITY,
    host::Host,
    proc::{GroupOptions, named_program},
    record::Injection,
    report::Report,
    runs::Build,
    shim::Shim,
};

/// What a scenario takes beside its length: starting, settling, judging. For choosing what fits into a time.
const BESIDE: Duration = Duration::from_secs(15);

/// `navarch-chaos scenario`
#[derive(Clone, Debug, Args)]
pub struct ScenarioOptions {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Decides what the files leave open [default: what each file says]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Begin none that would end later than this; those left out are told
    #[arg(long, value_name = "DURATION", value_parser = super::suite::duration)]
    pub all_within: Option<Duration>,
    /// Leave a record of each for the report in this folder
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// Another build of the program, for groups of two versions
    #[arg(long, value_name = "FILE", value_parser = named_program)]
    pub other_navarch: Option<PathBuf>,
}

/// What came of all scenarios.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SuiteReport {
    /// Each that was performed.
    pub performances: Vec<Performance>,
    /// Each that was left out, with the reason.
    pub left_out: Vec<String>,
    /// What must not be, of all of them.
    pub violations: Vec<String>,
}

/// Performs scenarios one after the other.
///
/// # Errors
///
/// If one cannot be read or performed.
pub async fn suite(
    host: &Host,
    group: GroupOptions,
    options: ScenarioOptions,
) -> Result<SuiteReport, ChaosError> {
    let mut scenarios = Vec::new();
    for file in &options.files {
        scenarios.push((file, Scenario::read(file)?));
    }
    // Without a leader in a minority a set shows nothing: such a one must not be what there is no time for.
    scenarios.sort_by_key(|(_, scenario)| !has_the_main_fault(scenario));
    let (build, shim) = (Build::of(&group.program).await, Shim::build().await?);
    if let Err(why) = &shim {
        eprintln!("SKIPPED: faults of disks and clocks: {why}");
    }
    let means = Means { group, other_program: options.other_navarch.clone(), shim };
    let (start, mut report) = (host.clock.now(), SuiteReport::default());
    for (file, scenario) in &scenarios {
        let end = host.clock.now().since(start) + scenario.length + BESIDE;
        if let Some(limit) = options.all_within.filter(|limit| end > *limit) {
            let name = &scenario.name;
            report.left_out.push(format!("{name}: it would not end within {limit:?}"));
            continue;
        }
        let seed = options.seed.unwrap_or(scenario.seed);
        let performance = perform(host, &means, scenario, seed).await?;
        tell(&performance);
        if let Some(directory) = &options.record {
            let command = format!("navarch-chaos scenario {} --seed {seed}", file.display());
            performance.record(command, &build).save(directory)?;
        }
        let name = &scenario.name;
        let told =
            performance.violations.iter().map(|told| format!("{name} (seed {seed}): {told}"));
        report.violations.extend(told);
        report.performances.push(performance);
    }
    if report.performances.is_empty() {
        let what = format!("no scenario was performed: {}", report.left_out.join("; "));
        report.violations.push(what);
    }
    Ok(report)
}

fn has_the_main_fault(scenario: &Scenario) -> bool {
    let drawn = scenario.random.iter().flat_map(|draws| &draws.faults);
    let all = scenario.steps.iter().map(|step| &step.fault).chain(drawn);
    all.into_iter().any(|fault| fault == LEADER_IN_MINORITY)
}

/// Progress, for whoever waits: stdout has the report alone.
fn tell(performance: &Performance) {
    let Performance { name, took_ms, violations, .. } = performance;
    let [injected, skipped, indeterminate] = performance.injections();
    eprintln!(
        "{name}: {injected} faults injected, {skipped} skipped, {indeterminate} indeterminate, {} violations, {:.0} s",
        violations.len(),
        Duration::from_millis(*took_ms).as_secs_f64()
    );
    for fault in &performance.faults {
        match fault.injection {
            Injection::Injected => {}
            Injection::Skipped => eprintln!("  SKIPPED {}: {}", fault.fault, fault.why),
            Injection::Indeterminate => eprintln!("  INDETERMINATE {}: {}", fault.fault, fault.why),
        }
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    navarch::config::parse_duration(text).map_err(|error| error.to_string())
}

impl Report for SuiteReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let heads =
            ["scenario", "seed", "took", "injected", "skipped", "indeterminate", "held", "writes"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        for performance in &self.performances {
            let [injected, skipped, indeterminate] = performance.injections();
            let writes: u64 = performance.load.iter().map(|point| point.acknowledged).sum();
            rows.push(vec![
                performance.name.clone(),
                performance.seed.to_string(),
                format!("{:.0} s", Duration::from_millis(performance.took_ms).as_secs_f64()),
                injected.to_string(),
                skipped.to_string(),
                indeterminate.to_string(),
                format!("{} of {}", performance.held(), performance.invariants.len()),
                writes.to_string(),
            ]);
        }
        rows.extend(self.left_out.iter().map(|told| vec![format!("LEFT OUT  {told}")]));
        rows
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}
