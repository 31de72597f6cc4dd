use clap::{Parser, Subcommand};

use super::{
    agent::AgentArguments, apply::ApplyArguments, bench::BenchCommand,
    completion::CompletionArguments, config::ConfigCommand, cordon::CordonArguments,
    dev::DevArguments, drain::DrainArguments, events::EventsArguments, failure::Failure,
    fake_cloud::FakeCloudArguments, get::GetArguments, instance::InstanceCommand,
    invocation::Invocation, list::ListArguments, node::NodeCommand,
    node_command::NodeCommandCommand, pool::PoolCommand, replica::ReplicaCommand,
    server::ServerArguments, settings::GlobalArguments, status::StatusArguments,
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
    #[command(subcommand)]
    Command(NodeCommandCommand),
    /// Look at rented machines
    #[command(subcommand)]
    Instance(InstanceCommand),
    /// Look at pools and size them
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Make the fleet as a configuration file says
    Apply(ApplyArguments),
    /// Check configuration files
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Read the journal: who did what, when and why
    Events(EventsArguments),
    /// Show the group and the fleet on one screen
    Status(StatusArguments),
    /// Look at the replicas and change the group
    #[command(subcommand)]
    Replica(ReplicaCommand),
    /// Put load on a group and measure it
    #[command(subcommand)]
    Bench(BenchCommand),
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
            Self::Command(command) => command.run(invocation).await,
            Self::Instance(command) => command.run(invocation).await,
            Self::Pool(command) => command.run(invocation).await,
            Self::Apply(arguments) => arguments.run(invocation).await,
            Self::Config(command) => command.run(invocation),
            Self::Events(arguments) => arguments.run(invocation).await,
            Self::Status(arguments) => arguments.run(invocation).await,
            Self::Replica(command) => command.run(invocation).await,
            Self::Bench(command) => command.run(invocation).await,
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
        self.serves()
            || matches!(
                self,
                Self::Dev(_) | Self::Config(_) | Self::Version(_) | Self::Completion(_)
            )
    }
}
