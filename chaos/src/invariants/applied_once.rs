use super::Invariant;
use crate::{
    checkers::{Findings, sets},
    evidence::Evidence,
};

/// What was sent again under its request id took effect once.
#[derive(Clone, Copy, Debug)]
pub struct AppliedOnce;

impl Invariant for AppliedOnce {
    fn name(&self) -> &'static str {
        "applied-once"
    }

    fn claim(&self) -> &'static str {
        "nothing is applied twice, however often it is sent"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        sets::check_single(&evidence.history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{Operation, Recorder, Value},
        record::Verdict::{self, Held, Violated},
    };

    /// Without it a retry could take effect again, and the run pass.
    #[test]
    fn a_second_effect_is_found() {
        let table: [(&[(&str, u64)], Verdict); 2] = [(&[("a", 1)], Held), (&[("a", 2)], Violated)];
        for (elements, expected) in table {
            let recorder = Recorder::default();
            let add = Operation::Add { set: "nodes".to_owned(), element: "a".to_owned() };
            recorder.invoke(0, 0, add).ok(0, None, None);
            let elements = elements.iter().map(|&(element, times)| (element.to_owned(), times));
            let scan = Operation::Scan { set: "nodes".to_owned(), replica: "r1".to_owned() };
            let value = Some(Value::Elements(elements.collect()));
            recorder.invoke(0, 0, scan).ok(0, value, None);
            let evidence = Evidence { history: recorder.events(), ..Evidence::default() };
            assert_eq!(AppliedOnce.check(&evidence).verdict(), expected);
        }
    }
}
