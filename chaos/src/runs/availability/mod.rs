//! How long clients wait after a fault, measured on a group of ours and, where asked for, on three replicas of etcd in
//! the same run, in turns.
//!
//! | file | what |
//! |---|---|
//! | `options` | what is measured |
//! | `blow` | the faults, and the load meanwhile |
//! | `subject` | what a group must let be done to it; `ours` and `theirs` do |
//! | `strike` | a blow: peace, fault, first write, healing |
//! | `elections` | when replicas began to campaign, and when one led, by their logs |
//! | `tally` | all blows of a kind as one record |
//! | `rejoin` | how long a replica takes to come back that lost its disk |
//! | `report` | what is told at the end |
//!
//! What is measured, and whence it is known: **detect**, from the fault until the first line of a campaign in the log of
//! any replica; **elect**, from there until the line of the one that leads; **first write**, by a client of ours that
//! balances over all replicas and begins a write at the moment of the fault (or, where the leader hands over before it
//! goes, the longest time between two acknowledgements around the fault); **first act**, from the fault until the new
//! leader reports the end of a controller's pass. Etcd's puts are begun at the next replica as well when they are not
//! answered within 50 ms, and the first answer counts.

mod blow;
mod elections;
mod options;
mod ours;
mod rejoin;
mod report;
mod strike;
mod subject;
mod tally;
mod theirs;

use std::path::PathBuf;

use blow::Load;
pub use blow::{Blow, Loads};

use navarch_host::Moment;
pub use options::AvailabilityOptions;
use ours::Ours;
pub use report::AvailabilityReport;
use strike::{Arm, Plan};
use subject::Subject;
use tally::Tally;
use theirs::Theirs;

use super::{Build, progress};
use crate::{
    error::ChaosError,
    etcd::find_etcd,
    host::Host,
    proc::GroupOptions,
    record::{AvailabilityRecord, FaultRecord, Injection, InvariantRecord, RunRecord, Verdict},
    report::millis_of,
};

/// Blows after which it is the other group's turn.
const ROUND: usize = 10;

/// Measures what each kind of fault costs clients.
///
/// # Errors
///
/// If the run cannot be carried out; a group that does not come back is such an error.
pub async fn availability(
    host: &Host,
    group: GroupOptions,
    options: AvailabilityOptions,
) -> Result<AvailabilityReport, ChaosError> {
    let build = Build::of(&group.program).await;
    let etcd = if options.etcd { find_etcd(options.etcd_program.clone()) } else { None };
    let mut run = Run { host, group, build, etcd, report: AvailabilityReport::default(), options };
    if run.options.etcd && run.etcd.is_none() {
        run.skip("etcd", "it is not installed; run tests/peers/install.sh".to_owned());
    }
    // With none to strike there may still be replicas to wipe.
    let faults = if run.options.count == 0 { Vec::new() } else { run.options.faults.clone() };
    for blow in faults {
        for &load in run.options.load.each() {
            run.measure(blow, load).await?;
        }
    }
    for nodes in run.options.rejoin.clone() {
        run.rejoin(nodes).await?;
    }
    Ok(run.report)
}

struct Run<'a> {
    host: &'a Host,
    group: GroupOptions,
    options: AvailabilityOptions,
    /// The program under test, in words.
    build: Build,
    etcd: Option<PathBuf>,
    report: AvailabilityReport,
}

