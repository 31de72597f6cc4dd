//! Tests of the whole state machine: scenarios of the rules, and properties of random histories.

mod adoption;
mod breaker_steps;
mod breakers;
mod commands;
mod entries;
mod failures;
mod harness;
mod instances;
mod liveness;
mod memory;
mod mutations;
mod nodes;
mod pool_metrics;
mod pools;
mod properties;
mod registrations;
mod replacements;
mod retention;
mod retirement;
mod rule_verdicts;
mod snapshots;
mod steps;
mod verdicts;
