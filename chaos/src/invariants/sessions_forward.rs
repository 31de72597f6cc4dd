use super::Invariant;
use crate::{
    checkers::{Findings, sessions},
    evidence::Evidence,
};

/// What a client is shown never grows older, whichever replicas it asks.
#[derive(Clone, Copy, Debug)]
pub struct SessionsForward;

impl Invariant for SessionsForward {
    fn name(&self) -> &'static str {
        "sessions-forward"
    }

    fn claim(&self) -> &'static str {
        "no client is shown an older state than before"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = sessions::check_forward(&evidence.history);
        findings.merge(sessions::check_pages(&evidence.history));
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{Operation, Recorder, Value},
        record::Verdict::{Held, Violated},
    };

    /// Without it a client could be thrown back in time by a replica that lags.
    #[test]
    fn an_older_answer_is_found() {
        for (index, page, expected) in [(5, 8, Held), (4, 8, Violated), (5, 9, Violated)] {
            let recorder = Recorder::default();
            for index in [5, index] {
                let read = Operation::Read { key: "k".to_owned() };
                recorder.invoke(0, 1, read).ok(0, None, Some(index));
            }
            let read = recorder.invoke(0, 2, Operation::ReadJournal { since: 7 });
            read.ok(0, Some(Value::Journal(vec![page])), None);
            let evidence = Evidence { history: recorder.events(), ..Evidence::default() };
            assert_eq!(SessionsForward.check(&evidence).verdict(), expected, "{index}, {page}");
        }
    }
}
