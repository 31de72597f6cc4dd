use std::{path::PathBuf, time::Duration};

use clap::Args;
use navarch_host::Chance;
use serde::Serialize;

use super::{Build, progress};
use crate::{
    error::ChaosError,
    faults::{Begun, Fault as _, PowerLoss, Powerless, Stage},
    host::Host,
    invariants,
    load::{Checked, Counts, Follower, History, Workload, WorkloadOptions, conclude},
    proc::{Group, GroupOptions},
    record::{FaultRecord, Injection, InvariantRecord, RunRecord, Verdict},
    report::{Report, millis_of},
    shim::{Damage, Lever, Shim, Survivors},
    wait::until,
};

/// How long a group may take to serve again.
const LIMIT: Duration = Duration::from_secs(60);

/// The load before a cut lasts between these, milliseconds: cuts meet syncs, snapshots and elections at any point.
const LOAD_MS: (usize, usize) = (200, 1_500);

/// How much longer a sync takes in every other round, microseconds: as on a disk that turns.
const SLOW_SYNC_US: i64 = 25_000;

/// `navarch-chaos power-loss`
#[derive(Clone, Debug, Args)]
pub struct PowerLossOptions {
    /// Who loses power each time
    #[arg(long, value_enum, default_value_t)]
    pub victims: Powerless,
    /// How often
    #[arg(long, default_value_t = 20)]
    pub rounds: usize,
    /// Clients that write
    #[arg(long, default_value_t = 8)]
    pub clients: usize,
    /// Decides who loses power, when, and what survives of that which was not synced
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Take nothing for synced that is written from the second round on, as a disk would that lies: this run must fail
    #[arg(long)]
    pub pretend_unsynced: bool,
    /// Leave a record for the report in this folder
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PowerLossReport {
    /// Who lost power each time.
    pub victims: Powerless,
    /// The seed.
    pub seed: u64,
    /// Cuts.
    pub cuts: usize,
    /// What they did to the files, all together.
    pub damage: Damage,
    /// Cuts of a replica that had written something which was not synced.
    pub with_unsynced: usize,
    /// What the clients did.
    pub counts: Counts,
    /// What the check went through; `None` if the group did not come back.
    pub checked: Option<Checked>,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Has replicas lose power under load, again and again, and checks that whatever was acknowledged is still there.
///
/// `Ok(Err(why))` where that cannot be tried on this machine.
///
/// # Errors
///
/// If the run cannot be carried out.
pub async fn power_loss(
    host: &Host,
    group: GroupOptions,
    options: PowerLossOptions,
) -> Result<Result<PowerLossReport, String>, ChaosError> {
    let shim = match Shim::build().await? {
        Ok(shim) => shim,
        Err(why) => return Ok(Err(why)),
    };
    let (started, started_unix_ms) = (host.clock.now(), host.clock.wall_ms());
    let program = group.program.clone();
    let group = Group::start(host, GroupOptions { shim: Some(shim), ..group }).await?;
    let load = WorkloadOptions { writers: options.clients, ..WorkloadOptions::default() };
    let follower = Follower::start(host, group.client()?, 0);
    let workload = Workload::start(host, &group, load)?;
    let history = workload.history();
    written_since(host, &history, 0).await?;
    if options.pretend_unsynced {
        for index in 0..group.len() {
            let board = group.board(index);
            let pulled = board.map_or(Ok(()), |board| board.pull(Lever::ForgetSyncs, 1));
            pulled.map_err(ChaosError::system("have syncs forgotten"))?;
        }
    }
    let stage = stage(host, group, program, options.seed);
    let mut run =
        Run { host, stage, options, faults: Vec::new(), report: PowerLossReport::default() };
    let done = run.cut_again_and_again(&history).await;
    let history = workload.stop().await;
    run.finish(done, &history, follower).await?;
    run.save((started, started_unix_ms)).await?;
    Ok(Ok(run.report))
}

fn stage(host: &Host, group: Group, program: PathBuf, seed: u64) -> Stage {
    Stage {
        host: host.clone(),
        group,
        chance: Chance::seeded(seed),
        other_program: None,
        program,
        crash_points: None,
        has_cloud: false,
        violations: Vec::new(),
        no_shim: String::new(),
    }
}

struct Run<'a> {
    host: &'a Host,
    stage: Stage,
    options: PowerLossOptions,
    faults: Vec<FaultRecord>,
    report: PowerLossReport,
}

impl Run<'_> {
    /// Ends early where a replica refuses to start, or the group does not come back.
    async fn cut_again_and_again(&mut self, history: &History) -> Result<(), ChaosError> {
        let start = self.host.clock.now();
        for round in 1..=self.options.rounds {
            self.set_pace(round)?;
            let pause_ms = LOAD_MS.0 + self.stage.chance.below(LOAD_MS.1 - LOAD_MS.0);
            let pause_ms = u64::try_from(pause_ms).unwrap_or(0);
            self.host.clock.sleep(Duration::from_millis(pause_ms)).await;
            let before = history.counts().writes;
            let since = self.host.clock.now();
            let mut cut = self.cut();
            if let Begun::Skipped(why) = cut.inject(&mut self.stage).await? {
                return Err(ChaosError::Tool { program: "the shim".to_owned(), problem: why });
            }
            let victims = cut.victims().to_vec();
            cut.heal(&mut self.stage).await?;
            let ms = |moment: navarch_host::Moment| millis_of(moment.since(start));
            self.note(&cut, (ms(since), ms(self.host.clock.now())));
            for victim in victims {
                if let Err(error) = self.stage.group.wait_ready(victim, LIMIT).await {
                    self.report.violations.push(format!("after a power loss: {error}"));
                    // It may be another one whose refusal to start leaves this one without a majority.
                    for other in self.stage.indices().filter(|&other| other != victim) {
                        let ended = self.stage.group.notice_end(other);
                        self.report.violations.extend(ended.map(|error| error.to_string()));
                    }
                    return Ok(());
                }
            }
            written_since(self.host, history, before).await?;
            let violations = history.violations().len();
            let told = format!("{} writes, {violations} violations", history.counts().writes);
            progress::say(round, self.options.rounds, &told);
        }
        Ok(())
    }

