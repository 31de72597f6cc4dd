//! Whether a client was ever shown an older state than it had been shown before, whichever replicas it asked, and
//! whether each page of the journal went on where it was asked to.

use std::collections::BTreeMap;

use super::{Findings, journal};
use crate::history::{End, Event, Operation, PastCall, Value};

/// Finds answers that reflect an older index than an earlier answer to the same client.
pub fn check_forward(history: &[Event]) -> Findings {
    let mut findings = Findings::default();
    // Of each client the newest index that it was shown, and where that answer ends.
    let mut shown: BTreeMap<u32, Vec<(usize, u64)>> = BTreeMap::new();
    for call in PastCall::all(history) {
        let End::Ok { at, index: Some(index), .. } = call.end else { continue };
        let before = shown.entry(call.client).or_default();
        findings.checked(1);
        // Only what came back before this was sent binds it; a client's calls follow each other, so look back a little.
        let newest = before.iter().rev().find(|(ended, _)| *ended < call.began);
        if let Some((_, newest)) = newest {
            findings.expect(index >= *newest, || {
                format!("client {} was shown index {index} after {newest}", call.client)
            });
        }
        before.push((at, index.max(newest.map_or(0, |(_, newest)| *newest))));
    }
    findings.figure(format!("answers to {} clients", shown.len()));
    findings
}

/// Finds pages of the journal that did not begin where they were asked to, or have gaps.
pub fn check_pages(history: &[Event]) -> Findings {
    let (mut findings, mut pages) = (Findings::default(), 0);
    for call in PastCall::all(history) {
        if let Operation::ReadJournal { since } = call.operation
            && let End::Ok { value: Some(Value::Journal(indices)), .. } = call.end
        {
            let reader = format!("client {}", call.client);
            findings.merge(journal::check_watch(&reader, *since, indices));
            pages += 1;
        }
    }
    findings.figure(format!("{pages} pages"));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::Recorder,
        record::Verdict::{Held, Unknown, Violated},
    };

    fn read() -> Operation {
        Operation::Read { key: "k".to_owned() }
    }

    /// Without it a client that changes replicas could be thrown back in time.
    #[test]
    fn a_client_is_never_shown_less_than_before() {
        let recorder = Recorder::default();
        assert_eq!(check_forward(&recorder.events()).verdict(), Unknown);
        for (client, index) in [(1, 5), (2, 3), (1, 5), (2, 4)] {
            recorder.invoke(0, client, read()).ok(0, None, Some(index));
        }
        // Two calls of a client at once bind each other to nothing.
        let open = recorder.invoke(0, 2, read());
        recorder.invoke(0, 2, read()).ok(0, None, Some(9));
        open.ok(0, None, Some(8));
        assert_eq!(check_forward(&recorder.events()).verdict(), Held);
        recorder.invoke(0, 2, read()).ok(0, None, Some(7));
        assert_eq!(check_forward(&recorder.events()).verdict(), Violated);
    }

    /// Without it a page of the journal could leave out what its reader has not seen.
    #[test]
    fn pages_go_on_where_they_were_asked_to() {
        for (indices, expected) in [(vec![4, 5], Held), (vec![5, 6], Violated), (vec![], Unknown)] {
            let recorder = Recorder::default();
            let page = recorder.invoke(0, 0, Operation::ReadJournal { since: 3 });
            page.ok(0, Some(Value::Journal(indices)), None);
            assert_eq!(check_pages(&recorder.events()).verdict(), expected);
        }
    }
}
