//! Navarch: a control plane for GPU fleets without a single point of failure.

pub mod agent;
pub mod api;
pub mod cli;
pub mod client;
pub mod config;
pub mod controllers;
pub mod fake_cloud;
pub mod health;
pub mod leader;
pub mod ledger;
pub mod liveness;
pub mod provider;
pub mod scaling;
pub mod server;
pub mod telemetry;
