use std::time::Duration;

use serde_json::Value;

use super::options::CloudOptions;
use crate::provider::{Machine, MachineState, timestamp::millis};

/// How long a listing goes on showing a terminated machine; reading it by id works for ever.
const TERMINATED_SHOWN: Duration = Duration::from_secs(3_600);

/// One machine for all of its life. What it is like at a time follows from two times.
#[derive(Debug)]
pub(super) struct Rented {
    /// As it is when it runs.
    pub(super) machine: Machine,
    /// What it was ordered with.
    pub(super) body: Value,
    pub(super) created_ms: u64,
    pub(super) ended_ms: Option<u64>,
    /// Ended without leaving a trace that the cloud would show.
    pub(super) vanished: bool,
}

impl Rented {
    /// What the cloud shows of it at `at_ms`: nothing before it was bought, nor after it vanished.
    pub(super) fn seen(&self, options: &CloudOptions, at_ms: u64) -> Option<Machine> {
        let hidden = self.vanished && self.ended_ms.is_some_and(|ended| at_ms >= ended);
        (at_ms >= self.created_ms && !hidden).then(|| self.shown(options, at_ms))
    }

    /// The machine as it is at `at_ms`; one that vanished is terminated.
    pub(super) fn shown(&self, options: &CloudOptions, at_ms: u64) -> Machine {
        let mut machine = self.machine.clone();
        machine.state = match self.ended_ms {
            Some(ended) if at_ms >= ended => {
                let gone_ms = self.gone_from_ms(options, ended);
                if at_ms >= gone_ms {
                    machine.terminated_at_ms = Some(gone_ms);
                    MachineState::Terminated
                } else {
                    MachineState::Terminating
                }
            }
            _ if at_ms >= self.running_from_ms(options) => MachineState::Running,
            _ => MachineState::Provisioning,
        };
        if machine.state == MachineState::Provisioning {
            machine.ip = None;
        }
        machine
    }

    pub(super) fn running_from_ms(&self, options: &CloudOptions) -> u64 {
        self.created_ms.saturating_add(millis(options.boot_delay))
    }

    fn gone_from_ms(&self, options: &CloudOptions, ended_ms: u64) -> u64 {
        if self.vanished {
            ended_ms
        } else {
            ended_ms.saturating_add(millis(options.shutdown_delay))
        }
    }

    /// Whether listings have stopped to show it.
    pub(super) fn long_gone(&self, options: &CloudOptions, at_ms: u64) -> bool {
        self.ended_ms.is_some_and(|ended| {
            at_ms > self.gone_from_ms(options, ended).saturating_add(millis(TERMINATED_SHOWN))
        })
    }

    pub(super) fn carries(&self, labels: &[(String, String)]) -> bool {
        labels.iter().all(|(name, value)| self.machine.labels.get(name) == Some(value))
    }
}