    /// In every other round syncs take longer, so that more is written and not synced when the power fails.
    fn set_pace(&self, round: usize) -> Result<(), ChaosError> {
        let delay_us = if round.is_multiple_of(2) { SLOW_SYNC_US } else { 0 };
        let mut all = self.stage.indices();
        all.try_for_each(|index| self.stage.pull(index, &[(Lever::SyncDelayUs, delay_us)]))
    }

    fn cut(&self) -> PowerLoss {
        let name = match self.options.victims {
            Powerless::One => "power-loss-one",
            Powerless::Two => "power-loss-two",
            Powerless::All => "power-loss-all",
        };
        let cut = PowerLoss::new(name, self.options.victims);
        // A disk that lies and keeps nothing at all: the plainest loss that there is to find.
        if self.options.pretend_unsynced { cut.surviving(Survivors::None) } else { cut }
    }

    fn note(&mut self, cut: &PowerLoss, (from_ms, until_ms): (u64, u64)) {
        self.report.cuts += 1;
        let mut any = false;
        for damage in &cut.damage {
            let all = &mut self.report.damage;
            all.unsynced += damage.unsynced;
            all.lost += damage.lost;
            all.torn += damage.torn;
            all.unsynced_names += damage.unsynced_names;
            all.lost_names += damage.lost_names;
            let unsynced = damage.unsynced + damage.unsynced_names > 0;
            self.report.with_unsynced += usize::from(unsynced);
            any |= unsynced;
        }
        let why = "nothing was unsynced when the power failed";
        self.faults.push(FaultRecord {
            fault: cut.name(),
            targets: self.stage.names(cut.victims()),
            from_ms,
            until_ms: Some(until_ms),
            injection: if any { Injection::Injected } else { Injection::Indeterminate },
            why: if any { String::new() } else { why.to_owned() },
        });
    }

