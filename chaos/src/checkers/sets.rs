//! What a set holds at the end, by every scan of it, against what clients were told.

use std::collections::BTreeMap;

use super::Findings;
use crate::history::{End, Event, Operation, PastCall, Value};

/// Finds elements that were acknowledged and are missing in a scan that began afterwards.
pub fn check_kept(history: &[Event]) -> Findings {
    let calls = PastCall::all(history);
    let (mut findings, mut scans) = (Findings::default(), 0);
    for scan in Scan::all(&calls) {
        scans += 1;
        for call in &calls {
            let Operation::Add { set, element } = call.operation else { continue };
            let End::Ok { at, .. } = call.end else { continue };
            if set != scan.set || at > scan.began {
                continue;
            }
            findings.checked(1);
            findings.expect(scan.elements.contains_key(element), || {
                format!("lost: {} has no {element} of {set}, which was acknowledged", scan.replica)
            });
        }
    }
    findings.figure(format!("{scans} scans"));
    findings
}

/// Finds elements that nobody added, or whose addition was refused.
pub fn check_phantoms(history: &[Event]) -> Findings {
    let calls = PastCall::all(history);
    let mut findings = Findings::default();
    let mut added: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    for call in &calls {
        if let Operation::Add { set, element } = call.operation {
            let may_be = added.entry((set, element)).or_default();
            *may_be |= call.end != End::Failed;
        }
    }
    for scan in Scan::all(&calls) {
        findings.checked(scan.elements.len());
        for element in scan.elements.keys() {
            let what = match added.get(&(scan.set, element)) {
                Some(true) => continue,
                Some(false) => "which was refused",
                None => "which nobody sent",
            };
            let Scan { replica, set, .. } = scan;
            findings.violated(format!("phantom: {replica} has {element} of {set}, {what}"));
        }
    }
    findings.figure(format!("{} elements were sent", added.len()));
    findings
}

/// Finds elements that are there more than once.
pub fn check_single(history: &[Event]) -> Findings {
    let calls = PastCall::all(history);
    let mut findings = Findings::default();
    for Scan { replica, set, elements, .. } in Scan::all(&calls) {
        findings.checked(elements.len());
        for (element, times) in elements {
            findings.expect(*times == 1, || {
                format!("applied twice: {replica} has {element} of {set} {times} times")
            });
        }
    }
    findings.figure("each is there once".to_owned());
    findings
}

/// A list of a set that was answered.
struct Scan<'a> {
    replica: &'a str,
    set: &'a str,
    began: usize,
    elements: &'a BTreeMap<String, u64>,
}

impl<'a> Scan<'a> {
    fn all(calls: &'a [PastCall<'a>]) -> impl Iterator<Item = Self> {
        calls.iter().filter_map(|call| match (call.operation, &call.end) {
            (
                Operation::Scan { set, replica },
                End::Ok { value: Some(Value::Elements(elements)), .. },
            ) => Some(Self { replica, set, began: call.began, elements }),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::Recorder,
        record::Verdict::{self, Held, Unknown, Violated},
    };

    fn scanned(elements: &[(&str, u64)]) -> Vec<Event> {
        let recorder = Recorder::default();
        let add =
            |element: &str| Operation::Add { set: "s".to_owned(), element: element.to_owned() };
        recorder.invoke(0, 0, add("kept")).ok(1, None, None);
        recorder.invoke(0, 0, add("open")).info(1, "silence".to_owned());
        recorder.invoke(0, 0, add("refused")).fail(1, "full".to_owned());
        let elements = elements.iter().map(|&(element, times)| (element.to_owned(), times));
        let scan = Operation::Scan { set: "s".to_owned(), replica: "r1".to_owned() };
        let scan = recorder.invoke(2, 0, scan);
        // It is acknowledged after the scan began.
        recorder.invoke(2, 1, add("late")).ok(3, None, None);
        scan.ok(4, Some(Value::Elements(elements.collect())), None);
        recorder.events()
    }

    /// Without it the checks could pass over the very things they are for.
    #[test]
    fn each_kind_of_violation_is_found_by_its_check_alone() {
        type Row<'a> = (&'a [(&'a str, u64)], [Verdict; 3]);
        let table: [Row<'_>; 7] = [
            (&[("kept", 1)], [Held, Held, Held]),
            (&[("kept", 1), ("open", 1), ("late", 1)], [Held, Held, Held]),
            (&[], [Violated, Unknown, Unknown]),
            (&[("open", 1)], [Violated, Held, Held]),
            (&[("kept", 1), ("refused", 1)], [Held, Violated, Held]),
            (&[("kept", 1), ("stranger", 1)], [Held, Violated, Held]),
            (&[("kept", 2)], [Held, Held, Violated]),
        ];
        for (elements, expected) in table {
            let history = scanned(elements);
            let found = [check_kept(&history), check_phantoms(&history), check_single(&history)];
            assert_eq!(found.map(|findings| findings.verdict()), expected, "{elements:?}");
        }
    }

    /// Without it a history that nobody scanned at its end would pass.
    #[test]
    fn without_a_scan_nothing_is_known() {
        let recorder = Recorder::default();
        let add = Operation::Add { set: "s".to_owned(), element: "a".to_owned() };
        recorder.invoke(0, 0, add).ok(1, None, None);
        assert_eq!(check_kept(&recorder.events()).verdict(), Unknown);
    }
}
