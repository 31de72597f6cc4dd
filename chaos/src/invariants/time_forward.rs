use navarch_proto::{api::FleetEvent, timestamp::to_unix_ms};

use super::Invariant;
use crate::{checkers::Findings, evidence::Evidence};

/// Time in the journal never goes back, whatever the clocks of replicas do.
#[derive(Clone, Copy, Debug)]
pub struct TimeForward;

impl Invariant for TimeForward {
    fn name(&self) -> &'static str {
        "time-forward"
    }

    fn claim(&self) -> &'static str {
        "time in the journal never goes back"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = Findings::default();
        for (replica, events) in &evidence.journals {
            findings.checked(events.len());
            for pair in events.windows(2) {
                let [before, after] = [&pair[0], &pair[1]].map(time_ms);
                findings.expect(before <= after, || {
                    format!("{replica} tells event {} at {after} after {before}", pair[1].index)
                });
            }
        }
        findings.figure(format!("journals of {} replicas", evidence.journals.len()));
        findings
    }
}

/// When an event happened, milliseconds since the Unix epoch.
fn time_ms(event: &FleetEvent) -> u64 {
    event.time.as_ref().map_or(0, to_unix_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::samples::{event, told},
        record::Verdict::{Held, Violated},
    };

    /// Without it a clock that jumps back could make deadlines pass twice.
    #[test]
    fn time_that_goes_back_is_found() {
        for (second, expected) in [(5, Held), (4, Violated)] {
            let mut events = vec![event(5, "fleet", "a", ""), event(second, "fleet", "b", "")];
            events[1].index = 6;
            assert_eq!(TimeForward.check(&told(events, Vec::new())).verdict(), expected);
        }
    }
}