    async fn finish(
        &mut self,
        done: Result<(), ChaosError>,
        history: &History,
        follower: Follower,
    ) -> Result<(), ChaosError> {
        let refused = !self.report.violations.is_empty();
        if !refused {
            // A group that does not come back when all disks are honest is a finding, too.
            let back = match done {
                Ok(()) => self.stage.group.wait_all_ready(LIMIT).await,
                Err(error @ (ChaosError::Late { .. } | ChaosError::Ended { .. })) => Err(error),
                Err(error) => return Err(error),
            };
            match back {
                Ok(()) => match conclude(self.host, &self.stage.group, history, follower).await {
                    Ok(checked) => {
                        // What readers saw must not crowd out what is lost.
                        self.report.violations.extend(invariants::unmet(&checked.invariants));
                        self.report.checked = Some(checked);
                    }
                    // What is lost cannot be asked after.
                    Err(error) if !history.violations().is_empty() => {
                        self.report.violations.push(error.to_string());
                    }
                    Err(error) => return Err(error),
                },
                Err(error) => self.report.violations.push(error.to_string()),
            }
        }
        self.report.violations.append(&mut self.stage.violations);
        let told = history.violations().into_iter();
        let new: Vec<_> = told.filter(|told| !self.report.violations.contains(told)).collect();
        self.report.violations.extend(new);
        if self.report.violations.is_empty() && self.report.with_unsynced == 0 {
            let what = "no cut met anything that was not synced: the run shows nothing";
            self.report.violations.push(what.to_owned());
        }
        self.report.victims = self.options.victims;
        self.report.seed = self.options.seed;
        self.report.counts = history.counts();
        if !self.report.violations.is_empty() {
            let kept = self.stage.group.keep_files();
            eprintln!("the group's files are kept in {}", kept.display());
        }
        Ok(())
    }

    /// What was checked at the end, and whether every replica came back by itself, which is one claim more.
    fn judged(&self) -> Vec<InvariantRecord> {
        let PowerLossReport { checked, violations, damage, with_unsynced, .. } = &self.report;
        let Damage { unsynced, lost, torn, .. } = damage;
        let verdict = match (checked, violations.is_empty()) {
            (Some(_), true) => Verdict::Held,
            (None, true) => Verdict::Unknown,
            (_, false) => Verdict::Violated,
        };
        let figures = format!("{unsynced} unsynced writes, {lost} of them lost and {torn} torn");
        let survived = InvariantRecord {
            invariant: "power-loss-survived".to_owned(),
            verdict,
            checked: u64::try_from(*with_unsynced).unwrap_or(u64::MAX),
            evidence: if verdict == Verdict::Violated { violations.join("; ") } else { figures },
        };
        let further = checked.iter().flat_map(|checked| checked.invariants.clone());
        std::iter::once(survived).chain(further).collect()
    }

    async fn save(
        &mut self,
        (started, started_unix_ms): (navarch_host::Moment, u64),
    ) -> Result<(), ChaosError> {
        let Some(directory) = self.options.record.clone() else { return Ok(()) };
        let PowerLossOptions { victims, rounds, seed, .. } = &self.options;
        let victims = format!("{victims:?}").to_lowercase();
        let took = self.host.clock.now().since(started).as_millis();
        let record = RunRecord {
            run: "power-loss".to_owned(),
            command: format!(
                "navarch-chaos power-loss --victims {victims} --rounds {rounds} --seed {seed}"
            ),
            name: victims,
            started_unix_ms,
            took_ms: u64::try_from(took).unwrap_or(u64::MAX),
            faults: std::mem::take(&mut self.faults),
            invariants: self.judged(),
            ..Build::of(&self.stage.program).await.record()
        };
        record.save(&directory).map(drop)
    }
}

/// Waits until more than `before` writes are acknowledged.
async fn written_since(host: &Host, history: &History, before: u64) -> Result<(), ChaosError> {
    until(host, "an acknowledged write", LIMIT, || {
        let writes = history.counts().writes;
        let standing = || format!("{:?}, {:?}", history.counts(), history.failures());
        std::future::ready(if writes > before { Ok(()) } else { Err(standing()) })
    })
    .await
}

impl Report for PowerLossReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let Damage { unsynced, lost, torn, unsynced_names, lost_names } = self.damage;
        let Counts { writes, failed_writes, reads, failed_reads, .. } = self.counts;
        let victims = format!("{:?}", self.victims).to_lowercase();
        let mut rows = vec![
            row("power lost", format!("{} times ({victims}), seed {}", self.cuts, self.seed)),
            row("replicas with something unsynced", self.with_unsynced.to_string()),
            row("unsynced writes", format!("{unsynced}: {lost} lost, {torn} torn")),
            row("unsynced names", format!("{unsynced_names}: {lost_names} lost")),
            row("writes", format!("{writes} acknowledged, {failed_writes} failed")),
            row("reads", format!("{reads} answered, {failed_reads} failed")),
        ];
        if let Some(Checked { nodes, orders, applied_index, state_hash, invariants }) =
            &self.checked
        {
            rows.push(row("checked", format!("{nodes} nodes, {orders} orders")));
            rows.push(row("state hash", format!("{state_hash} at {applied_index}")));
            rows.extend(invariants.iter().map(InvariantRecord::row));
        }
        rows
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}
