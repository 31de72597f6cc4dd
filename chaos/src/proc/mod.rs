//! Processes on this machine. A harness ends what it started and nothing else.
//!
//! | here | what |
//! |---|---|
//! | [`Group`] (`group`, `watch`) | replicas of one group and their fake cloud: struck, wiped, started again, watched |
//! | [`GroupOptions`], [`FleetFile`] (`options`) | which group |
//! | [`Process`] (`process`) | one process |
//! | `place` | ports, files and configuration of a replica |
//! | [`http`] | a plain HTTP/1.1 call, for probes |
//! | [`free_ports`], [`navarch_program`] | where to listen; what to run |

mod group;
pub mod http;
mod options;
mod place;
mod ports;
mod process;
mod program;
mod watch;

pub use group::Group;
pub use options::{FleetFile, GroupOptions};
pub use place::Place;
pub use ports::free_ports;
pub use process::{Process, log_tail};
pub use program::navarch_program;
pub use watch::Standing;