impl Run<'_> {
    async fn measure(&mut self, blow: Blow, load: Load) -> Result<(), ChaosError> {
        let mut record = self.begun(&format!("{}-{}", blow.name(), load.name()), blow);
        let started = self.host.clock.now();
        let second = self.options.second_navarch.clone();
        if blow == Blow::RollingUpgrade && second.is_none() {
            let why = "no second build is named with --second-navarch".to_owned();
            return self.leave_out(record, blow, (why, started));
        }
        let program = second.as_deref().filter(|_| blow == Blow::RollingUpgrade);
        let plan = Plan { blow, load, many: self.options.clients, program, started };
        let mut ours = Arm::new(self.host, self.ours(&record.name, blow, 0).await?, started);
        let mut theirs = self.theirs(&record.name, blow, started).await?;
        if let Some(why) = theirs.as_ref().and_then(|arm| arm.subject.obstacle(blow)) {
            record.faults.push(skipped(blow, vec![Theirs::SYSTEM.to_owned()], why.clone()));
            self.skip(&format!("{} of etcd", blow.name()), why);
            theirs = None;
        }
        let round = if program.is_some() { ours.subject.replicas() } else { ROUND };
        let mut done = 0;
        while done < self.options.count {
            if program.is_some() && done > 0 {
                // Every replica runs the second build: another group has to be upgraded.
                ours.subject = self.ours(&record.name, blow, done).await?;
            }
            let turns = done..(done + round).min(self.options.count);
            done = turns.end;
            ours.strike(plan, turns.clone()).await?;
            if let Some(theirs) = &mut theirs {
                theirs.strike(plan, turns).await?;
            }
            progress::say(done, self.options.count, &record.name);
        }
        let theirs = theirs.map(|arm| arm.tally);
        let etcd = theirs.as_ref().and_then(|tally| tally.record(Theirs::SYSTEM, blow, load));
        record.load = ours.curve.points();
        record.faults.extend(ours.tally.faults.iter().cloned());
        record.faults.extend(theirs.into_iter().flat_map(|tally| tally.faults));
        record.faults.sort_by_key(|fault| fault.from_ms);
        let navarch = ours.tally.record(Ours::SYSTEM, blow, load);
        self.judge(&mut record, &ours.tally, navarch.as_ref());
        record.availability.extend(navarch.into_iter().chain(etcd));
        self.end(record, started)
    }

    /// What must hold of a group of ours.
    fn judge(
        &mut self,
        record: &mut RunRecord,
        tally: &Tally,
        measured: Option<&AvailabilityRecord>,
    ) {
        let Tally { failures, failed, acknowledged, .. } = tally;
        let checked = acknowledged + failed;
        let verdict = match (failed, checked) {
            (0, 0) => Verdict::Unknown,
            (0, _) => Verdict::Held,
            _ => Verdict::Violated,
        };
        let evidence = match failures.first() {
            None => format!("{checked} writes, all acknowledged"),
            Some(first) => format!("{failed} of {checked} writes failed; the first: {first}"),
        };
        let invariant = "writes-are-answered".to_owned();
        record.invariants.push(InvariantRecord { invariant, verdict, checked, evidence });
        let failed = failures.iter().map(|why| format!("{}: failed write: {why}", record.name));
        self.report.violations.extend(failed);
        if measured.is_none() {
            let problem = format!("{}: no fault took place: nothing was measured", record.name);
            self.report.violations.push(problem);
        }
        if !self.options.judge {
            return;
        }
        let Some((measured, target)) = measured.and_then(|of| Some((of, of.target()?))) else {
            return;
        };
        let misses = measured.misses();
        let verdict = if misses.is_empty() { Verdict::Held } else { Verdict::Violated };
        let evidence = format!("{}; claimed: {}", measured.first_write.words(), target.words());
        let (invariant, checked) =
            ("availability-target".to_owned(), measured.first_write.count as u64);
        record.invariants.push(InvariantRecord { invariant, verdict, checked, evidence });
        self.report.violations.extend(misses);
    }

    async fn ours(&self, name: &str, blow: Blow, number: usize) -> Result<Ours, ChaosError> {
        let options = self.group_in(&format!("{name}-{number}"));
        // A proxy before every port costs something: only where it is needed.
        Ours::start(self.host, GroupOptions { linked: blow == Blow::Isolate, ..options }).await
    }

    /// A group in a directory of its own.
    fn group_in(&self, name: &str) -> GroupOptions {
        let directory = self.group.directory.as_ref().map(|all| all.join(name));
        GroupOptions { directory, ..self.group.clone() }
    }

    async fn theirs(
        &self,
        name: &str,
        blow: Blow,
        started: Moment,
    ) -> Result<Option<Arm<Theirs>>, ChaosError> {
        let Some(program) = &self.etcd else { return Ok(None) };
        let directory = self.group.directory.as_ref().map(|all| all.join(format!("etcd-{name}")));
        let subject = Theirs::start(self.host, program, directory, blow == Blow::Isolate);
        Ok(Some(Arm::new(self.host, subject.await?, started)))
    }

    fn begun(&self, name: &str, blow: Blow) -> RunRecord {
        RunRecord {
            run: "availability".to_owned(),
            name: name.to_owned(),
            command: self.options.command(blow),
            started_unix_ms: self.host.clock.wall_ms(),
            ..self.build.record()
        }
    }

    fn leave_out(
        &mut self,
        mut record: RunRecord,
        blow: Blow,
        (why, started): (String, Moment),
    ) -> Result<(), ChaosError> {
        self.skip(&record.name, why.clone());
        record.faults.push(skipped(blow, Vec::new(), why));
        self.end(record, started)
    }

    /// Says that something was not measured.
    fn skip(&mut self, what: &str, why: String) {
        progress::skipped(what, &why);
        self.report.skipped.push(format!("{what}: {why}"));
    }

    fn end(&mut self, mut record: RunRecord, started: Moment) -> Result<(), ChaosError> {
        record.took_ms = millis_of(self.host.clock.now().since(started));
        self.report.measured.extend(record.availability.iter().cloned());
        self.report.rejoin.extend(record.rejoin.iter().cloned());
        match &self.options.record {
            Some(directory) => record.save(directory).map(drop),
            None => Ok(()),
        }
    }
}

fn skipped(blow: Blow, targets: Vec<String>, why: String) -> FaultRecord {
    let (fault, injection) = (blow.fault().to_owned(), Injection::Skipped);
    FaultRecord { fault, targets, from_ms: 0, until_ms: None, injection, why }
}
