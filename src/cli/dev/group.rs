use std::{collections::BTreeSet, env, fs, path::Path, time::Duration};

use navarch_host::{Clock, Moment, TaskHandle};
use navarch_proto::api;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    child::{Keeper, Notice, log_tail},
    plan::{Plan, ReplicaPlan},
    view::{View, notice_line},
};
use crate::{
    cli::{failure::Failure, invocation::Invocation, status},
    client::{CallOptions, Client, ClientOptions, rpc::ListNodes},
};

/// The fake cloud's name among the processes.
const CLOUD: &str = "fake-cloud";

/// Notices that wait to be shown; a process that fails over and over must wait for its reader.
const NOTICES: usize = 64;

/// Between two looks while replicas start, and while the group runs.
const LOOK_WHILE_STARTING: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long one look may take.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// All processes of a group, each kept running.
pub(super) struct Group {
    plan: Plan,
    keepers: Vec<TaskHandle>,
    cloud: Option<TaskHandle>,
    notices: mpsc::Receiver<Notice>,
    stop: CancellationToken,
    cloud_stop: CancellationToken,
    /// A client of each replica alone, and one of all.
    each: Vec<(String, Client)>,
    all: Client,
}

impl Group {
    /// Starts the processes. The fake cloud outlives the replicas: they may still ask it while they stop.
    pub(super) fn start(
        plan: &Plan,
        restart_after: Duration,
        stop: &CancellationToken,
        invocation: &Invocation,
    ) -> Result<Self, Failure> {
        let program = env::current_exe()
            .map_err(|error| Failure::refused(format!("cannot find this program: {error}")))?;
        let (sender, notices) = mpsc::channel(NOTICES);
        let cloud_stop = CancellationToken::new();
        // Its replicas speak plain HTTP, whatever other groups do.
        let options = ClientOptions { ca_file: None, ..invocation.client_options() };
        let client = |endpoints: &[String]| {
            Client::new(endpoints, options.clone())
                .map_err(|error| Failure::refused(error.to_string()))
        };
        let mut keepers = Vec::new();
        let mut each = Vec::new();
        let keeper = |name: &str, arguments, pid_file| Keeper {
            name: name.to_owned(),
            program: program.clone(),
            arguments,
            log: plan.log(name),
            pid_file,
            restart_after,
            clock: invocation.clock.clone(),
        };
        let cloud = plan.has_cloud.then(|| {
            let cloud = keeper(CLOUD, cloud_arguments(plan), None);
            truncate_log(&cloud.log);
            let task = cloud.keep(cloud_stop.clone(), sender.clone());
            invocation.spawner.spawn("fake cloud", task)
        });
        for replica in &plan.replicas {
            let pid_file = Some(replica.data_dir.join("pid"));
            let keeper = keeper(&replica.name, replica_arguments(plan, replica), pid_file);
            truncate_log(&keeper.log);
            let task = keeper.keep(stop.clone(), sender.clone());
            keepers.push(invocation.spawner.spawn("replica", task));
            each.push((replica.name.clone(), client(&[replica.address()])?));
        }
        let addresses: Vec<_> = plan.replicas.iter().map(ReplicaPlan::address).collect();
        Ok(Self {
            plan: plan.clone(),
            keepers,
            cloud,
            notices,
            stop: stop.clone(),
            cloud_stop,
            each,
            all: client(&addresses)?,
        })
    }

    /// Shows the group until it is stopped, and leaves nothing running, whatever happens.
    pub(super) async fn run(
        mut self,
        mut view: View,
        started: Moment,
        invocation: &mut Invocation,
    ) -> Result<(), Failure> {
        let (clock, printer) = (invocation.clock.clone(), &mut invocation.printer);
        let mut tell = |line| printer.text(&view.news(line));
        let mut result = self.until_serving(&clock, &mut tell).await;
        if result.is_ok() && !self.stop.is_cancelled() {
            let took = invocation.clock.now().since(started).as_secs_f64();
            let line = format!("every replica serves after {took:.1} s; Ctrl-C stops all");
            result = show(&view.news(line), invocation);
        }
        if result.is_ok() {
            result = self.show_until_stopped(&mut view, invocation).await;
        }
        if result.is_ok() {
            result = invocation.printer.line("stopping");
        }
        self.stop_all(invocation).await;
        result?;
        invocation.printer.line("stopped; nothing is left running")
    }

