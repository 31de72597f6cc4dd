use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use navarch_host::planted::VARIABLE;
use serde::Serialize;

use super::{Build, ClocksOptions, KillsOptions, Victims, clocks, kills, progress, sim::hunt};
use crate::{
    error::ChaosError,
    host::Host,
    mutants::{Ground, HUNTS, Hunt},
    proc::GroupOptions,
    record::{BugRecord, InvariantRecord, RunRecord, Verdict},
    report::{Report, millis_of},
};

/// Leaders, or whole groups, that are killed for one bug.
const KILLS: usize = 5;

/// `navarch-chaos mutants`
#[derive(Args, Clone, Debug)]
pub struct MutantsOptions {
    /// Only these bugs
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Leave a record for the report in this folder
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct MutantsReport {
    /// One a bug, in the order of the list.
    pub bugs: Vec<Hunted>,
    /// Bugs that were not found by the invariant that should find them.
    pub violations: Vec<String>,
}

/// What came of one bug.
#[derive(Clone, Debug, Serialize)]
pub struct Hunted {
    /// Its name.
    pub bug: String,
    /// The invariants one of which should be found broken.
    pub found_by: Vec<String>,
    /// Those that were.
    pub broken: Vec<String>,
    /// What the first of the expected ones told.
    pub told: String,
    /// Why it is known not to be found; empty: it must be.
    pub gap: String,
    /// Why the run came to no end; empty if it did.
    pub problem: String,
    /// How long it took, seconds.
    pub took_s: f64,
}

/// Runs the program with each planted bug, and tells whether the invariant that should find it does.
///
/// # Errors
///
/// If the program has no planted bugs or an unknown one is named.
pub async fn mutants(
    host: &Host,
    group: GroupOptions,
    options: MutantsOptions,
) -> Result<MutantsReport, ChaosError> {
    check_program(&group.program)?;
    let is_known = |name: &&String| HUNTS.iter().any(|hunt| hunt.bug.name() == name.as_str());
    if let Some(unknown) = options.only.iter().find(|name| !is_known(name)) {
        let names: Vec<_> = HUNTS.iter().map(|hunt| hunt.bug.name()).collect();
        let problem = format!("there is no bug {unknown:?}; there are {}", names.join(", "));
        return Err(ChaosError::Tool { program: "--only".to_owned(), problem });
    }
    let wanted = |hunt: &&Hunt| {
        options.only.is_empty() || options.only.iter().any(|name| name == hunt.bug.name())
    };
    let hunts: Vec<_> = HUNTS.iter().filter(wanted).collect();
    let (begun, started_unix_ms) = (host.clock.now(), host.clock.wall_ms());
    let mut report = MutantsReport { bugs: Vec::new(), violations: Vec::new() };
    for (place, hunt) in hunts.iter().enumerate() {
        let hunted = hunted(host, group.clone(), hunt).await;
        report.violations.extend(hunted.complaint());
        progress::say(place + 1, hunts.len(), &format!("{}: {:?}", hunted.bug, hunted.broken));
        report.bugs.push(hunted);
    }
    if let Some(directory) = &options.record {
        let record = RunRecord {
            run: "mutants".to_owned(),
            name: "planted bugs".to_owned(),
            command: "navarch-chaos mutants".to_owned(),
            started_unix_ms,
            took_ms: millis_of(host.clock.now().since(begun)),
            bugs: report.bugs.iter().map(Hunted::record).collect(),
            ..Build::own().record()
        };
        record.save(directory)?;
    }
    Ok(report)
}

/// A program without planted bugs would show that none is found.
fn check_program(program: &Path) -> Result<(), ChaosError> {
    let read = fs::read(program).map_err(ChaosError::system("read the program"))?;
    if read.windows(VARIABLE.len()).any(|bytes| bytes == VARIABLE.as_bytes()) {
        return Ok(());
    }
    let problem = "it has no planted bugs; build one with `cargo build --features planted-bugs` and name it with \
                   --navarch";
    Err(ChaosError::Tool { program: program.display().to_string(), problem: problem.to_owned() })
}

async fn hunted(host: &Host, group: GroupOptions, hunt: &Hunt) -> Hunted {
    let planted = (VARIABLE.to_owned(), hunt.bug.name().to_owned());
    let environment = group.environment.iter().cloned().chain([planted]).collect();
    let group = GroupOptions { environment, ..group };
    let began = host.clock.now();
    let told = host.clock.timeout(hunt.limit, judged(host, group, hunt)).await;
    let took_s = host.clock.now().since(began).as_secs_f64();
    let (records, problem) = match told {
        Ok(Ok(records)) => (records, String::new()),
        Ok(Err(error)) => (Vec::new(), error.to_string()),
        Err(_) => (Vec::new(), format!("it came to no end within {:?}", hunt.limit)),
    };
    let broken: Vec<_> =
        records.iter().filter(|record| record.verdict == Verdict::Violated).collect();
    let expected = |record: &&&InvariantRecord| hunt.found_by.contains(&&*record.invariant);
    Hunted {
        bug: hunt.bug.name().to_owned(),
        found_by: hunt.found_by.iter().map(|&name| name.to_owned()).collect(),
        told: broken.iter().find(expected).map(|one| one.evidence.clone()).unwrap_or_default(),
        broken: broken.iter().map(|record| record.invariant.clone()).collect(),
        gap: hunt.gap.unwrap_or_default().to_owned(),
        problem,
        took_s,
    }
}

/// What the invariants of a run came to.
async fn judged(
    host: &Host,
    group: GroupOptions,
    looked_for: &Hunt,
) -> Result<Vec<InvariantRecord>, ChaosError> {
    let of = |victims| KillsOptions {
        count: KILLS,
        victims,
        clients: 8,
        down: Duration::from_millis(500),
        registers: 2,
        history: None,
    };
    Ok(match looked_for.ground {
        Ground::KillsOfLeaders => kills(host, group, of(Victims::Leader)).await?.checked.invariants,
        Ground::KillsOfAll => kills(host, group, of(Victims::All)).await?.checked.invariants,
        Ground::Clocks => {
            let options = ClocksOptions { nodes: 30, duration: Duration::from_secs(10) };
            clocks(host, group, options).await?.invariants
        }
        Ground::Simulation(seeds) => hunt(host, looked_for.bug, looked_for.found_by, seeds).await?,
    })
}

impl Hunted {
    /// As it is left for the report.
    fn record(&self) -> BugRecord {
        BugRecord {
            bug: self.bug.clone(),
            found_by: self.found().map(str::to_owned).collect(),
            told: self.told.clone(),
            gap: self.gap.clone(),
            took_ms: millis_of(Duration::from_secs_f64(self.took_s)),
        }
    }

