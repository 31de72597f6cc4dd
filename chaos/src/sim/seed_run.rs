use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use navarch::fake_cloud::agents::{AgentOptions, SimulatedAgents};
use navarch_host::{Chance, Clock, planted::Bug};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use turmoil::Builder;

use super::{
    cloud::Market,
    judge::{Judge, Judgement, address},
    kept::Kept,
    network::{SimulatedNetwork, replica_host},
    plan::Plan,
    replica::Replica,
    stage::{CLIENTS, LATENCY, NODES, Stage},
    tasks::OneThread,
    trace::Trace,
};
use crate::{
    error::ChaosError,
    host::Host,
    record::{FaultRecord, InvariantRecord},
    report::{Report, millis_of},
};

/// Replicas of a simulated group.
const REPLICAS: usize = 3;
/// Simulated time passes in steps of this length; messages that come within one are handled together.
const TICK: Duration = Duration::from_millis(4);
/// The first phase.
const FAULTS: Duration = Duration::from_secs(60);
/// A run that takes longer, in simulated time, hangs.
const END: Duration = Duration::from_secs(900);
/// Between two looks after machines that boot.
const TEND_EVERY: Duration = Duration::from_millis(100);

/// A run to be made.
#[derive(Clone, Debug, Default)]
pub struct SeedOptions {
    /// It decides everything.
    pub seed: u64,
    /// The faults of its plan that strike; `None`: all.
    pub only: Option<Kept>,
    /// A bug that the replicas have, in a build that can have bugs.
    pub bug: Option<Bug>,
    /// Tell on standard error what happens.
    pub tells: bool,
    /// Where everything that happens is written, a line each.
    pub trace: Option<PathBuf>,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SeedOutcome {
    /// Its seed.
    pub seed: u64,
    /// A hash of everything that happened, and of how many events.
    pub trace: (String, u64),
    /// How long it was, in simulated milliseconds.
    pub simulated_ms: u64,
    /// Writes and reads that were answered.
    pub calls: (u64, u64),
    /// Entries of the cloud's ledger.
    pub machines: usize,
    /// Its faults.
    pub faults: Vec<FaultRecord>,
    /// What was checked.
    pub invariants: Vec<InvariantRecord>,
    /// What must not be; empty: the run passed.
    pub violations: Vec<String>,
}

/// Makes one run on the calling thread. It is the same each time only in a process whose chance comes from the seed as
/// well: see [`Entropy`](super::Entropy).
///
/// # Errors
///
/// If it cannot be made: a folder for snapshots, or the simulation itself.
pub fn run_seed(options: &SeedOptions) -> Result<SeedOutcome, ChaosError> {
    let folder = tempfile::tempdir().map_err(ChaosError::system("make a folder"))?;
    let plan = Plan::draw(options.seed, FAULTS);
    let plan = match &options.only {
        Some(kept) => plan.only(kept),
        None => plan,
    };
    let trace = Trace::new(options.tells, options.trace.as_deref())
        .map_err(ChaosError::system("create the file of the trace"))?;
    let chance = Chance::seeded(options.seed ^ 0x5eed);
    let market = Market::new(chance.clone(), trace.clone());
    let replicas: Vec<_> = (0..REPLICAS)
        .map(|index| Replica::new(index, REPLICAS, folder.path(), (&market, &trace)))
        .collect();
    let mut sim = Builder::new()
        .rng_seed(options.seed)
        .tick_duration(TICK)
        .simulation_duration(END)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(LATENCY)
        .tcp_capacity(4_096)
        .enable_random_order()
        .build();
    for replica in &replicas {
        let replica = replica.clone();
        sim.host(replica.name.clone(), move || {
            let replica = replica.clone();
            async move {
                replica.run().await;
                Ok(())
            }
        });
    }
    sim.host(NODES, {
        let (market, trace) = (market.clone(), trace.clone());
        move || nodes(market.clone(), trace.clone())
    });
    let (healed, healing) = watch::channel(false);
    let verdict = Arc::new(Mutex::new(None));
    sim.client(
        CLIENTS,
        clients((market.clone(), trace.clone(), chance), healing, Arc::clone(&verdict)),
    );
    let mut stage = Stage::new(sim, replicas, market, trace.clone());
    let simulated = play(&mut stage, &plan, &healed, &verdict)?;
    let judged = verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
    let judgement = judged.ok_or_else(|| tool("the judge came to no end"))??;
    Ok(outcome(options.seed, &trace, simulated, (judgement, stage)))
}

type Verdict = Arc<Mutex<Option<Result<Judgement, ChaosError>>>>;

/// Lets time pass until the judge has judged; answers how much did.
fn play(
    stage: &mut Stage<'_>,
    plan: &Plan,
    healed: &watch::Sender<bool>,
    verdict: &Verdict,
) -> Result<Duration, ChaosError> {
    let mut faults = plan.faults.iter().peekable();
    loop {
        let now = stage.sim.elapsed();
        while let Some(fault) = faults.next_if(|fault| fault.from <= now) {
            stage.strike(fault);
        }
        if now >= plan.heals && !*healed.borrow() {
            stage.heal_all();
            healed.send_replace(true);
        }
        if verdict.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(now);
        }
        stage.step().map_err(tool)?;
    }
}

