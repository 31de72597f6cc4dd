use super::Invariant;
use crate::{
    checkers::{Findings, sets},
    evidence::Evidence,
};

/// What was acknowledged is there at the end, on every replica.
#[derive(Clone, Copy, Debug)]
pub struct AcknowledgedKept;

impl Invariant for AcknowledgedKept {
    fn name(&self) -> &'static str {
        "acknowledged-kept"
    }

    fn claim(&self) -> &'static str {
        "no acknowledged write is lost"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        sets::check_kept(&evidence.history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{Operation, Recorder, Value},
        record::Verdict::{self, Held, Violated},
    };

    /// Without it a write could be lost after it was acknowledged, and the run pass.
    #[test]
    fn a_lost_element_is_found() {
        let table: [(&[(&str, u64)], Verdict); 2] = [(&[("a", 1)], Held), (&[("b", 1)], Violated)];
        for (elements, expected) in table {
            let recorder = Recorder::default();
            let add = Operation::Add { set: "nodes".to_owned(), element: "a".to_owned() };
            recorder.invoke(0, 0, add).ok(0, None, None);
            let elements = elements.iter().map(|&(element, times)| (element.to_owned(), times));
            let scan = Operation::Scan { set: "nodes".to_owned(), replica: "r1".to_owned() };
            let value = Some(Value::Elements(elements.collect()));
            recorder.invoke(0, 0, scan).ok(0, value, None);
            let evidence = Evidence { history: recorder.events(), ..Evidence::default() };
            assert_eq!(AcknowledgedKept.check(&evidence).verdict(), expected);
        }
    }
}
