//! Whether the calls of each register fit an order of single steps, each between its beginning and its end: they
//! are linearizable. Registers are independent of each other, and searched one by one.

use std::{collections::BTreeMap, time::Duration};

use porcupine_rs::{CheckResult, check_operations_timeout};

use super::{Findings, stretches};
use crate::history::{Event, PastCall};

/// How long the search of one stretch of one register may take. What has no result by then is no pass.
pub const SEARCH_LIMIT: Duration = Duration::from_secs(30);

/// Searches the calls of each register of `history`, each stretch for `limit` of real time at most.
pub fn check(history: &[Event], limit: Duration) -> Findings {
    let mut findings = Findings::default();
    let calls = PastCall::all(history);
    let mut registers: BTreeMap<&str, Vec<&PastCall<'_>>> = BTreeMap::new();
    for call in &calls {
        if let Some(key) = call.operation.key() {
            registers.entry(key).or_default().push(call);
        }
    }
    let mut stretches = 0;
    for (key, calls) in &registers {
        findings.checked(calls.len());
        for stretch in stretches::of(calls) {
            stretches += 1;
            let bounds = (stretch.first(), stretch.last());
            let told = match bounds {
                (Some(first), Some(last)) => format!(
                    "{key}: its {} calls that begin at events {} to {}",
                    stretch.len(),
                    first.call_time,
                    last.call_time
                ),
                _ => continue,
            };
            match check_operations_timeout(&stretch, limit) {
                CheckResult::Ok => {}
                CheckResult::Illegal => findings.violated(format!("{told} fit no order")),
                CheckResult::Unknown => {
                    findings
                        .undecided(format!("{told} were searched for {limit:?} without a result"));
                }
            }
        }
    }
    let open = calls.iter().filter(|call| call.operation.key().is_some() && !call.is_ok()).count();
    findings.figure(format!(
        "{} registers in {stretches} stretches, {open} calls of them without an answer",
        registers.len()
    ));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{Operation, Recorder, Value},
        record::Verdict::{self, Held, Unknown, Violated},
    };

    fn write(value: u64) -> Operation {
        Operation::Write { key: "k".to_owned(), value }
    }

    fn read() -> Operation {
        Operation::Read { key: "k".to_owned() }
    }

    fn swap(expected: u64, value: u64) -> Operation {
        Operation::CompareAndSet { key: "k".to_owned(), expected, value }
    }

    fn shown(value: u64) -> Option<Value> {
        Some(Value::Register(Some(value)))
    }

    fn one_after_the_other(steps: &[(Operation, Option<Value>)]) -> Recorder {
        let recorder = Recorder::default();
        for (operation, value) in steps {
            recorder.invoke(0, 0, operation.clone()).ok(0, value.clone(), None);
        }
        recorder
    }

    fn verdict(recorder: &Recorder) -> Verdict {
        check(&recorder.events(), SEARCH_LIMIT).verdict()
    }

    /// Without it nobody knows whether the search finds anything: each of the bad ones is a way to lose data.
    #[test]
    fn known_histories_are_judged_as_they_must_be() {
        let swapped = |told| Some(Value::Swapped(told));
        let table: [(&str, Verdict, &[(Operation, Option<Value>)]); 9] = [
            ("no calls", Unknown, &[]),
            ("last write read", Held, &[(write(1), None), (write(2), None), (read(), shown(2))]),
            ("what was there before", Held, &[(read(), shown(9)), (read(), shown(9))]),
            ("stale read", Violated, &[(write(1), None), (write(2), None), (read(), shown(1))]),
            ("lost write", Violated, &[(read(), shown(0)), (write(1), None), (read(), shown(0))]),
            ("from nowhere", Violated, &[(write(1), None), (read(), shown(7))]),
            ("gone", Violated, &[(write(1), None), (read(), Some(Value::Register(None)))]),
            ("swapped", Held, &[(write(1), None), (swap(1, 2), swapped(true)), (read(), shown(2))]),
            ("swapped wrongly", Violated, &[(write(1), None), (swap(3, 2), swapped(true))]),
        ];
        for (name, expected, steps) in table {
            assert_eq!(verdict(&one_after_the_other(steps)), expected, "{name}");
        }
    }

    /// Without it a read that saw a write could be followed by one that does not.
    #[test]
    fn a_write_that_was_seen_stays_seen() {
        for (second, expected) in [(1, Held), (0, Violated)] {
            let recorder = one_after_the_other(&[(write(0), None)]);
            let open = recorder.invoke(1, 1, write(1));
            recorder.invoke(2, 2, read()).ok(3, shown(1), None);
            recorder.invoke(4, 3, read()).ok(5, shown(second), None);
            open.ok(6, None, None);
            assert_eq!(verdict(&recorder), expected, "then {second}");
        }
    }

    /// Without it a refused write that took effect would pass, or one of unknown end would be called a violation
    /// whenever it takes effect late, or never.
    #[test]
    fn only_a_write_of_unknown_end_may_take_effect_afterwards() {
        let begun = |end: fn(crate::history::OpenCall), reads: &[u64]| {
            let recorder = one_after_the_other(&[(write(0), None)]);
            end(recorder.invoke(1, 1, write(1)));
            for value in reads {
                recorder.invoke(2, 2, read()).ok(3, shown(*value), None);
            }
            verdict(&recorder)
        };
        let info = |call: crate::history::OpenCall| call.info(1, "silence".to_owned());
        let fail = |call: crate::history::OpenCall| call.fail(1, "refused".to_owned());
        assert_eq!(begun(info, &[0, 0, 1, 1]), Held);
        assert_eq!(begun(info, &[0, 0]), Held);
        assert_eq!(begun(info, &[0, 1, 0]), Violated);
        assert_eq!(begun(fail, &[0, 0]), Held);
        assert_eq!(begun(fail, &[0, 1]), Violated);
    }

    /// Without it one bad register among good ones could be missed, or the good ones be blamed.
    #[test]
    fn registers_are_judged_one_by_one() {
        let recorder = one_after_the_other(&[(write(1), None), (read(), shown(1))]);
        let other = |value| Operation::Write { key: "other".to_owned(), value };
        recorder.invoke(0, 0, other(5)).ok(0, None, None);
        assert_eq!(verdict(&recorder), Held);
        let stale = Operation::Read { key: "other".to_owned() };
        recorder.invoke(0, 0, stale).ok(0, shown(1), None);
        let findings = check(&recorder.events(), SEARCH_LIMIT);
        assert_eq!(findings.violations().len(), 1);
        assert!(findings.violations()[0].starts_with("other: "), "{:?}", findings.violations());
    }

    /// Without it a search that is given up on would count as a pass.
    #[test]
    fn a_search_without_a_result_is_no_pass() {
        let recorder = one_after_the_other(&[(write(0), None)]);
        // Forty writes of unknown end, and a read that none of them explains: every subset is tried.
        for value in 1..=40 {
            recorder.invoke(1, 1, write(value)).info(1, "silence".to_owned());
        }
        for _ in 0..40 {
            recorder.invoke(2, 2, read()).ok(3, shown(1), None);
            recorder.invoke(2, 2, read()).ok(3, shown(0), None);
        }
        let findings = check(&recorder.events(), Duration::from_millis(1));
        assert_eq!(findings.verdict(), Unknown, "{findings:?}");
    }

    /// Without it long runs could not be searched, or what happens around a cut would go unseen.
    #[test]
    fn long_histories_are_cut_and_nothing_is_lost_between() {
        let long = |stale_at: Option<u64>| {
            let recorder = Recorder::default();
            recorder.invoke(0, 9, write(1_000_000)).info(0, "silence".to_owned());
            for value in 0..4_000 {
                recorder.invoke(0, 0, write(value)).ok(0, None, None);
                let seen = if stale_at == Some(value) { value - 1 } else { value };
                recorder.invoke(0, 1, read()).ok(0, shown(seen), None);
            }
            recorder.invoke(0, 1, read()).ok(0, shown(1_000_000), None);
            check(&recorder.events(), SEARCH_LIMIT)
        };
        let whole = long(None);
        assert_eq!(whole.verdict(), Held, "{whole:?}");
        assert!(whole.record("r").evidence.contains("in 17 stretches"), "{whole:?}");
        // Around the place of a cut, and elsewhere.
        for stale_at in [1_234, 249, 250, 251] {
            assert_eq!(long(Some(stale_at)).verdict(), Violated, "{stale_at}");
        }
    }
}
