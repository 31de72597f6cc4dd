//! Processes on this machine. A harness ends what it started and nothing else.
//!
//! | here | what |
//! |---|---|
//! | [`Group`] (`group`, `watch`) | replicas of one group and their fake cloud: struck, wiped, started again, watched |
//! | [`GroupOptions`], [`FleetFile`] (`options`) | which group |
//! | [`Process`] (`process`) | one process |
//! | [`Agents`], [`Agent`] (`agents`) | real agents, each behind proxies |
//! | [`Proxy`], [`Exchange`] (`proxy`) | loses answers, is cut, and sees what goes through |
//! | [`links`] | the network between all of them: cut, slowed and held by direction |
//! | `network`, `membership` | a group's part in that; replicas that join and leave |
//! | `place` | ports, files and configuration of a replica |
//! | [`http`] | a plain HTTP/1.1 call, for probes |
//! | [`free_ports`], [`navarch_program`], [`named_program`] | where to listen; what to run |

mod agents;
mod group;
pub mod http;
pub mod links;
mod membership;
mod network;
mod options;
mod place;
mod ports;
mod process;
mod program;
mod proxy;
mod watch;

pub use agents::{Agent, Agents};
pub use group::Group;
pub use options::{FleetFile, GroupOptions};
pub use place::Place;
pub use ports::free_ports;
pub use process::{Process, log_tail};
pub use program::{named_program, navarch_program};
pub use proxy::{Exchange, Proxy, Witness};
pub use watch::Standing;
