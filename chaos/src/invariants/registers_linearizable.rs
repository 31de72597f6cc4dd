use super::Invariant;
use crate::{
    checkers::{Findings, registers},
    evidence::Evidence,
};

/// Whoever reads a register reads what was written last: reads and writes fit an order of single steps.
#[derive(Clone, Copy, Debug)]
pub struct RegistersLinearizable;

impl Invariant for RegistersLinearizable {
    fn name(&self) -> &'static str {
        "registers-linearizable"
    }

    fn claim(&self) -> &'static str {
        "reads and writes of each register fit an order of single steps"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        registers::check(&evidence.history, registers::SEARCH_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{Operation, Recorder, Value},
        record::Verdict::{Held, Violated},
    };

    /// Without it a stale read could pass.
    #[test]
    fn a_stale_read_is_found() {
        for (seen, expected) in [(2, Held), (1, Violated)] {
            let recorder = Recorder::default();
            let key = "pool/a".to_owned();
            for value in [1, 2] {
                let write = Operation::Write { key: key.clone(), value };
                recorder.invoke(0, 0, write).ok(0, None, None);
            }
            let value = Some(Value::Register(Some(seen)));
            recorder.invoke(0, 0, Operation::Read { key }).ok(0, value, None);
            let evidence = Evidence { history: recorder.events(), ..Evidence::default() };
            assert_eq!(RegistersLinearizable.check(&evidence).verdict(), expected);
        }
    }
}
