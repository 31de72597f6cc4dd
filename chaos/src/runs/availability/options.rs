use std::path::PathBuf;

use clap::Args;

use super::blow::{Blow, Loads};
use crate::{etcd::etcd_program, proc::named_program};

/// `navarch-chaos availability`
#[derive(Args, Clone, Debug)]
pub struct AvailabilityOptions {
    /// Faults to measure
    #[arg(long = "fault", value_enum, value_delimiter = ',', default_values_t = Blow::ALL)]
    pub faults: Vec<Blow>,
    /// How often each of them strikes, under each load
    #[arg(long, default_value_t = 100)]
    pub count: usize,
    /// What clients do meanwhile
    #[arg(long, value_enum, default_value_t)]
    pub load: Loads,
    /// Clients that write as fast as they are answered, under load
    #[arg(long, default_value_t = 16)]
    pub clients: usize,
    /// Strike three replicas of etcd 3.5 likewise, in turns with ours
    #[arg(long)]
    pub etcd: bool,
    /// The etcd program [default: on the path, or in target/peers]
    #[arg(long, value_name = "FILE", value_parser = etcd_program)]
    pub etcd_program: Option<PathBuf>,
    /// The build that a rolling upgrade leads to
    #[arg(long, value_name = "FILE", value_parser = named_program)]
    pub second_navarch: Option<PathBuf>,
    /// Wipe a replica of groups with so many nodes each, and measure how long it takes to rejoin
    #[arg(long, value_name = "NODES", value_delimiter = ',')]
    pub rejoin: Vec<usize>,
    /// How often, for each number of nodes
    #[arg(long, default_value_t = 3)]
    pub rejoins: usize,
    /// Where a record of the run is kept for the report
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// Fail where the figures miss their targets
    #[arg(long)]
    pub judge: bool,
}

impl AvailabilityOptions {
    /// The line that repeats one fault.
    pub(super) fn command(&self, blow: Blow) -> String {
        let Self { count, load, clients, .. } = self;
        let etcd = if self.etcd { " --etcd" } else { "" };
        let second = if blow == Blow::RollingUpgrade { " --second-navarch FILE" } else { "" };
        let (blow, load) = (blow.name(), load.name());
        format!(
            "navarch-chaos availability --fault {blow} --count {count} --load {load} --clients {clients}{etcd}{second}"
        )
    }
}
