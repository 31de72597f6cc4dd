//! A replica inside another program: with an autoscaler, figures, a provider, a workload system and observers of its own,
//! and the fleet's time on a clock that the program moves. `cargo run --example embedded` plays more than
//! an hour of a pool's life in seconds, says what happens, and ends with an error if anything else does.
//!
//! | file | holds |
//! |---|---|
//! | `main` | the composition, and the story |
//! | `backlog` | a `MetricsSource`, and an `Autoscaler` that goes by it |
//! | `racks` | a `Provider` |
//! | `scheduler` | a `Notifier` |
//! | `diary` | a `NodeHealthObserver` that is an `InstanceObserver` too |
//! | `house` | agents on the machines, calling the replica over its port as real ones do |
//! | `fleet.yaml` | the configuration |

mod backlog;
mod diary;
mod house;
mod racks;
mod scheduler;

use std::{error::Error, sync::Arc, time::Duration};

use navarch::{
    config,
    host::{Clock, FakeClock},
    proto::api::PoolInfo,
    server::{Options, Plugins, Server},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backlog::{Backlog, Jobs},
    diary::Diary,
    house::House,
    racks::Racks,
    scheduler::Scheduler,
};

/// Monday, 2 March 2026, 06:00 UTC.
const START_MS: u64 = 1_772_431_200_000;
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let data_dir = tempfile::tempdir()?;
    let time = FakeClock::new(START_MS);
    let (jobs, racks, diary) = (Jobs::default(), Arc::<Racks>::default(), Diary::default());
    let scheduler = Scheduler::default();

    let mut options = Options::new(config::parse(include_str!("fleet.yaml"), "fleet.yaml")?);
    options.data_dir = Some(data_dir.path().to_owned());
    options.bootstrap = true;
    options.plugins = Plugins::default()
        .clock(Clock::fake(Arc::clone(&time)))
        .provider("racks", Arc::clone(&racks) as _)
        .metrics_source(Arc::new(jobs.clone()))
        .autoscaler("training", Arc::new(Backlog))
        .notifier(Arc::new(scheduler.clone()))
        .health_observer(Arc::new(diary.clone()))
        .instance_observer(Arc::new(diary.clone()));

    let server = Server::start(options).await?;
    let mut house = House::new(time, racks, server.address())?;
    let stop = CancellationToken::new();
    let story = async {
        let told = tell(&mut house, &jobs, &diary).await;
        stop.cancel();
        told
    };
    let (told, served) = tokio::join!(story, server.serve(stop.clone()));
    told?;
    served?;
    assert!(scheduler.drained("rack-1"), "nothing is given back with work on it");
    Ok(())
}

/// What happens, in order; each line states the fleet's time that it took.
async fn tell(house: &mut House, jobs: &Jobs, diary: &Diary) -> Result<(), Box<dyn Error>> {
    house.opened().await?;
    house.mute("rack-3");
    let one = |_: &House, pool: &PoolInfo| pool.running == 1;
    house.until("the minimum of one machine runs", 10 * MINUTE, one).await?;

    jobs.set(35);
    house.until("35 jobs: the target is 5", 5 * MINUTE, |_, pool| pool.target == 5).await?;
    house.until("four more are bought", 5 * MINUTE, |house, _| house.machines() == 5).await?;
    let explained = house.explain().await?;
    println!("      explain: {}", explained.summary);
    let decided = "x-backlog: 35 jobs: 1 to 5";
    let told = explained.events.iter().any(|event| event.reason == decided);
    assert!(told, "not in the journal: {decided}; {:?}", explained.events);
    assert_eq!(explained.reproduced, Some(true), "the same figures give the same decision");

    house.report_xid("rack-1", 79).await?;
    let unhealthy = "rack-1 went from healthy to unhealthy";
    house.until("an XID is told", 5 * MINUTE, |_, _| diary.has(unhealthy)).await?;
    let stale = "rack-3 is stale";
    house.until("no agent came up", 20 * MINUTE, |_, _| diary.has(stale)).await?;
    house.until("another is bought", 5 * MINUTE, |_, pool| pool.running == 5).await?;

    jobs.set(0);
    let cools = |_: &House, pool: &PoolInfo| pool.reason.starts_with("x-backlog: cooling down");
    house.until("no jobs, and it cools down", 5 * MINUTE, cools).await?;
    let pool = house.pool().await?;
    println!("      reason: {}", pool.reason);
    assert_eq!(pool.target, 5, "a cooldown holds an autoscaler of one's own as well");

    let rested = |_: &House, pool: &PoolInfo| pool.target == 1;
    house.until("the hour is over: the target is 1", 61 * MINUTE, rested).await?;
    house.until("four are given back", 10 * MINUTE, |house, _| house.machines() == 1).await?;
    assert!(!house.runs("rack-1"), "the unhealthy one goes first");
    Ok(())
}
