use std::{
    collections::{BTreeMap, BTreeSet},
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use clap::Args;
use navarch::config::parse_duration;
use navarch_proto::{api, frame};
use serde::Serialize;

use super::progress;
use crate::{
    error::ChaosError,
    host::Host,
    proc::{Agents, Exchange, FleetFile, Group, GroupOptions},
    report::Report,
    wait::until,
};

/// How long the first events may take, from the start of the agents.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long all events may take after the cut: agents that were away for long try about once a minute.
const HEAL_LIMIT: Duration = Duration::from_secs(240);
/// The method that carries events.
const REPORT_HEALTH: &str = "/navarch.ControlPlaneService/ReportHealth";
/// Events of each node before the cut.
const BEFORE: u32 = 3;

/// `navarch-chaos outbox`
#[derive(Args, Clone, Copy, Debug)]
pub struct OutboxOptions {
    /// Agents, each a process
    #[arg(long, default_value_t = 2)]
    pub agents: usize,
    /// How long they are cut off from all replicas
    #[arg(long, default_value = "10m", value_parser = parse_duration)]
    pub cut: Duration,
    /// XIDs that each node has meanwhile, spread over the time
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    pub events: u32,
    /// How often each agent is killed with -9 meanwhile; each time it is away for a part of the time
    #[arg(long, default_value_t = 3)]
    pub kills: u32,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OutboxReport {
    /// Agents.
    pub agents: usize,
    /// How long they were cut off, seconds.
    pub cut_s: f64,
    /// How often they were killed, all together.
    pub kills: u32,
    /// XIDs that were written to the kernel logs.
    pub written: usize,
    /// Those of which a report was acknowledged.
    pub acknowledged: usize,
    /// Those of which more than one report was acknowledged, under the same id.
    pub repeated: usize,
    /// How long after the cut the last one was acknowledged, seconds.
    pub delivered_after_s: f64,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Node and mark of an XID, with the ids under which it was acknowledged, once for each report.
type Acknowledged = BTreeMap<(String, String), Vec<String>>;

#[derive(Default)]
struct Seen(Mutex<Acknowledged>);

/// Cuts agents off, kills them meanwhile, and reads from what went through which events the group acknowledged.
///
/// # Errors
///
/// If the run cannot be carried out.
pub async fn outbox(
    host: &Host,
    group: GroupOptions,
    options: OutboxOptions,
) -> Result<OutboxReport, ChaosError> {
    let program = group.program.clone();
    let server = ["heartbeat_interval: 1s", "heartbeat_timeout: 24h", "health_check_interval: 5s"];
    let fleet = FleetFile { server: server.map(str::to_owned).into(), sections: String::new() };
    let group = Group::start(host, GroupOptions { fleet, ..group }).await?;
    let arguments = |directory: &Path| {
        let log = kernel_log(directory).display().to_string();
        ["--fake-gpus", "8", "--kmsg", &log].map(str::to_owned).into()
    };
    let seen = Arc::new(Seen::default());
    let witness = {
        let seen = Arc::clone(&seen);
        Arc::new(move |exchange| seen.note(&exchange))
    };
    let count = options.agents;
    let mut agents = Agents::lay_out(host, (&group, &program), count, witness, arguments).await?;
    let mut written = BTreeSet::new();
    for agent in agents.all() {
        append(&agent.directory, "")?;
    }
    agents.start()?;
    begin(host, &agents, (&mut written, &seen)).await?;
    agents.cut(true);
    strike(host, &mut agents, options, &mut written).await?;
    agents.start()?;
    agents.cut(false);
    let healed = host.clock.now();
    let all = until(host, "the acknowledgement of all events", HEAL_LIMIT, || {
        let missing = seen.missing(&written).len();
        std::future::ready(if missing == 0 { Ok(()) } else { Err(format!("{missing} missing")) })
    });
    // What is missing then is told as such.
    let _ = all.await;
    let delivered_after = host.clock.now().since(healed);
    let mut report = judged(&written, &seen.lock());
    report.agents = options.agents;
    report.cut_s = options.cut.as_secs_f64();
    report.kills = options.kills * u32::try_from(options.agents).unwrap_or(u32::MAX);
    report.delivered_after_s = delivered_after.as_secs_f64();
    Ok(report)
}

fn kernel_log(directory: &Path) -> PathBuf {
    directory.join("kmsg")
}

fn append(directory: &Path, text: &str) -> Result<(), ChaosError> {
    let file = OpenOptions::new().create(true).append(true).open(kernel_log(directory));
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(ChaosError::system("write a kernel log"))
}

/// Writes XID `number` of a node's life to its log, as the driver would.
fn happen(
    (node, directory): (&str, &Path),
    number: u32,
    written: &mut BTreeSet<(String, String)>,
) -> Result<(), ChaosError> {
    let (code, bus) = ([31, 43, 63, 94][number as usize % 4], number % 8 + 1);
    let mark = format!("pid={}", 10_000 + number);
    let line = format!(
        "4,{number},{number}000,-;NVRM: Xid (PCI:0000:{bus:02x}:00): {code}, {mark}, name=job, Ch 00000008\n"
    );
    // Between XIDs others write to the log, too.
    append(directory, &format!("6,{number},{number}000,-;usb 1-1: new device\n{line}"))?;
    written.insert((node.to_owned(), mark));
    Ok(())
}

/// The first events, which show that all are heard: an agent that is new to a log begins at its end.
async fn begin(
    host: &Host,
    agents: &Agents,
    (written, seen): (&mut BTreeSet<(String, String)>, &Seen),
) -> Result<(), ChaosError> {
    for agent in agents.all() {
        let queue = agent.directory.join("state/events.queue");
        until(host, "the watch of a kernel log", START_LIMIT, || {
            let begun = queue.metadata().is_ok_and(|queue| queue.len() > 0);
            std::future::ready(if begun { Ok(()) } else { Err("not begun".to_owned()) })
        })
        .await?;
        for number in 0..BEFORE {
            happen((&agent.node_id, &agent.directory), number, written)?;
        }
    }
    let written = &*written;
    until(host, "the first events", START_LIMIT, || {
        let missing = seen.missing(written).len();
        std::future::ready(if missing == 0 { Ok(()) } else { Err(format!("{missing} missing")) })
    })
    .await
}

/// The time of the cut: events happen throughout, and each agent dies and comes back.
async fn strike(
    host: &Host,
    agents: &mut Agents,
    options: OutboxOptions,
    written: &mut BTreeSet<(String, String)>,
) -> Result<(), ChaosError> {
    let began = host.clock.now();
    // Each round of a life: three parts alive, one part dead.
    let round = options.events.div_ceil(options.kills + 1).max(1);
    for number in 0..options.events {
        host.clock.sleep_until(began + options.cut * number / options.events).await;
        let (step, of_round) = (number / round, number % round);
        for agent in agents.all_mut() {
            let dies = step < options.kills && of_round == round * 3 / 4;
            if dies && agent.process.id().is_some() {
                agent.process.kill().await?;
            }
            if of_round == 0 && agent.process.id().is_none() {
                agent.process.start()?;
            }
            happen((&agent.node_id, &agent.directory), BEFORE + number, written)?;
        }
        if of_round == 0 {
            progress::say(number as usize, options.events as usize, "events of each node");
        }
    }
    host.clock.sleep_until(began + options.cut).await;
    Ok(())
}

impl Seen {
    fn note(&self, exchange: &Exchange) {
        if exchange.path != REPORT_HEALTH || !exchange.accepted {
            return;
        }
        let Ok(report) = frame::decode::<api::ReportHealthRequest>(exchange.request.clone()) else {
            return;
        };
        let mut seen = self.lock();
        for event in report.events {
            let mark = event.message.split([' ', ',']).find(|word| word.starts_with("pid="));
            let key = (report.node_id.clone(), mark.unwrap_or("no mark").to_owned());
            seen.entry(key).or_default().push(event.event_id);
        }
    }

    fn missing(&self, written: &BTreeSet<(String, String)>) -> Vec<(String, String)> {
        let seen = self.lock();
        written.iter().filter(|key| !seen.contains_key(*key)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Acknowledged> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn judged(written: &BTreeSet<(String, String)>, seen: &Acknowledged) -> OutboxReport {
    let mut report = OutboxReport { written: written.len(), ..OutboxReport::default() };
    let mut owners: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for key @ (node, mark) in written {
        let Some(ids) = seen.get(key) else {
            report.violations.push(format!("the XID {mark} of {node} was never acknowledged"));
            continue;
        };
        report.acknowledged += 1;
        report.repeated += usize::from(ids.len() > 1);
        let distinct: BTreeSet<_> = ids.iter().map(String::as_str).collect();
        if distinct.len() != 1 || distinct.contains("") {
            report.violations.push(format!("the XID {mark} of {node} has the ids {distinct:?}"));
        }
        for id in distinct {
            if let Some(other) = owners.insert((node, id), mark) {
                let both = format!("the XIDs {other} and {mark} of {node} share the id {id}");
                report.violations.push(both);
            }
        }
    }
    let strangers = seen.keys().filter(|key| !written.contains(*key));
    let strange = |(node, mark): &(String, String)| {
        format!("{node} told of an XID that it never had: {mark}")
    };
    report.violations.extend(strangers.map(strange));
    report
}

impl Report for OutboxReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        vec![
            row("agents", self.agents.to_string()),
            row("cut off for", format!("{:.0} s", self.cut_s)),
            row("agents killed with -9 meanwhile", self.kills.to_string()),
            row("XIDs in the kernel logs", self.written.to_string()),
            row("acknowledged by the group, by id", self.acknowledged.to_string()),
            row("acknowledged more than once", self.repeated.to_string()),
            row("last one after the cut", format!("{:.1} s", self.delivered_after_s)),
        ]
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a lost event, or one under two ids, would pass.
    #[test]
    fn anything_but_one_id_for_each_is_a_violation() {
        let key = |mark: &str| ("n".to_owned(), mark.to_owned());
        let written: BTreeSet<_> = ["pid=1", "pid=2", "pid=3", "pid=4"].map(key).into();
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let good = |mark: &str| (key(mark), ids(&[mark]));
        let mut seen: Acknowledged = ["pid=1", "pid=2", "pid=3", "pid=4"].map(good).into();
        seen.insert(key("pid=2"), ids(&["pid=2", "pid=2"]));
        let report = judged(&written, &seen);
        assert_eq!((report.acknowledged, report.repeated, report.violations), (4, 1, vec![]));
        seen.remove(&key("pid=1"));
        seen.insert(key("pid=2"), ids(&["a", "b"]));
        seen.insert(key("pid=3"), ids(&["pid=4"]));
        seen.insert(key("pid=9"), ids(&["pid=9"]));
        assert_eq!(judged(&written, &seen).violations.len(), 4);
    }
}
