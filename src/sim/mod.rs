//! Simulated fleets: a scenario says what a fleet is, what happens to it and what must hold, and a run plays it.
//!
//! | file | holds |
//! |---|---|
//! | `read/` | from a file to a [`Scenario`], with every mistake and its place |
//! | `scenario`, `step`, `assertion` | what a scenario says |
//! | `shipped` | the scenarios that come with the program |
//! | `stage` | what a control plane under trial must be able to do |
//! | `scene`, `acts` | one replica's control plane in this process, on a fake clock |
//! | `cloud`, `bills` | simulated providers, and what they sold |
//! | `agents` | simulated agents |
//! | `run`, `snapshot`, `verdicts` | playing a scenario, looking at it, judging it |
//! | `live/` | the same against a real group, in real time |
//! | `report/` | a run as a page and as JSON |
//!
//! In fast mode nothing waits: time moves when everybody has done what was due, everything that is random is drawn
//! from the scenario's seed, and one thread does it all, so that the same file and seed give the same journal.

mod acts;
mod agents;
mod assertion;
mod bills;
mod cloud;
mod error;
mod live;
mod read;
mod report;
mod run;
mod scenario;
mod scene;
mod shipped;
mod snapshot;
mod stage;
mod step;
mod verdicts;

use navarch_host::Spawner;
use tokio::{runtime, sync::oneshot};

use self::scene::Scene;
pub use self::{
    error::SimError,
    live::{LiveOptions, run_live},
    read::{load, parse},
    report::write as write_report,
    run::{Done, Line, Mode, PoolSample, Run, Sample},
    scenario::Scenario,
    shipped::{Shipped, shipped},
    verdicts::Verdict,
};

/// Plays a scenario on the fake clock, on a thread of its own.
///
/// # Errors
///
/// If it cannot be played to its end; an assertion that fails is no error.
pub async fn run_fast(scenario: Scenario, spawner: &dyn Spawner) -> Result<Run, SimError> {
    let (tell, told) = oneshot::channel();
    let body = move || {
        // Nobody waits for a run that was given up on.
        let _ = tell.send(play_fast(&scenario));
    };
    spawner.thread("simulation", Box::new(body))?;
    told.await.unwrap_or(Err(SimError::Ended))
}

/// Without timers and sockets, and without other tasks: whatever wakes anything here is part of the scenario.
fn play_fast(scenario: &Scenario) -> Result<Run, SimError> {
    let runtime = runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let mut scene = Scene::start(scenario).await?;
        run::play(scenario, Mode::Fast, &mut scene).await
    })
}
