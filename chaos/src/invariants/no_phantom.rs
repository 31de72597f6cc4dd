use super::Invariant;
use crate::{
    checkers::{Findings, sets},
    evidence::Evidence,
};

/// Nothing is there that nobody sent, or that was refused.
#[derive(Clone, Copy, Debug)]
pub struct NoPhantom;

impl Invariant for NoPhantom {
    fn name(&self) -> &'static str {
        "no-phantom"
    }

    fn claim(&self) -> &'static str {
        "nothing is there that nobody sent"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        sets::check_phantoms(&evidence.history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{Operation, Recorder, Value},
        record::Verdict::{self, Held, Violated},
    };

    /// Without it records from nowhere could pass.
    #[test]
    fn an_element_from_nowhere_is_found() {
        let table: [(&[(&str, u64)], Verdict); 2] =
            [(&[("a", 1)], Held), (&[("a", 1), ("b", 1)], Violated)];
        for (elements, expected) in table {
            let recorder = Recorder::default();
            let add = Operation::Add { set: "nodes".to_owned(), element: "a".to_owned() };
            recorder.invoke(0, 0, add).ok(0, None, None);
            let elements = elements.iter().map(|&(element, times)| (element.to_owned(), times));
            let scan = Operation::Scan { set: "nodes".to_owned(), replica: "r1".to_owned() };
            let value = Some(Value::Elements(elements.collect()));
            recorder.invoke(0, 0, scan).ok(0, value, None);
            let evidence = Evidence { history: recorder.events(), ..Evidence::default() };
            assert_eq!(NoPhantom.check(&evidence).verdict(), expected);
        }
    }
}
