//! The `navarch-chaos` binary: faults for a group of real processes, and what came of them.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use mimalloc::MiMalloc;
use navarch_chaos::{
    ChaosError, Host,
    etcd::{etcd_program, find_etcd},
    page,
    proc::{GroupOptions, navarch_program},
    report::{self, Format, Report},
    runs, scenario,
    sim::SeedOptions,
    strace::find_strace,
};
use tokio::runtime;

/// Simulated replicas run in this program, on the allocator that the real ones have.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What a run that found a violation, or that failed, ends with.
const BAD: u8 = 1;

/// Strikes a group of Navarch replicas on this machine and checks what became of it.
#[derive(Debug, Parser)]
#[command(name = "navarch-chaos", version)]
struct Arguments {
    #[command(flatten)]
    global: GlobalArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Args)]
struct GlobalArguments {
    /// How the report is written
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Format,
    /// The program under test [default: `navarch` beside this one]
    #[arg(long, global = true, value_name = "FILE")]
    navarch: Option<PathBuf>,
    /// Where the group lies, on the disk that is to be tried [default: a temporary directory]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Replicas of the group
    #[arg(long, global = true, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    replicas: u8,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Run the real control plane in simulated time, for many seeds: each is a group under load and faults of its own, healed and judged
    Sim(runs::SimOptions),
    /// Write one page, and a short form, of what all runs left in a folder
    Report(page::PageOptions),
    /// Tell which faults and invariants the runs have seen whose records lie in a folder
    Coverage {
        /// The folder
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Judge a history that a run has written with --history
    Recheck {
        /// The history
        file: PathBuf,
    },
    #[command(flatten)]
    Strike(Strike),
}

/// Runs with a program under test.
#[derive(Clone, Debug, Subcommand)]
enum Strike {
    /// Kill leaders, or others, with -9 while clients write and read; nothing acknowledged may be lost, done twice or read stale
    Kills(runs::KillsOptions),
    /// Measure how long clients wait after each kind of fault, and what is told of it from inside; beside etcd where asked for
    Availability(runs::AvailabilityOptions),
    /// Have replicas lose power under load, so that only synced bytes survive; nothing acknowledged may be lost, and none may refuse to start
    PowerLoss(runs::PowerLossOptions),
    /// Perform scenario files: faults composed, under load, and judged by every invariant that they could break
    Scenario(scenario::ScenarioOptions),
    /// Kill replicas at random while they form a group
    Formation {
        /// Kills
        #[arg(long, default_value_t = 50)]
        kills: usize,
    },
    /// Compare durable writes with three replicas of etcd 3.5 in the same run
    Etcd {
        /// The etcd program [default: on the path, or in target/peers]
        #[arg(long, value_name = "FILE", value_parser = etcd_program)]
        etcd: Option<PathBuf>,
        /// Clients of each round
        #[arg(long, default_value = "1,64,256", value_delimiter = ',')]
        clients: Vec<usize>,
        /// How long each side writes in a round
        #[arg(long, default_value = "10s", value_parser = duration)]
        duration: Duration,
        /// Rounds for each number of clients
        #[arg(long, default_value_t = 1)]
        rounds: usize,
        /// Fail where the figures are below what Navarch claims
        #[arg(long)]
        judge: bool,
    },
    /// Hold a large fleet: its heartbeats, memory a node, time to come back after SIGKILL, and what a snapshot does to writes
    Fleet {
        /// Nodes of 8 GPUs
        #[arg(long, default_value_t = 130_000)]
        nodes: usize,
        /// Between two beats of a node
        #[arg(long, default_value = "10s", value_parser = duration)]
        interval: Duration,
        /// How long they beat, and how long is written at most until each replica has written a snapshot
        #[arg(long, default_value = "60s", value_parser = duration)]
        duration: Duration,
        /// Clients that write meanwhile
        #[arg(long, default_value_t = 16)]
        clients: usize,
        /// Fail where the figures are below what Navarch claims
        #[arg(long)]
        judge: bool,
    },
    /// Count the elections of a group that nothing happens to
    Rest(runs::RestOptions),
    /// Have leaders die at every step of every controller, while the cloud answers ambiguously; nothing may be bought twice, leaked, or ended for no reason
    Steps {
        /// Crash points at most [default: all that are passed]
        #[arg(long)]
        points: Option<usize>,
        /// How long points that nobody has passed yet are waited for
        #[arg(long, default_value = "10m", value_parser = duration)]
        limit: Duration,
        /// How long leaders are killed at random afterwards
        #[arg(long, default_value = "1m", value_parser = duration)]
        random: Duration,
    },
    /// Have agents carry commands out while half of all answers to them are lost; each must be executed once and its result recorded
    Commands(runs::CommandsOptions),
    /// Cut agents off and kill them with -9 meanwhile; every health event that they saw must be acknowledged in the end
    Outbox(runs::OutboxOptions),
    /// Ask for many machines at once of a provider that is slow to answer
    Orders(runs::OrdersOptions),
    /// Freeze and kill leaders under nodes that beat; none of them may be declared lost
    Leaders(runs::LeadersOptions),
    /// Kill leaders while nodes fall ill and are cleared; whoever observes is told of every change
    Observers(runs::ObserversOptions),
    /// Watch the journal: one that resumes far back, and many while others write
    Watchers(runs::WatchersOptions),
    /// Cut part of a pool's agents off, and let them come back; replacements keep to the budget and stop at the breaker
    Cutoff(runs::CutoffOptions),
    /// Cut all agents of a large fleet off, and let them come back; nobody is lost, and the return is no rush
    Silence(runs::SilenceOptions),
    /// Have nodes beat whose clocks are wrong, through a failover; none of them may be declared lost
    Clocks(runs::ClocksOptions),
    /// Run a program with planted bugs (built with --features planted-bugs); each must be found by the invariant that should find it
    Mutants(runs::MutantsOptions),
    /// Trace system calls: each acknowledged write must have been synced on a majority
    Durability {
        /// Writes of one client
        #[arg(long, default_value_t = 100)]
        writes: usize,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One thread costs a load generator the least for each call, as in `navarch bench`.
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(carry_out(arguments)),
        Err(source) => Err(ChaosError::System { what: "start".to_owned(), source }),
    };
    result.unwrap_or_else(|error| {
        complain(&format!("error: {error}"));
        ExitCode::from(BAD)
    })
}

/// Runs until it is over or somebody presses Ctrl-C; either way everything that was started ends.
async fn carry_out(arguments: Arguments) -> Result<ExitCode, ChaosError> {
    tokio::select! {
        done = run(arguments) => done,
        interrupted = tokio::signal::ctrl_c() => {
            let what = "wait for Ctrl-C".to_owned();
            interrupted.map_err(|source| ChaosError::System { what, source })?;
            complain("interrupted");
            Ok(ExitCode::from(130))
        }
    }
}

async fn run(Arguments { global, command }: Arguments) -> Result<ExitCode, ChaosError> {
    let (host, format) = (Host::system(), global.output);
    match command {
        Command::Sim(options) => simulate(&host, options, format).await,
        Command::Report(options) => print(&page::write_page(&options)?).map(|()| ExitCode::SUCCESS),
        Command::Coverage { directory } => tell(&scenario::coverage(&directory)?, format),
        Command::Recheck { file } => tell(&runs::recheck(&file)?, format),
        Command::Strike(run) => strike(&host, global, run).await,
    }
}

async fn strike(host: &Host, global: GlobalArguments, run: Strike) -> Result<ExitCode, ChaosError> {
    let group = GroupOptions {
        directory: global.data_dir,
        replicas: usize::from(global.replicas),
        ..GroupOptions::new(navarch_program(global.navarch)?)
    };
    let format = global.output;
    match run {
        Strike::Kills(options) => tell(&runs::kills(host, group, options).await?, format),
        Strike::Availability(options) => {
            tell(&runs::availability(host, group, options).await?, format)
        }
        Strike::Formation { kills } => {
            let options = runs::FormationOptions { kills };
            tell(&runs::formation(host, group, options).await?, format)
        }
        Strike::Etcd { etcd, clients, duration, rounds, judge } => {
            let Some(program) = find_etcd(etcd) else {
                let remedy = "run tests/peers/install.sh, or name it with --etcd";
                return Ok(skip(&format!("etcd is not installed; {remedy}")));
            };
            let options = runs::EtcdOptions { program, clients, duration, rounds, judge };
            tell(&runs::etcd(host, group, options).await?, format)
        }
        Strike::Fleet { nodes, interval, duration, clients, judge } => {
            let options = runs::FleetOptions { nodes, interval, duration, clients, judge };
            tell(&runs::fleet(host, group, options).await?, format)
        }
        Strike::Steps { points, limit, random } => {
            let options = runs::StepsOptions { points, limit, random };
            tell(&runs::steps(host, group, options).await?, format)
        }
        Strike::Clocks(options) => tell(&runs::clocks(host, group, options).await?, format),
        Strike::Mutants(options) => tell(&runs::mutants(host, group, options).await?, format),
        Strike::Scenario(options) => tell(&scenario::suite(host, group, options).await?, format),
        Strike::PowerLoss(options) => {
            tell_or_skip(runs::power_loss(host, group, options).await?, format)
        }
        Strike::Commands(options) => tell(&runs::commands(host, group, options).await?, format),
        Strike::Outbox(options) => tell(&runs::outbox(host, group, options).await?, format),
        Strike::Orders(options) => tell(&runs::orders(host, group, options).await?, format),
        Strike::Leaders(options) => tell(&runs::leaders(host, group, options).await?, format),
        Strike::Observers(options) => tell(&runs::observers(host, group, options).await?, format),
        Strike::Watchers(options) => tell(&runs::watchers(host, group, options).await?, format),
        Strike::Cutoff(options) => tell(&runs::cutoff(host, group, options).await?, format),
        Strike::Silence(options) => tell(&runs::silence(host, group, options).await?, format),
        Strike::Rest(options) => tell(&runs::rest(host, group, options).await?, format),
        Strike::Durability { writes } => {
            let Some(strace) = find_strace() else {
                return Ok(skip("strace is not installed"));
            };
            let options = runs::DurabilityOptions { strace, writes };
            tell(&runs::durability(host, group, options).await?, format)
        }
    }
}

async fn simulate(
    host: &Host,
    options: runs::SimOptions,
    format: Format,
) -> Result<ExitCode, ChaosError> {
    let Some(seed) = options.seed else {
        return tell(&runs::sim(host, options).await?, format);
    };
    let runs::SimOptions { only, trace, .. } = options;
    let one = SeedOptions { seed, only, trace, tells: true, ..SeedOptions::default() };
    let outcome = match runs::play_here(&one)? {
        Some(outcome) => outcome,
        None => runs::replay(host, &one).await?,
    };
    tell(&outcome, format)
}

/// Prints a report; the exit code tells whether all is well.
fn tell(report: &impl Report, format: Format) -> Result<ExitCode, ChaosError> {
    let failed = |source: io::Error| ChaosError::System { what: "print".to_owned(), source };
    print(&report::text(report, format).map_err(|error| failed(error.into()))?)?;
    let well = report.violations().is_empty();
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(BAD) })
}

fn print(text: &str) -> Result<(), ChaosError> {
    let failed = |source: io::Error| ChaosError::System { what: "print".to_owned(), source };
    writeln!(io::stdout(), "{text}").map_err(failed)
}

/// Prints a report, or why there is none on this machine.
fn tell_or_skip(made: Result<impl Report, String>, format: Format) -> Result<ExitCode, ChaosError> {
    made.map_or_else(|why| Ok(skip(&why)), |report| tell(&report, format))
}

/// A run that cannot be made here is no failure, and no pass either: it says so.
fn skip(reason: &str) -> ExitCode {
    complain(&format!("SKIPPED: {reason}"));
    ExitCode::SUCCESS
}

fn complain(text: &str) {
    // Where stderr is closed nobody reads it.
    let _ = writeln!(io::stderr(), "{text}");
}

fn duration(text: &str) -> Result<Duration, String> {
    navarch::config::parse_duration(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Without it a conflict between flags would only show when a person uses them.
    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
        let line = "navarch-chaos etcd --clients 1,64,256 --duration 10s -o json";
        assert!(Arguments::try_parse_from(line.split(' ')).is_ok());
    }
}
