//! The runs of the `navarch-chaos` binary.
//!
//! | run | shows |
//! |---|---|
//! | [`kills`](fn@kills) | nothing acknowledged is lost, nothing applied twice, no read stale, while leaders are killed |
//! | [`availability`](fn@availability) | how long clients wait after each kind of fault, beside etcd |
//! | [`power_loss`](fn@power_loss) | replicas that lose power lose nothing that was acknowledged |
//! | [`formation`](fn@formation) | replicas killed while they form a group end as one group |
//! | [`commands`](fn@commands) | each command to an agent is executed once, and its result recorded, while answers are lost |
//! | [`outbox`](fn@outbox) | agents that are cut off and killed deliver every health event that they saw |
//! | [`etcd`](fn@etcd) | durable writes beside three replicas of etcd |
//! | [`fleet`](fn@fleet) | what a large fleet costs: memory, restarts, snapshots beside writes |
//! | [`rest`](fn@rest) | elections of a group that nothing happens to |
//! | [`leaders`](fn@leaders) | no node that beats is lost, whatever happens to leaders |
//! | [`observers`](fn@observers) | observers are told of every change of health, whatever happens to leaders |
//! | [`sim`](fn@sim) | the same in simulated time, for many seeds |
//! | [`steps`](fn@steps) | nothing is bought twice, leaked or ended for no reason, at whatever step of a controller its leader dies |
//! | [`orders`](fn@orders) | how soon many machines run that are asked for at once |
//! | [`watchers`](fn@watchers) | how soon a watcher of the journal catches up, and what many cost writes |
//! | [`cutoff`](fn@cutoff) | part of a pool is cut off: losses and replacements stop at the breaker, and none follows the return |
//! | [`silence`](fn@silence) | a whole large fleet is cut off and comes back |
//! | [`clocks`](fn@clocks) | no node that beats is lost because its clock is wrong |
//! | [`mutants`](fn@mutants) | each planted bug is found by the invariant that should find it |
//! | [`recheck`](fn@recheck) | what the history that an earlier run wrote shows by itself |
//! | [`durability`](fn@durability) | each acknowledged write was synced on a majority before |

mod availability;
mod bench;
mod build;
mod clocks;
mod commands;
mod crowd;
mod cutoff;
mod durability;
mod etcd;
mod fleet;
mod formation;
mod kills;
mod leaders;
mod mutants;
mod observers;
mod orders;
mod outbox;
mod power_loss;
mod progress;
mod recheck;
mod rest;
mod silence;
mod sim;
mod steps;
mod watchers;

pub use availability::{AvailabilityOptions, AvailabilityReport, Blow, Loads, availability};
pub(crate) use build::Build;
pub use clocks::{ClocksOptions, ClocksReport, clocks};
pub use commands::{CommandsOptions, CommandsReport, commands};
pub use cutoff::{CutoffOptions, CutoffReport, Share, cutoff};
pub use durability::{DurabilityOptions, DurabilityReport, durability};
pub use etcd::{EtcdOptions, EtcdReport, EtcdRound, Load, Ratios, etcd};
pub use fleet::{FleetOptions, FleetReplica, FleetReport, fleet};
pub use formation::{FormationOptions, FormationReport, formation};
pub use kills::{KillsOptions, KillsReport, Victims, kills};
pub use leaders::{LeadersOptions, LeadersReport, leaders};
pub use mutants::{Hunted, MutantsOptions, MutantsReport, mutants};
pub use observers::{ObserversOptions, ObserversReport, observers};
pub use orders::{OrdersOptions, OrdersReport, orders};
pub use outbox::{OutboxOptions, OutboxReport, outbox};
pub use power_loss::{PowerLossOptions, PowerLossReport, power_loss};
pub use recheck::{RecheckReport, recheck};
pub use rest::{RestOptions, RestReport, rest};
pub use silence::{SilenceOptions, SilenceReport, silence};
pub use sim::{SimOptions, SimReport, play_here, replay, sim};
pub use steps::{StepsOptions, StepsReport, Struck, steps};
pub use watchers::{WatchersOptions, WatchersReport, Watching, watchers};
