//! What the rest of Navarch takes from its host instead of reaching for it: time, chance, tasks and a network.
//!
//! | type | for |
//! |---|---|
//! | [`Clock`] | reading time and waiting; [`FakeClock`] moves it by hand |
//! | [`Chance`] | what is drawn at random; a seed makes it repeat itself |
//! | [`Spawner`] | starting tasks, threads and runtimes |
//! | [`Network`] | listening and connecting |
//! | [`guarded`] | calls of somebody else's code, which may panic or hang |
//! | [`planted`] | bugs that test builds have on purpose |
//! | [`with_deep_stack`] | a call that needs more stack than a worker has |
//!
//! Nothing outside this crate reads a clock or starts a thread: clippy's `disallowed-methods` sees to it.
//! That is what lets a test live through a day in a second, and a simulation run a whole group on one
//! deterministic thread.

mod chance;
mod clock;
mod deep_stack;
mod fake_clock;
mod guard;
mod network;
pub mod planted;
mod spawner;

pub use chance::Chance;
pub use clock::{Clock, Elapsed, Moment};
pub use deep_stack::with_deep_stack;
pub use fake_clock::FakeClock;
pub use guard::{Mishap, guarded, panic_message};
pub use network::{Acceptor, ByteStream, Detached, Network, Port, Stream, SystemNetwork};
pub use spawner::{Spawner, SystemSpawner, TaskHandle};
