use std::time::Duration;

use navarch_host::{Chance, Moment};
use serde::Serialize;

use super::{
    Act, Means, Plan, Scenario,
    load::{Asked, Asking, Judgement},
    load_points::load_points,
    stage_set,
};
use crate::{
    error::ChaosError,
    faults::{Begun, Fault, Seen, Stage, catalogue},
    host::Host,
    invariants,
    load::Counts,
    record::{FaultRecord, Injection, InvariantRecord, LoadPoint, RunRecord, Verdict},
    report::millis_of,
    runs::Build,
};

/// How long all replicas may take to serve once all is healed.
const BACK_LIMIT: Duration = Duration::from_secs(90);

/// What came of one scenario.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Performance {
    /// The scenario.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// When it began, milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// Every fault.
    pub faults: Vec<FaultRecord>,
    /// What was checked.
    pub invariants: Vec<InvariantRecord>,
    /// What clients saw over time.
    pub load: Vec<LoadPoint>,
    /// What clients did.
    pub counts: Counts,
    /// What must not be.
    pub violations: Vec<String>,
}

/// A fault that has begun.
struct Open {
    fault: Box<dyn Fault>,
    until: Duration,
    /// Its place among the records.
    record: usize,
}

struct Run {
    host: Host,
    stage: Stage,
    start: Moment,
    records: Vec<FaultRecord>,
    open: Vec<Open>,
}

/// Performs `scenario` with `seed`: sets the group, has all of it befall that, heals, and judges.
///
/// # Errors
///
/// If it cannot be performed.
pub async fn perform(
    host: &Host,
    means: &Means,
    scenario: &Scenario,
    seed: u64,
) -> Result<Performance, ChaosError> {
    let (started, started_unix_ms) = (host.clock.now(), host.clock.wall_ms());
    let (stage, fleet, _folder) = stage_set::set(host, means, scenario, seed).await?;
    let chance = Chance::seeded(!seed);
    let asking = Asking::start(host, &stage.group, scenario, &fleet, &chance).await?;
    let (records, open) = (Vec::new(), Vec::new());
    let mut run = Run { host: host.clone(), stage, start: host.clock.now(), records, open };
    run.play(&Plan::of(scenario, seed).acts, scenario.length).await;
    let back = run.put_right().await;
    let asked = asking.stop().await;
    let mut performance = Performance {
        name: scenario.name.clone(),
        seed,
        started_unix_ms,
        load: load_points(&asked.events()),
        counts: asked.counts(),
        ..Performance::default()
    };
    performance.judge(&mut run, back, asked, scenario).await?;
    performance.faults = run.records;
    performance.complain_of_faults();
    performance.took_ms = millis_of(host.clock.now().since(started));
    if !performance.violations.is_empty() {
        let kept = run.stage.group.keep_files();
        eprintln!("{}: the group's files are kept in {}", scenario.name, kept.display());
    }
    Ok(performance)
}

impl Run {
    /// Begins and heals faults when their time has come.
    async fn play(&mut self, acts: &[Act], length: Duration) {
        for act in acts {
            self.heal_until(act.at).await;
            self.wait_for(act.at).await;
            self.begin(act).await;
        }
        self.heal_until(length).await;
        self.wait_for(length).await;
        self.heal_until(Duration::MAX).await;
    }

    /// Heals, each at its time, all that is to be healed by `limit`.
    async fn heal_until(&mut self, limit: Duration) {
        loop {
            let next = self.open.iter().enumerate().min_by_key(|(_, open)| open.until);
            let Some((place, until)) = next.map(|(place, open)| (place, open.until)) else {
                return;
            };
            if until > limit {
                return;
            }
            self.wait_for(until).await;
            let open = self.open.remove(place);
            self.heal(open).await;
        }
    }

    async fn wait_for(&self, at: Duration) {
        self.host.clock.sleep_until(self.start + at).await;
    }

    fn now_ms(&self) -> u64 {
        millis_of(self.host.clock.now().since(self.start))
    }

