//! The command line: one file per command.
//!
//! | module | what is there |
//! |---|---|
//! | `arguments` | all commands, and which file carries each out |
//! | `settings`, `context_file` | flags, environment and context file |
//! | `invocation` | what a command runs with: settings, printer, clock, client |
//! | `failure` | errors and the exit codes |
//! | `output`, `rows` | tables, JSON, YAML, names; how each record looks |
//! | `choices`, `duration`, `signals` | values of flags; stopping |
//! | `server`, `dev`, `agent`, `fake_cloud` | commands that run until they are stopped |
//! | `list`, `get`, `cordon`, `uncordon`, `drain`, `node` | nodes |
//! | `node_command`, `issue` | orders to nodes |
//! | `instance`, `pool`, `breaker`, `apply`, `config`, `policy/` | the fleet and its configuration |
//! | `events`, `status`, `overview`, `replica`, `tls` | the journal, the screen, the group |
//! | `snapshot/` | the fleet's state in a file, and a group made of one |
//! | `bench` | load from outside |
//! | `sim` | scenarios on simulated fleets |
//! | `version`, `completion` | about this program |

mod agent;
mod apply;
mod arguments;
mod bench;
mod breaker;
mod choices;
mod completion;
mod config;
mod context_file;
mod cordon;
mod dev;
mod drain;
mod duration;
mod events;
mod explain;
mod failure;
mod fake_cloud;
mod get;
mod gpu;
mod instance;
mod invocation;
mod issue;
mod list;
mod node;
mod node_command;
mod output;
mod overview;
mod policy;
mod pool;
mod replica;
mod rows;
mod server;
mod settings;
mod signals;
mod sim;
mod snapshot;
mod status;
mod tls;
mod uncordon;
mod version;

use std::{env, ffi::OsString, process::ExitCode};

use clap::Parser as _;
use navarch_host::{Clock, SystemSpawner};
use tokio::runtime::{self, Runtime};

use self::{
    arguments::{Arguments, Command},
    context_file::ContextFile,
    failure::Failure,
    invocation::Invocation,
    output::Printer,
    settings::{GlobalArguments, Settings},
};
use crate::telemetry;

/// What processes that serve others log. The Raft library would say ten times a second that a replica is
/// away, and dump its state at each start; what matters of it `navarch_cluster` says.
const SERVING_LEVEL: &str = "info,openraft=error";

/// Runs the command that `arguments` name, the program's own name first, and answers the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Arguments { global, command } = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version end here too, with code 0; a closed output is nobody's concern.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    let result = prepare(&global, &command).and_then(|(settings, runtime)| {
        let result = runtime.block_on(run(settings, command));
        // A thread that waits for input would hold the process.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn prepare(global: &GlobalArguments, command: &Command) -> Result<(Settings, Runtime), Failure> {
    let default_level = if command.serves() { SERVING_LEVEL } else { "error" };
    let level = global.log_level.as_deref().unwrap_or(default_level);
    telemetry::start(level, global.log_format)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let file = if command.offline() { ContextFile::default() } else { ContextFile::load()? };
    let settings = Settings::resolve(global, file, |name| env::var(name).ok())?;
    let mut builder = if command.serves() {
        runtime::Builder::new_multi_thread()
    } else {
        // One thread starts at once, and costs a load generator the least for each call.
        runtime::Builder::new_current_thread()
    };
    let runtime = builder.enable_all().build();
    let runtime = runtime.map_err(|error| Failure::refused(format!("cannot start: {error}")))?;
    Ok((settings, runtime))
}

async fn run(settings: Settings, command: Command) -> Result<(), Failure> {
    let clock = Clock::system();
    let mut invocation = Invocation {
        printer: Printer::stdout(settings.output, clock.clone()),
        settings,
        clock,
        spawner: SystemSpawner::current(),
    };
    command.run(&mut invocation).await
}
