use std::fmt;

use super::scenario::Configuration;
use crate::config::format_millis;

/// What happens at one time.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The GPUs of a pool become busier or less busy.
    Load(Load),
    /// Somebody reports figures of a pool.
    Queue(Queue),
    /// Agents or machines fail.
    Fail(Choice, Failure),
    /// What failed and still has its machine works again.
    Revive(Choice),
    /// A provider sells nothing more.
    Drought(Drought),
    /// It sells again.
    DroughtEnds(Drought),
    /// Nodes take no new work.
    Cordon(Choice),
    /// Nodes give their work away; the deadline in milliseconds, 0: none.
    Drain(Choice, u64),
    /// Nodes take work again.
    Uncordon(Choice),
    /// An operator sets a pool's target.
    Scale {
        /// The pool.
        pool: String,
        /// Its target.
        nodes: u32,
        /// How long the autoscaler keeps off, in milliseconds.
        hold_ms: u64,
    },
    /// Another configuration is applied; with force, what it leaves out is removed although it has machines.
    Apply(Box<Configuration>, bool),
}

/// How busy a pool's GPUs become.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Load {
    /// The pool.
    pub(super) pool: String,
    /// Percent.
    pub(super) to: f64,
    /// How long it takes until then, in milliseconds; 0: at once.
    pub(super) over_ms: u64,
}

/// What is reported of a pool's jobs; what is not given stays as it was reported before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    /// The pool.
    pub(super) pool: String,
    /// Jobs that wait or run.
    pub(super) depth: Option<u32>,
    /// Jobs that wait.
    pub(super) pending: Option<u32>,
    /// How long the figures hold, in milliseconds.
    pub(super) ttl_ms: u64,
}

/// Some nodes of a pool, drawn from the scenario's seed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    /// The pool.
    pub(super) pool: String,
    /// How many of those that the step can apply to.
    pub(super) count: Count,
}

/// How many nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Count {
    /// All.
    All,
    /// So many.
    Nodes(u32),
    /// Of the nodes there are, rounded up.
    Percent(f64),
}

impl Count {
    /// How many of `there`.
    pub(super) fn of(self, there: usize) -> usize {
        match self {
            Self::All => there,
            Self::Nodes(nodes) => there.min(nodes as usize),
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of a number of nodes lies between 0 and that number"
            )]
            Self::Percent(percent) => there.min((there as f64 * percent / 100.0).ceil() as usize),
        }
    }
}

/// How nodes fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The agent says nothing more; the machine stays.
    Silent,
    /// The machine is gone, and its provider does not know it any more.
    Vanish,
    /// A GPU reports this XID once.
    Xid(u32),
    /// A health check of this name is unhealthy until the node is revived.
    Check(String),
}

/// A provider that has nothing to sell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drought {
    /// The provider.
    pub(super) provider: String,
    /// Of this type alone; none: of all.
    pub(super) instance_type: Option<String>,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(Load { pool, to, over_ms: 0 }) => write!(formatter, "load {pool} {to} %"),
            Self::Load(Load { pool, to, over_ms }) => {
                write!(formatter, "load {pool} to {to} % over {}", format_millis(*over_ms))
            }
            Self::Queue(Queue { pool, depth, pending, .. }) => {
                write!(formatter, "report of {pool}:")?;
                let figures = [("jobs", depth), ("waiting jobs", pending)];
                let told = figures.iter().filter_map(|(what, count)| count.map(|one| (what, one)));
                let told: Vec<_> = told.map(|(what, count)| format!(" {count} {what}")).collect();
                formatter.write_str(&told.join(","))
            }
            Self::Fail(choice, failure) => write!(formatter, "fail {choice}: {failure}"),
            Self::Revive(choice) => write!(formatter, "revive {choice}"),
            Self::Drought(drought) => write!(formatter, "drought at {drought}"),
            Self::DroughtEnds(drought) => write!(formatter, "drought ends at {drought}"),
            Self::Cordon(choice) => write!(formatter, "cordon {choice}"),
            Self::Drain(choice, _) => write!(formatter, "drain {choice}"),
            Self::Uncordon(choice) => write!(formatter, "uncordon {choice}"),
            Self::Scale { pool, nodes, .. } => write!(formatter, "scale {pool} to {nodes}"),
            Self::Apply(_, false) => formatter.write_str("apply a configuration"),
            Self::Apply(_, true) => formatter.write_str("apply a configuration by force"),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            Count::All => write!(formatter, "all of {}", self.pool),
            Count::Nodes(nodes) => write!(formatter, "{nodes} of {}", self.pool),
            Count::Percent(percent) => write!(formatter, "{percent} % of {}", self.pool),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => formatter.write_str("silent"),
            Self::Vanish => formatter.write_str("vanish"),
            Self::Xid(code) => write!(formatter, "XID {code}"),
            Self::Check(name) => write!(formatter, "check {name}"),
        }
    }
}

impl fmt::Display for Drought {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.provider)?;
        match &self.instance_type {
            Some(name) => write!(formatter, " of {name}"),
            None => Ok(()),
        }
    }
}
