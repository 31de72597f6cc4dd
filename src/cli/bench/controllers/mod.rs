//! `navarch bench controllers`: what the leader's control loops cost on a fleet of any size, without a group.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | the command |
//! | `fleet` | a fleet in this process, at rest, that was made by the same proposals as a real one |
//! | `spec` | its configuration: pools of all strategies |
//! | `listed_cloud` | a provider that lists its machines |
//! | `passes` | passes of all controllers, timed |
//! | `costs` | what they took, and how it is told |

mod costs;
mod fleet;
mod listed_cloud;
mod passes;
mod spec;

use clap::Args;

use self::fleet::BenchFleet;
use crate::cli::{failure::Failure, invocation::Invocation, output::message};

/// Passes before the first that counts: they write down what there is to decide in a new fleet.
const WARM_UP: usize = 3;

/// `navarch bench controllers`
#[derive(Clone, Debug, Args)]
pub(crate) struct ControllersArguments {
    /// Nodes, each on an instance of its own
    #[arg(long, default_value_t = 130_000, value_parser = super::count)]
    nodes: usize,
    /// Pools that share them, of all strategies in turn; at most 1,000
    #[arg(long, default_value_t = 1_000, value_parser = super::count)]
    pools: usize,
    /// Passes of each controller that count
    #[arg(long, default_value_t = 20, value_parser = super::count)]
    passes: usize,
}

impl ControllersArguments {
    /// Needs no group: the fleet is made in this process.
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let refused = |why: String| Failure::refused(format!("cannot build the fleet: {why}"));
        let begun = invocation.clock.now();
        let mut fleet = BenchFleet::build(self.nodes, self.pools).map_err(refused)?;
        let took = invocation.clock.now().since(begun).as_secs_f64();
        message(&format!(
            "{} nodes and instances in {} pools, built in {took:.1} s",
            self.nodes, self.pools
        ));
        fleet.passes(WARM_UP, &invocation.clock).await?;
        let costs = fleet.passes(self.passes, &invocation.clock).await?;
        costs.print((self.nodes, self.pools), &mut invocation.printer)
    }
}