    /// Those that should find it and did.
    fn found(&self) -> impl Iterator<Item = &str> {
        self.broken.iter().filter(|name| self.found_by.contains(name)).map(String::as_str)
    }

    /// A gap in the suite that was not known, or one that is none any more.
    fn complaint(&self) -> Option<String> {
        let Self { bug, found_by, broken, problem, .. } = self;
        let is_found = self.found().next().is_some();
        if !self.gap.is_empty() {
            return is_found.then(|| format!("{bug} was found: it is no known gap any more"));
        }
        let why = if problem.is_empty() { format!("broken: {broken:?}") } else { problem.clone() };
        (!is_found).then(|| format!("{bug} was not found by {found_by:?}; {why}"))
    }
}

impl Report for MutantsReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let head = ["bug", "found by", "took", "told"].map(str::to_owned).to_vec();
        let row = |hunted: &Hunted| {
            let found: Vec<_> = hunted.found().collect();
            let told = if found.is_empty() && !hunted.gap.is_empty() {
                format!("known gap: {}", hunted.gap)
            } else {
                hunted.told.chars().take(160).collect()
            };
            let took = format!("{:.0} s", hunted.took_s);
            vec![hunted.bug.clone(), found.join(", "), took, told]
        };
        [head].into_iter().chain(self.bugs.iter().map(row)).collect()
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a bug that breaks something else, or nothing at all, could count as found.
    #[test]
    fn a_bug_is_found_by_name_or_not_at_all() {
        let hunted = |broken: &[&str]| Hunted {
            bug: "skip-sync".to_owned(),
            found_by: vec!["acknowledged-kept".to_owned()],
            broken: broken.iter().map(|&name| name.to_owned()).collect(),
            told: String::new(),
            gap: String::new(),
            problem: String::new(),
            took_s: 1.0,
        };
        assert_eq!(hunted(&["no-phantom", "acknowledged-kept"]).complaint(), None);
        assert!(hunted(&["no-phantom"]).complaint().is_some());
        assert!(hunted(&[]).complaint().is_some());
        let gap = |broken| Hunted { gap: "nobody looks there".to_owned(), ..hunted(broken) };
        assert_eq!(gap(&[]).complaint(), None);
        assert!(gap(&["acknowledged-kept"]).complaint().is_some(), "it is a gap no more");
    }
}
