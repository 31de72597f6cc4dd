use std::{collections::BTreeMap, fmt};

use navarch_proto::api::FleetEvent;
use serde::Serialize;

use super::{
    error::SimError,
    scenario::Scenario,
    snapshot::{Journal, Snapshot},
    stage::Stage,
    verdicts::{Verdict, Watched},
};

/// Between two looks, in milliseconds.
const LOOK_EVERY_MS: u64 = 1_000;
/// Points of a chart at most.
const SAMPLES: u64 = 600;
/// Events that a report shows at most; the first half of them and the last half.
const EXCERPT: usize = 300;

/// How a scenario was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In this process, on a clock that does not wait.
    Fast,
    /// Against a real group, in real time.
    Live,
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Fast => "fast",
            Self::Live => "live",
        })
    }
}

/// A scenario that was played.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Its name.
    pub scenario: String,
    /// What it shows.
    pub description: String,
    /// In which way.
    pub mode: Mode,
    /// What everything random was drawn from.
    pub seed: u64,
    /// How long it lasted, in milliseconds of its own time.
    pub duration_ms: u64,
    /// Whether every assertion held.
    pub passed: bool,
    /// What became of each assertion.
    pub assertions: Vec<Verdict>,
    /// Machines bought.
    pub machines_bought: u32,
    /// Dollars for the time that machines were had.
    pub dollars_spent: f64,
    /// Events in the journal.
    pub events: usize,
    /// BLAKE3 of the journal in fast mode, where the same file and seed give the same.
    pub journal_hash: Option<String>,
    /// What happened.
    pub timeline: Vec<Done>,
    /// The fleet over time.
    pub samples: Vec<Sample>,
    /// The journal, without what happens to every machine.
    pub journal: Vec<Line>,
    /// Lines that the journal has more than that.
    pub journal_left_out: usize,
}

/// A step that was carried out.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// Milliseconds after the start.
    pub at_ms: u64,
    /// What.
    pub step: String,
    /// What it came to; may be empty.
    pub result: String,
}

/// The fleet at one time.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Milliseconds after the start.
    pub at_ms: u64,
    /// By name.
    pub pools: BTreeMap<String, PoolSample>,
    /// So far.
    pub machines_bought: u32,
    /// So far.
    pub dollars_spent: f64,
}

/// A pool at one time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PoolSample {
    /// How many machines it should have.
    pub target: u32,
    /// How many run, boot or are ordered.
    pub size: u32,
    /// How many are healthy.
    pub healthy: u32,
    /// Mean GPU utilisation in percent, where any node tells.
    pub utilization: Option<f64>,
}

/// An event of the journal.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Milliseconds since the Unix epoch.
    pub time_ms: i64,
    /// What happened.
    pub kind: String,
    /// To what.
    pub subject: String,
    /// Who did it.
    pub actor: String,
    /// Why, and what changed.
    pub text: String,
}

/// Plays a scenario to its end. An assertion that fails ends nothing.
pub(super) async fn play(
    scenario: &Scenario,
    mode: Mode,
    stage: &mut dyn Stage,
) -> Result<Run, SimError> {
    let mut watched: Vec<_> = scenario.assertions.iter().cloned().map(Watched::new).collect();
    let mut marks = scenario.timeline.iter().peekable();
    let mut journal = Journal::default();
    let (mut timeline, mut samples) = (Vec::new(), Vec::new());
    let sample_every =
        (scenario.duration_ms / SAMPLES).next_multiple_of(LOOK_EVERY_MS).max(LOOK_EVERY_MS);
    let mut at_ms = 0;
    let last = loop {
        stage.pass_until(at_ms).await?;
        while let Some(mark) = marks.next_if(|mark| mark.at_ms <= at_ms) {
            let result = stage.perform(&mark.step).await?;
            timeline.push(Done { at_ms, step: mark.step.to_string(), result });
        }
        let now = stage.look().await?;
        journal.extend(stage.events_since(journal.last_index()).await?);
        watched.iter_mut().for_each(|one| one.look(at_ms, &now, &journal));
        if at_ms % sample_every == 0 || at_ms == scenario.duration_ms {
            samples.push(sample(at_ms, &now));
        }
        if at_ms >= scenario.duration_ms {
            break now;
        }
        at_ms = (at_ms + LOOK_EVERY_MS).min(scenario.duration_ms);
    };
    let assertions: Vec<_> = watched.iter().map(Watched::verdict).collect();
    let (excerpt, journal_left_out) = excerpt(&journal.events);
    Ok(Run {
        scenario: scenario.name.clone(),
        description: scenario.description.clone(),
        mode,
        seed: scenario.seed,
        duration_ms: scenario.duration_ms,
        passed: assertions.iter().all(|one| one.passed),
        assertions,
        machines_bought: last.bought,
        dollars_spent: last.spending,
        events: journal.events.len(),
        journal_hash: (mode == Mode::Fast).then(|| journal.hash()),
        timeline,
        samples,
        journal: excerpt,
        journal_left_out,
    })
}

fn sample(at_ms: u64, now: &Snapshot) -> Sample {
    let pools = now.pools.iter().map(|(name, look)| {
        let (target, size, healthy) = (look.target, look.size, look.healthy);
        (name.clone(), PoolSample { target, size, healthy, utilization: look.utilization })
    });
    Sample {
        at_ms,
        pools: pools.collect(),
        machines_bought: now.bought,
        dollars_spent: now.spending,
    }
}

/// What a person reads a journal for: not the four events that each machine has in any case.
fn excerpt(events: &[FleetEvent]) -> (Vec<Line>, usize) {
    const EVERY_MACHINE: [&str; 4] =
        ["instance-bought", "instance-running", "node-joined", "node-registered"];
    let told: Vec<_> =
        events.iter().filter(|event| !EVERY_MACHINE.contains(&event.kind.as_str())).collect();
    let left_out = told.len().saturating_sub(EXCERPT);
    let (first, last) = match left_out {
        0 => (told.as_slice(), &[][..]),
        _ => (&told[..EXCERPT / 2], &told[told.len() - EXCERPT / 2..]),
    };
    (first.iter().chain(last).map(|event| line(event)).collect(), left_out)
}

fn line(event: &FleetEvent) -> Line {
    let time = event.time.unwrap_or_default();
    let changes = event.changes.iter().map(|change| {
        let (field, before, after) = (&change.field, &change.before, &change.after);
        if before.is_empty() {
            format!("{field} {after}")
        } else {
            format!("{field} {before} \u{2192} {after}")
        }
    });
    let reason = Some(event.reason.clone()).filter(|reason| !reason.is_empty());
    let text: Vec<_> = reason.into_iter().chain(changes).collect();
    Line {
        time_ms: time.seconds * 1_000 + i64::from(time.nanos / 1_000_000),
        kind: event.kind.clone(),
        subject: event.subject.clone(),
        actor: event.actor.clone(),
        text: text.join("; "),
    }
}
