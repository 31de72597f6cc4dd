//! The fake cloud and the HTTP provider, over real connections on the loopback interface.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests, which clippy does not know for tests"
)]

mod agents;
mod canned;
mod control;
mod faults;
mod garbage;
mod levers;
mod protocol;
mod provider;
mod restart;
mod support;
