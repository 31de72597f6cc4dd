//! A group of real processes: killed, stopped, wiped, cut off, grown and shrunk, while clients call it.
//!
//! | module | what is shown |
//! |---|---|
//! | `failover` | nothing acknowledged is lost, done twice or read stale; a leader that stops hands over |
//! | `formation` | replicas killed while they form a group end as one |
//! | `agents` | real agents execute each command once while answers are lost, and deliver what they saw when cut off and killed |
//! | `membership` | a wiped replica comes back under a new id; three become five and three again |
//! | `browser` | the journal as server-sent events |
//! | `cut_off` | a replica without a majority says so, and answers stale reads |
//! | `cutoff` | part of a pool falls silent: losses and replacements stop at the breaker |
//! | `durability` | acknowledged writes were synced on a majority before |
//! | `peers` | clients that nobody here wrote register at one replica and read from the others |
//! | `wire` | errors and deadlines are the contract's at every replica |
//! | `steps` | leaders die in the middle of their work: nothing is bought twice, leaked, or ended for no reason |
//! | `tls` | a group whose public ports speak TLS alone |
//! | `queue` | a pool follows the queue that is reported of it, over a change of leader too |
//! | `gpus` | GPUs that were given up on are listed, and let back for good |
//! | `health` | rules count over a change of leader; a policy holds at once everywhere, a bad one nowhere |
//! | `leaders` | no node that beats is lost, and observers miss nothing, whatever happens to leaders |
//! | `pools` | pools come to their minimum and back to it, and go with their machines; the journal says who and why |
//! | `workloads` | a workload system is told of drains, cordons and health, and may refuse a drain |
//! | `live` | a scenario holds over a change of leader, leaves nothing, and takes nobody's fleet |
//! | `restore` | a fleet restored from a snapshot stands still, takes up what it does not know, and goes on |
//! | `scenarios` | faults composed, and power cuts: every invariant holds, and disks that lie are found out |
//!
//! `navarch-chaos` has the long forms.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod agents;
mod browser;
mod cut_off;
mod cutoff;
mod durability;
mod failover;
mod formation;
mod gpus;
mod health;
mod leaders;
mod live;
mod membership;
mod peers;
mod pools;
mod queue;
mod restore;
mod scenarios;
mod steps;
mod tls;
mod wire;
mod workloads;

use std::{io::Write as _, time::Duration};

use navarch_chaos::{Host, proc::GroupOptions};
use tokio::sync::{Mutex, MutexGuard};

/// How long anything may take that is waited for: far above what it takes, for machines are busy.
const LIMIT: Duration = Duration::from_secs(60);

/// Groups would take the processor from each other, and elect for lack of it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A test's turn, and the machine for it.
struct Turn {
    host: Host,
    _turn: MutexGuard<'static, ()>,
}

impl Turn {
    async fn take() -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        Self { host: Host::system(), _turn: turn }
    }
}

/// Three replicas of the program under test.
fn group() -> GroupOptions {
    GroupOptions::new(env!("CARGO_BIN_EXE_navarch").into())
}

/// Says that a test was not made, past the test harness, which would swallow it.
fn skip(reason: &str) {
    // Where stderr is closed nobody reads it.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
}
