//! Processes on this machine. A harness ends what it started and nothing else.
//!
//! | here | what |
//! |---|---|
//! | [`Group`] (`group`, `watch`) | replicas of one group and their fake cloud: struck, wiped, started again, watched |
//! | [`GroupOptions`], [`FleetFile`] (`options`) | which group |
//! | [`Process`] (`process`) | one process |
//! | [`Agents`], [`Agent`] (`agents`) | real agents, each behind proxies |
//! | [`Proxy`], [`Exchange`] (`proxy`) | loses answers, is cut, and sees what goes through |
//! | `place` | ports, files and configuration of a replica |
//! | [`http`] | a plain HTTP/1.1 call, for probes |
//! | [`free_ports`], [`navarch_program`], [`program_version`] | where to listen; what to run, and which build it is |

mod agents;
mod group;
pub mod http;
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
pub use program::{navarch_program, program_version};
pub use proxy::{Exchange, Proxy, Witness};
pub use watch::Standing;
