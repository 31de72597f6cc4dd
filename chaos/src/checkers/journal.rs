//! Whether journals have no gap, tell the same on all replicas, and were told whole to those who watched them.

use std::collections::BTreeMap;

use navarch_proto::api::FleetEvent;

use super::Findings;

/// Finds gaps and duplicates in each replica's journal. Its oldest events may be gone, none in between.
pub fn check_contiguous(journals: &BTreeMap<String, Vec<FleetEvent>>) -> Findings {
    let mut findings = Findings::default();
    for (replica, events) in journals {
        let indices: Vec<_> = events.iter().map(|event| event.index).collect();
        findings.checked(indices.len());
        findings.merge(follow_each_other(replica, &indices));
    }
    findings.figure(format!("journals of {} replicas", journals.len()));
    findings
}

/// Finds events that two replicas tell differently under one index.
pub fn check_equal(journals: &BTreeMap<String, Vec<FleetEvent>>) -> Findings {
    let mut findings = Findings::default();
    let mut told: BTreeMap<u64, (&str, &FleetEvent)> = BTreeMap::new();
    for (replica, events) in journals {
        for event in events {
            let Some((first, known)) = told.get(&event.index) else {
                told.insert(event.index, (replica, event));
                continue;
            };
            findings.checked(1);
            findings.expect(*known == event, || {
                format!("event {} is {known:?} on {first} and {event:?} on {replica}", event.index)
            });
        }
    }
    findings.figure(format!("{} events of {} replicas", told.len(), journals.len()));
    findings
}

/// Finds gaps and duplicates in `indices`, which a watch told that began after `since` and was resumed however
/// often.
pub fn check_watch(watcher: &str, since: u64, indices: &[u64]) -> Findings {
    let mut findings = Findings::default();
    findings.checked(indices.len());
    if let Some(first) = indices.first() {
        let expected = since + 1;
        findings.expect(*first == expected, || {
            format!("{watcher} asked for event {expected} and was first told {first}")
        });
    }
    findings.merge(follow_each_other(watcher, indices));
    findings
}

fn follow_each_other(who: &str, indices: &[u64]) -> Findings {
    let mut findings = Findings::default();
    for pair in indices.windows(2) {
        findings.expect(pair[1] == pair[0] + 1, || {
            format!("{who} tells event {} after event {}", pair[1], pair[0])
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verdict::{self, Held, Unknown, Violated};

    fn journals(of: &[&[(u64, &str)]]) -> BTreeMap<String, Vec<FleetEvent>> {
        let event = |&(index, kind): &(u64, &str)| FleetEvent {
            index,
            kind: kind.to_owned(),
            ..FleetEvent::default()
        };
        let journal = |(number, events): (usize, &&[(u64, &str)])| {
            (format!("r{number}"), events.iter().map(event).collect())
        };
        of.iter().enumerate().map(journal).collect()
    }

    /// Without it a replica could drop an event, tell one twice, or tell a story of its own.
    #[test]
    fn gaps_duplicates_and_differences_are_found() {
        type Row<'a> = (&'a [&'a [(u64, &'a str)]], Verdict, Verdict);
        let table: [Row<'_>; 6] = [
            (&[], Unknown, Unknown),
            (&[&[(1, "a"), (2, "b")], &[(1, "a"), (2, "b"), (3, "c")]], Held, Held),
            (&[&[(4, "a"), (5, "b")], &[(5, "b")]], Held, Held),
            (&[&[(1, "a"), (3, "b")], &[(1, "a")]], Violated, Held),
            (&[&[(1, "a"), (1, "a")]], Violated, Held),
            (&[&[(1, "a"), (2, "b")], &[(1, "a"), (2, "c")]], Held, Violated),
        ];
        for (events, contiguous, equal) in table {
            let journals = journals(events);
            assert_eq!(check_contiguous(&journals).verdict(), contiguous, "{events:?}");
            assert_eq!(check_equal(&journals).verdict(), equal, "{events:?}");
        }
    }

    /// Without it a watch that is resumed could skip what happened in between, or tell it twice.
    #[test]
    fn watches_are_whole() {
        let table: [(u64, &[u64], Verdict); 5] = [
            (4, &[5, 6, 7], Held),
            (4, &[], Unknown),
            (4, &[6, 7], Violated),
            (4, &[5, 7], Violated),
            (4, &[5, 6, 6, 7], Violated),
        ];
        for (since, indices, expected) in table {
            assert_eq!(check_watch("w", since, indices).verdict(), expected, "{indices:?}");
        }
    }
}
