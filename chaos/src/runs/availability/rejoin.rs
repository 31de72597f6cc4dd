use std::{fs, path::Path, time::Duration};

use super::Run;
use crate::{
    error::ChaosError,
    host::Host,
    load::{Snapshots, Stream, Updates},
    proc::Group,
    record::{FaultRecord, Injection, InvariantRecord, RejoinRecord, RunRecord, Verdict},
    report::{Spread, millis_of},
    runs::progress,
    wait::until,
};

/// How long anything may take that is waited for.
const LIMIT: Duration = Duration::from_secs(120);

/// Clients that register the fleet.
const CLIENTS: usize = 64;

/// How long is written at most until the leader has written a snapshot: then a replica without a disk is sent that, and
/// not the whole log.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(180);

impl Run<'_> {
    /// Wipes a replica of a group with so many nodes, again and again, and measures how long it takes until it serves.
    pub(super) async fn rejoin(&mut self, nodes: usize) -> Result<(), ChaosError> {
        let name = format!("rejoin-{nodes}");
        let (host, rejoins) = (self.host, self.options.rejoins);
        let started = host.clock.now();
        let mut record = RunRecord {
            run: "availability".to_owned(),
            command: format!(
                "navarch-chaos availability --count 0 --rejoin {nodes} --rejoins {rejoins}"
            ),
            started_unix_ms: host.clock.wall_ms(),
            ..self.build.record()
        };
        let mut group = Group::start(host, self.group_in(&name)).await?;
        record.name = name;
        let nodes = fill(host, &group, nodes).await?;
        let (mut took, mut snapshot_bytes) = (Vec::new(), 0);
        for turn in 1..=rejoins {
            let victim = (group.leader(LIMIT).await? + 1) % group.len();
            let begun = host.clock.now();
            let waited = wipe(host, &mut group, victim).await?;
            snapshot_bytes = largest_file(&group.data_dir(victim).join("snapshots"));
            took.push(waited);
            record.faults.push(FaultRecord {
                fault: "wiped-replica".to_owned(),
                targets: vec![group.name(victim).to_owned()],
                from_ms: millis_of(begun.since(started)),
                until_ms: Some(millis_of(host.clock.now().since(started))),
                injection: Injection::Injected,
                why: String::new(),
            });
            progress::say(turn, rejoins, &format!("{}: {waited:.1?}", record.name));
        }
        let took = Spread::of(&took);
        let verdict = if took.count == 0 { Verdict::Unknown } else { Verdict::Held };
        record.invariants.push(InvariantRecord {
            invariant: "wiped-replica-rejoins".to_owned(),
            verdict,
            checked: took.count as u64,
            evidence: format!("each came back as a new voter: {}", took.words()),
        });
        record.rejoin.push(RejoinRecord { nodes, snapshot_bytes, took });
        self.end(record, started)
    }
}

/// Registers so many nodes at least, and writes on until the leader has a snapshot of them; answers how many there are.
async fn fill(host: &Host, group: &Group, nodes: usize) -> Result<u64, ChaosError> {
    let stream = Stream::start(host, group, CLIENTS)?;
    let mut registered = 0;
    while registered < nodes {
        host.clock.sleep(Duration::from_millis(5)).await;
        registered += stream.take().writes.len();
    }
    registered += stream.stop().await.writes.len();
    let snapshots = Snapshots::watch(host, group);
    let updates = Updates::start(host, group, CLIENTS)?;
    let written = until(host, "a snapshot of every replica", SNAPSHOT_WITHIN, || {
        let finished = snapshots.finished();
        let all = finished >= group.len();
        std::future::ready(if all { Ok(()) } else { Err(format!("{finished} were written")) })
    });
    let written = written.await;
    updates.stop().await?;
    snapshots.stop().await;
    written.map(|()| (registered + CLIENTS) as u64)
}

/// Takes the disk of a replica away; from its next start until it serves as a new voter.
async fn wipe(host: &Host, group: &mut Group, victim: usize) -> Result<Duration, ChaosError> {
    group.kill(victim).await?;
    group.wipe(victim)?;
    group.let_go(victim, LIMIT).await?;
    let started = host.clock.now();
    group.start_replica(victim)?;
    if let Err(error) = group.take_in(victim, LIMIT).await {
        // One that has ended tells more of it than whoever waited for it.
        group.check_running()?;
        return Err(error);
    }
    Ok(host.clock.now().since(started))
}

/// Size of the largest file in `directory`, bytes; 0 if there is none.
fn largest_file(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| entry.metadata().ok().map(|metadata| metadata.len()));
    sizes.max().unwrap_or(0)
}
