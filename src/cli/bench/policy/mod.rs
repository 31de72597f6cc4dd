//! `navarch bench policy`: what health policies cost, without a group.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | the command |
//! | `hostile` | the costliest policies that are accepted, and the worst event for them |
//! | `timing` | evaluations, timed, and how they are told |

mod hostile;
mod timing;

use std::time::Duration;

use clap::Args;
use navarch_fleet::NodeHistory;

use self::timing::Timing;
use crate::cli::{
    duration,
    failure::Failure,
    invocation::Invocation,
    output::message,
    policy::{FileArguments, samples},
};

/// `navarch bench policy`
#[derive(Clone, Debug, Args)]
pub(crate) struct PolicyArguments {
    #[command(flatten)]
    policy: FileArguments,
    /// How long each is evaluated again and again
    #[arg(long, default_value = "1s", value_parser = duration::parse_positive)]
    duration: Duration,
}

impl PolicyArguments {
    /// Needs no group: events are judged in this process.
    pub(crate) fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let (policy, name) = self.policy.load()?;
        let clock = invocation.clock.clone();
        let events: Vec<_> = samples::all().into_iter().map(|(_, event)| event).collect();
        message(&format!("{name} on {} events of every kind", events.len()));
        let mut timings = vec![Timing::of(
            (&name, &policy),
            &events,
            &NodeHistory::default(),
            (&clock, self.duration),
        )?];
        let worst = vec![hostile::worst_event()];
        let history = hostile::full_history();
        for attack in hostile::ATTACKS {
            let Some(policy) = attack.costliest() else {
                message(&format!("{}: refused whatever its size", attack.name));
                continue;
            };
            message(&format!("{}: {} rules", attack.name, policy.rule_names().count()));
            let named = (attack.name, &policy);
            timings.push(Timing::of(named, &worst, &history, (&clock, self.duration))?);
        }
        timing::print(&timings, &mut invocation.printer)
    }
}
