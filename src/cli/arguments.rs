use clap::{Parser, Subcommand};

use super::{
    agent::AgentArguments, apply::ApplyArguments, bench::BenchCommand, breaker::BreakerCommand,
    completion::CompletionArguments, config::ConfigCommand, cordon::CordonArguments,
    dev::DevArguments, drain::DrainArguments, events::EventsArguments, explain::ExplainArguments,
    failure::Failure, fake_cloud::FakeCloudArguments, get::GetArguments, gpu::GpuCommand,
    instance::InstanceCommand, invocation::Invocation, list::ListArguments, node::NodeCommand,
    node_command::NodeOrderCommand, policy::PolicyCommand, pool::PoolCommand,
    replica::ReplicaCommand, server::ServerArguments, settings::GlobalArguments, sim::SimCommand,
    snapshot::SnapshotCommand, status::StatusArguments, tls::TlsCommand,
    uncordon::UncordonArguments, version::VersionArguments,
};

/// A control plane for GPU fleets that survives the loss of any of its replicas.
#[derive(Debug, Parser)]
#[command(name = "navarch", version, propagate_version = false)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Everything that `navarch` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one replica of the control plane
    Server(ServerArguments),
    /// Run a whole group on this machine, with a fake cloud and its agents
    Dev(DevArguments),
    /// Run the agent of this machine
    Agent(Box<AgentArguments>),
    /// Run a cloud to try things on
    FakeCloud(FakeCloudArguments),
    /// List nodes
    List(ListArguments),
    /// Show a node
    Get(GetArguments),
    /// Let a node take no new work
    Cordon(CordonArguments),
    /// Let a cordoned or unhealthy node take work again
    Uncordon(UncordonArguments),
    /// Move a node's work elsewhere
    Drain(DrainArguments),
    /// Remove nodes from the records
    #[command(subcommand)]
    Node(NodeCommand),
    /// Send commands to nodes
    #[command(name = "command", subcommand)]
    NodeOrder(NodeOrderCommand),
    /// Look at rented machines
    #[command(subcommand)]
    Instance(InstanceCommand),
    /// Look at GPUs that were given up on, and let them back
    #[command(subcommand)]
    Gpu(GpuCommand),
    /// Look at pools and size them
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Look at what stops losses and replacements, and override it
    #[command(subcommand)]
    Breaker(BreakerCommand),
    /// Make the fleet as a configuration file says
    Apply(ApplyArguments),
    /// Check configuration files
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check health policies and try them on events, offline
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Read the journal: who did what, when and why
    Events(EventsArguments),
    /// Say why a pool, a node or an instance is as it is
    Explain(ExplainArguments),
    /// Show the group and the fleet on one screen
    Status(StatusArguments),
    /// Look at the replicas and change the group
    #[command(subcommand)]
    Replica(ReplicaCommand),
    /// Keep the fleet's state in a file, and make a group of one
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Put load on a group and measure it
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Try policies out on simulated fleets
    #[command(subcommand)]
    Sim(SimCommand),
    /// Make certificates for the replicas
    #[command(subcommand)]
    Tls(TlsCommand),
    /// Print the version
    Version(VersionArguments),
    /// Print a completion script for a shell
    Completion(CompletionArguments),
}