    /// Waits until each replica answers a list that is up to date. A process that fails before fails all.
    pub(super) async fn until_serving(
        &mut self,
        clock: &Clock,
        tell: &mut (dyn FnMut(String) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        let mut waited_for: BTreeSet<_> = self.each.iter().map(|(name, _)| name.clone()).collect();
        while !waited_for.is_empty() {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                Some(notice) = self.notices.recv() => {
                    tell(notice_line(&notice))?;
                    self.fail_early(&notice, &waited_for)?;
                }
                serving = serving(&self.each, &waited_for) => {
                    for name in serving {
                        tell(format!("{name} serves"))?;
                        waited_for.remove(&name);
                    }
                    if !waited_for.is_empty() {
                        clock.sleep(LOOK_WHILE_STARTING).await;
                    }
                }
            }
        }
        Ok(())
    }

    fn fail_early(&self, notice: &Notice, waited_for: &BTreeSet<String>) -> Result<(), Failure> {
        let (name, why) = match notice {
            Notice::Started { .. } => return Ok(()),
            Notice::Unstartable { name, reason } => (name, format!("cannot be started: {reason}")),
            Notice::Ended { name, how, .. } => (name, how.clone()),
        };
        if name != CLOUD && !waited_for.contains(name) {
            return Ok(());
        }
        let log = self.plan.log(name);
        let message = format!("{name} {why} before the group served\n{}", log_tail(&log));
        Err(Failure::refused(message).help(format!("{} holds its whole log", log.display())))
    }

    async fn show_until_stopped(
        &mut self,
        view: &mut View,
        invocation: &mut Invocation,
    ) -> Result<(), Failure> {
        let options = CallOptions { prefer_leader: true, ..CallOptions::within(LOOK_LIMIT) };
        let mut next = invocation.clock.now();
        loop {
            let look = async {
                invocation.clock.sleep_until(next).await;
                status::look(&self.all, &options).await
            };
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                Some(notice) = self.notices.recv() => {
                    show(&view.news(notice_line(&notice)), invocation)?;
                }
                looked = look => {
                    let text = match looked {
                        Ok(overview) => view.looked(&overview, invocation.clock.wall_ms()),
                        Err(_) => view.unanswered(),
                    };
                    show(&text, invocation)?;
                    next = invocation.clock.now() + LOOK_EVERY;
                }
            }
        }
    }

    /// What happens to a process next.
    pub(super) async fn notice(&mut self) -> Option<Notice> {
        self.notices.recv().await
    }

    /// Stops the replicas, then the fake cloud, and waits for all.
    pub(super) async fn stop_all(self, invocation: &Invocation) {
        self.stop.cancel();
        let mut notices = self.notices;
        let drain = invocation
            .spawner
            .spawn("notices", async move { while notices.recv().await.is_some() {} });
        for keeper in self.keepers {
            keeper.join().await;
        }
        self.cloud_stop.cancel();
        if let Some(cloud) = self.cloud {
            cloud.join().await;
        }
        drain.abort();
    }
}

/// Which of the replicas that are waited for answer by themselves.
async fn serving(each: &[(String, Client)], waited_for: &BTreeSet<String>) -> Vec<String> {
    let options = CallOptions::within(LOOK_LIMIT);
    let asked = each.iter().filter(|(name, _)| waited_for.contains(name));
    let answers = asked.map(|(name, client)| {
        let options = options.clone();
        async move {
            let request = api::ListNodesRequest { page_size: 1, ..Default::default() };
            let answer = client.call::<ListNodes>(request, &options).await;
            answer.is_ok().then(|| name.clone())
        }
    });
    let answers = futures::future::join_all(answers).await;
    answers.into_iter().flatten().collect()
}

fn replica_arguments(plan: &Plan, replica: &ReplicaPlan) -> Vec<String> {
    let config = plan.config_file(replica);
    ["server", "--exit-with-parent", "--config", &config.to_string_lossy()]
        .map(str::to_owned)
        .into()
}

fn cloud_arguments(plan: &Plan) -> Vec<String> {
    let ledger = plan.ledger();
    let mut arguments: Vec<_> = [
        CLOUD,
        "--exit-with-parent",
        "--listen",
        &plan.cloud_address(),
        "--ledger",
        &ledger.to_string_lossy(),
        "--agents-to",
        &plan.servers(),
    ]
    .map(str::to_owned)
    .into();
    arguments.extend(plan.cloud_arguments.iter().cloned());
    arguments
}

/// Logs are of this run; those of restarted processes go on in one file.
fn truncate_log(path: &Path) {
    // Where there is no log there is nothing to truncate; where it cannot be, starting the process says so.
    let _ = fs::write(path, "");
}

fn show(text: &str, invocation: &mut Invocation) -> Result<(), Failure> {
    invocation.printer.text(text)
}