    async fn begin(&mut self, act: &Act) {
        // The parser has looked it up.
        let Some(mut fault) = catalogue::find(&act.fault) else { return };
        let from_ms = self.now_ms();
        let begun = fault.inject(&mut self.stage).await;
        let (targets, injection, why) = match begun {
            Ok(Begun::Struck(targets)) => (targets, Injection::Indeterminate, String::new()),
            Ok(Begun::Skipped(why)) => (Vec::new(), Injection::Skipped, why),
            Err(error) => (Vec::new(), Injection::Indeterminate, error.to_string()),
        };
        let skipped = injection == Injection::Skipped;
        let (fault_name, until_ms) = (act.fault.clone(), None);
        let record = FaultRecord { fault: fault_name, targets, from_ms, until_ms, injection, why };
        self.records.push(record);
        if !skipped {
            let record = self.records.len() - 1;
            self.open.push(Open { fault, until: act.until, record });
        }
    }

    async fn heal(&mut self, Open { mut fault, record, .. }: Open) {
        let healed = fault.heal(&mut self.stage).await;
        let until_ms = self.now_ms();
        let Some(record) = self.records.get_mut(record) else { return };
        record.until_ms = Some(until_ms);
        let why = match healed {
            Ok(Seen::Yes) => String::new(),
            Ok(Seen::No(sought)) => format!("nobody saw {sought}"),
            Err(error) => error.to_string(),
        };
        if record.why.is_empty() && why.is_empty() {
            record.injection = Injection::Injected;
        } else if record.why.is_empty() {
            record.why = why;
        } else if !why.is_empty() {
            record.why = format!("{}; {why}", record.why);
        }
    }

    /// Takes all rules of the network away, starts whoever does not run, and waits until all serve.
    async fn put_right(&mut self) -> Result<(), ChaosError> {
        if let Some(links) = self.stage.group.links() {
            links.clear();
        }
        let deadline = self.host.clock.now() + BACK_LIMIT;
        let all: Vec<_> = self.stage.indices().collect();
        loop {
            self.stage.revive(&all)?;
            let back = self.stage.group.wait_all_ready(Duration::from_secs(20)).await;
            if back.is_ok() || self.host.clock.now() >= deadline {
                return back;
            }
        }
    }
}

impl Performance {
    async fn judge(
        &mut self,
        run: &mut Run,
        back: Result<(), ChaosError>,
        asked: Asked,
        scenario: &Scenario,
    ) -> Result<(), ChaosError> {
        self.violations.append(&mut run.stage.violations);
        if let Err(error) = back {
            // A group that does not come back once all is healed is a finding.
            self.violations.push(format!("the group does not come back: {error}"));
            return Ok(());
        }
        let judged = asked.judge(&run.host, &run.stage.group).await?;
        let Judgement { invariants, violations } = judged;
        self.violations.extend(violations);
        self.violations.extend(invariants::unmet(&invariants));
        for wanted in &scenario.invariants {
            if !invariants.iter().any(|record| record.invariant == *wanted) {
                let what = "this load brings no evidence of it; leave it out of `invariants`";
                self.violations.push(format!("{wanted}: unknown: {what}"));
            }
        }
        self.invariants = invariants;
        Ok(())
    }

    /// A run in which no fault is known to have taken place shows nothing.
    fn complain_of_faults(&mut self) {
        let count = |kind| self.faults.iter().filter(|fault| fault.injection == kind).count();
        let (injected, tried) = (count(Injection::Injected), count(Injection::Indeterminate));
        if injected == 0 && tried > 0 {
            let why: Vec<_> =
                self.faults.iter().map(|one| format!("{}: {}", one.fault, one.why)).collect();
            let what =
                format!("of {tried} faults none is known to have taken place: {}", why.join("; "));
            self.violations.push(what);
        }
    }

    /// How many faults were injected, skipped and indeterminate.
    pub fn injections(&self) -> [usize; 3] {
        [Injection::Injected, Injection::Skipped, Injection::Indeterminate]
            .map(|kind| self.faults.iter().filter(|fault| fault.injection == kind).count())
    }

    /// Whether it has nothing to complain of.
    pub fn is_well(&self) -> bool {
        self.violations.is_empty()
    }

    /// How many invariants held.
    pub fn held(&self) -> usize {
        self.invariants.iter().filter(|record| record.verdict == Verdict::Held).count()
    }

    /// What it leaves for the report.
    pub(crate) fn record(&self, command: String, build: &Build) -> RunRecord {
        RunRecord {
            run: "scenario".to_owned(),
            name: self.name.clone(),
            command,
            started_unix_ms: self.started_unix_ms,
            took_ms: self.took_ms,
            faults: self.faults.clone(),
            invariants: self.invariants.clone(),
            load: self.load.clone(),
            ..build.record()
        }
    }
}