impl Command {
    /// Carries the command out.
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        match self {
            Self::Server(arguments) => arguments.run(invocation).await,
            Self::Dev(arguments) => arguments.run(invocation).await,
            Self::Agent(arguments) => arguments.run(invocation).await,
            Self::FakeCloud(arguments) => arguments.run(invocation).await,
            Self::List(arguments) => arguments.run(invocation).await,
            Self::Get(arguments) => arguments.run(invocation).await,
            Self::Cordon(arguments) => arguments.run(invocation).await,
            Self::Uncordon(arguments) => arguments.run(invocation).await,
            Self::Drain(arguments) => arguments.run(invocation).await,
            Self::Node(command) => command.run(invocation).await,
            Self::NodeOrder(command) => command.run(invocation).await,
            Self::Instance(command) => command.run(invocation).await,
            Self::Gpu(command) => command.run(invocation).await,
            Self::Pool(command) => command.run(invocation).await,
            Self::Breaker(command) => command.run(invocation).await,
            Self::Apply(arguments) => arguments.run(invocation).await,
            Self::Config(command) => command.run(invocation),
            Self::Policy(command) => command.run(invocation),
            Self::Events(arguments) => arguments.run(invocation).await,
            Self::Explain(arguments) => arguments.run(invocation).await,
            Self::Status(arguments) => arguments.run(invocation).await,
            Self::Replica(command) => command.run(invocation).await,
            Self::Snapshot(command) => command.run(invocation).await,
            Self::Bench(command) => command.run(invocation).await,
            Self::Sim(command) => command.run(invocation).await,
            Self::Tls(command) => command.run(invocation),
            Self::Version(arguments) => arguments.run(invocation),
            Self::Completion(arguments) => arguments.run(invocation),
        }
    }

    /// Whether it serves others: then it logs by default, and may use all processors.
    pub(crate) fn serves(&self) -> bool {
        matches!(self, Self::Server(_) | Self::Agent(_) | Self::FakeCloud(_))
    }

    /// Whether it works without a context file, which may then be broken.
    pub(crate) fn offline(&self) -> bool {
        if let Self::Snapshot(command) = self {
            return command.offline();
        }
        if let Self::Sim(command) = self {
            return command.offline();
        }
        if let Self::Bench(command) = self {
            return command.offline();
        }
        self.serves()
            || matches!(
                self,
                Self::Dev(_)
                    | Self::Config(_)
                    | Self::Policy(_)
                    | Self::Tls(_)
                    | Self::Version(_)
                    | Self::Completion(_)
            )
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, error::ErrorKind};

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    /// Without it a conflict between flags would only show when a person uses them.
    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    /// The contract's command lines, and ours.
    const TAKEN: &[&str] = &[
        "navarch server --config FILE --data-dir DIR --bootstrap",
        "navarch dev",
        "navarch dev --config FILE --replicas 3 --port 50051 --data-dir DIR --exit-after 10s --restart-after 0",
        "navarch dev --nodes 16",
        "navarch agent --server A,B,C --node-id ID --pool P --provider X --fake-gpus 8",
        "navarch fake-cloud --listen 127.0.0.1:0 --ledger FILE --agents-to A,B,C",
        "navarch -s A,B list --provider P --region R --status active --pool P --label k=v --label a=b",
        "navarch list --status UNHEALTHY -o wide",
        "navarch get ID -o json",
        "navarch cordon ID --reason because",
        "navarch uncordon ID",
        "navarch uncordon --rule NAME --pool P --reason because",
        "navarch breaker list",
        "navarch breaker override fleet --open --for 1h --reason because",
        "navarch breaker override zone PROVIDER/REGION/ZONE --for 1h --reason because",
        "navarch breaker reset pool NAME --reason because",
        "navarch drain ID --wait --deadline 1h --reason because",
        "navarch node forget ID",
        "navarch command send NODE run-diagnostic k=v a=b --wait",
        "navarch command list NODE",
        "navarch instance list --pool P --state pending-registration --provider P --region R",
        "navarch instance get ID",
        "navarch pool list",
        "navarch pool get NAME",
        "navarch pool scale NAME --nodes 3 --hold 1h",
        "navarch pool report NAME --pending-jobs 3 --queue-depth 7 --utilization 55.5 --ttl 5m",
        "navarch apply -f FILE --dry-run",
        "navarch config validate FILE",
        "navarch policy validate -f FILE",
        "navarch policy validate",
        "navarch policy test -f FILE --event {} --event @FILE -o json",
        "navarch policy test",
        "navarch events --follow --since 3 --subject node/n-1",
        "navarch status --watch",
        "navarch replica list",
        "navarch replica add r4 10.0.0.4:50052 --voter",
        "navarch replica remove r4",
        "navarch replica promote 4",
        "navarch replica transfer-leader",
        "navarch snapshot save FILE --force --stale",
        "navarch snapshot inspect FILE -o json",
        "navarch snapshot restore FILE --config FILE --data-dir DIR --force --yes-take-over",
        "navarch snapshot end-adoption --dry-run",
        "navarch snapshot end-adoption --yes --force",
        "navarch gpu list -o wide",
        "navarch gpu forgive GPU-1 --reason mended",
        "navarch apply -f FILE --force --dry-run",
        "navarch bench writes --clients 64 --duration 10s -o json",
        "navarch bench heartbeats --nodes 130000 --interval 10s --duration 60s",
        "navarch bench commands --nodes 100 --rate 10 --duration 10s",
        "navarch bench reports --rate 2000 --events 4 --duration 10s",
        "navarch bench policy -f FILE --duration 1s",
        "navarch bench reads --clients 64 --consistency stale",
        "navarch sim run FILE FILE --report DIR --seed 7 -o json",
        "navarch sim run FILE --live --server A,B --longest 1h --force --cloud-host H --data-dir D",
        "navarch sim list",
        "navarch sim validate FILE",
        "navarch tls init DIR --hosts a.example,10.0.0.2",
        "navarch version --insecure --timeout 5s --ca-file ca.pem",
        "navarch completion bash",
    ];

    /// Without it a command line of the contract could stop working.
    #[test]
    fn the_contracts_command_lines_are_taken() {
        for line in TAKEN {
            if let Err(error) = parse(line) {
                panic!("{line}\n{error}");
            }
        }
    }

    /// Without it a mistake would be carried out as something else.
    #[test]
    fn wrong_command_lines_are_usage_errors_with_code_2() {
        let table = [
            ("navarch", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
            ("navarch lst", ErrorKind::InvalidSubcommand),
            ("navarch list --status busy", ErrorKind::InvalidValue),
            ("navarch list --label novalue", ErrorKind::ValueValidation),
            ("navarch list --timeout 5", ErrorKind::ValueValidation),
            ("navarch list --timeout 0s", ErrorKind::ValueValidation),
            ("navarch list -o xml", ErrorKind::InvalidValue),
            ("navarch get", ErrorKind::MissingRequiredArgument),
            ("navarch server", ErrorKind::MissingRequiredArgument),
            ("navarch agent", ErrorKind::MissingRequiredArgument),
            ("navarch pool scale training", ErrorKind::MissingRequiredArgument),
            ("navarch pool scale training --nodes -1", ErrorKind::UnknownArgument),
            ("navarch pool report training", ErrorKind::MissingRequiredArgument),
            ("navarch pool report training --queue-depth 1 --ttl 0", ErrorKind::ValueValidation),
            ("navarch bench writes --clients 0", ErrorKind::ValueValidation),
            ("navarch sim run FILE --force", ErrorKind::MissingRequiredArgument),
            ("navarch dev --config FILE --nodes 3", ErrorKind::ArgumentConflict),
            ("navarch gpu forgive GPU-1", ErrorKind::MissingRequiredArgument),
            ("navarch command send n-1 reboot", ErrorKind::InvalidValue),
        ];
        for (line, kind) in table {
            let error = parse(line).unwrap_err();
            assert_eq!((error.kind(), error.exit_code()), (kind, 2), "{line}");
        }
    }
}