fn tool(problem: impl Into<String>) -> ChaosError {
    ChaosError::Tool { program: "simulation".to_owned(), problem: problem.into() }
}

fn outcome(
    seed: u64,
    trace: &Trace,
    simulated: Duration,
    (judgement, stage): (Judgement, Stage<'_>),
) -> SeedOutcome {
    let (faults, stopped) = stage.into_findings();
    let mut violations = judgement.violations;
    violations.extend(stopped);
    SeedOutcome {
        seed,
        trace: trace.hash(),
        simulated_ms: millis_of(simulated),
        calls: (judgement.writes, judgement.reads),
        machines: judgement.machines,
        faults,
        invariants: judgement.invariants,
        violations,
    }
}

/// The host of all nodes: an agent for each machine that runs.
async fn nodes(market: Market, trace: Trace) -> turmoil::Result {
    let clock = Clock::system();
    let options = AgentOptions {
        network: Arc::new(SimulatedNetwork::new(NODES, trace)),
        provider: "cloud".to_owned(),
        ..AgentOptions::new((0..REPLICAS).map(address).collect())
    };
    let agents = SimulatedAgents::start(
        options,
        Arc::default(),
        clock.clone(),
        Arc::new(OneThread),
        CancellationToken::new(),
    )?;
    loop {
        market.tend(&agents);
        clock.sleep(TEND_EVERY).await;
    }
}

/// The host of clients and judge.
async fn clients(
    (market, trace, chance): (Market, Trace, Chance),
    healed: watch::Receiver<bool>,
    verdict: Verdict,
) -> turmoil::Result {
    let host = Host {
        clock: Clock::system(),
        spawner: Arc::new(OneThread),
        network: Arc::new(SimulatedNetwork::new(CLIENTS, trace.clone())),
    };
    let client = |index| Ok((replica_host(index), host.client(&[address(index)])?));
    let replicas = (0..REPLICAS).map(client).collect::<Result<_, ChaosError>>()?;
    let judge = Judge { host: host.clone(), replicas, market, chance, trace, healed };
    let judged = judge.run().await;
    *verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
    Ok(())
}

impl Report for SeedOutcome {
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, text: String| vec![name.to_owned(), text];
        let (writes, reads) = self.calls;
        let mut rows = vec![
            row("trace", format!("{} of {} events", self.trace.0, self.trace.1)),
            row(
                "simulated",
                format!("{:.1} s", Duration::from_millis(self.simulated_ms).as_secs_f64()),
            ),
            row("calls", format!("{writes} writes, {reads} reads")),
            row("ledger", format!("{} entries", self.machines)),
        ];
        for (number, fault) in self.faults.iter().enumerate() {
            let FaultRecord { fault, targets, from_ms, .. } = fault;
            rows.push(row(
                &format!("fault {number}"),
                format!("{fault} of {targets:?} at {from_ms} ms"),
            ));
        }
        for record in &self.invariants {
            let verdict = format!("{:?}", record.verdict).to_lowercase();
            rows.push(row(&record.invariant, format!("{verdict}: {}", record.evidence)));
        }
        rows
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}
