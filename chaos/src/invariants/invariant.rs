use crate::{
    checkers::Findings,
    evidence::Evidence,
    record::{InvariantRecord, Verdict},
};

/// Something that must hold, whatever happens.
pub trait Invariant: Sync {
    /// Under which name it is reported, as `bought-once`.
    fn name(&self) -> &'static str;

    /// What it claims, in one sentence.
    fn claim(&self) -> &'static str;

    /// Looks for what breaks it. Nothing checked is nothing known.
    fn check(&self, evidence: &Evidence) -> Findings;
}

/// What `invariants` come to, in their order.
pub fn judge(invariants: &[&dyn Invariant], evidence: &Evidence) -> Vec<InvariantRecord> {
    let judged = |invariant: &&dyn Invariant| invariant.check(evidence).record(invariant.name());
    invariants.iter().map(judged).collect()
}

/// What was found broken, each with the name of its invariant.
pub fn complaints(records: &[InvariantRecord]) -> Vec<String> {
    let broken = records.iter().filter(|record| record.verdict == Verdict::Violated);
    broken.map(|record| format!("{}: {}", record.invariant, record.evidence)).collect()
}

/// What did not hold, be it broken or not known, each with the name of its invariant: for runs that bring evidence of
/// every one of `records`, and have not passed while one is open.
pub fn unmet(records: &[InvariantRecord]) -> Vec<String> {
    let unmet = records.iter().filter(|record| record.verdict != Verdict::Held);
    let told = unmet.map(|record| match record.verdict {
        Verdict::Unknown => format!("{}: unknown: {}", record.invariant, record.evidence),
        Verdict::Held | Verdict::Violated => format!("{}: {}", record.invariant, record.evidence),
    });
    told.collect()
}
