//! Tests of the whole state machine: scenarios of the rules, and properties of random histories.

mod commands;
mod entries;
mod harness;
mod instances;
mod memory;
mod nodes;
mod pools;
mod retention;
mod snapshots;
