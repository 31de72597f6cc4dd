//! To be written.

pub mod connect;
pub mod listener;
