use maud::{Markup, html};

use super::{
    Digest,
    strips::strips,
    words::{bytes, millis, number},
};
use crate::{record::AvailabilityRecord, report::Spread};

/// How long clients waited.
pub(super) fn availability(digest: &Digest) -> Markup {
    let any = digest.availability().next().is_some();
    html! {
        section aria-labelledby="availability" {
            h2 id="availability" { "How long clients waited" }
            @if any {
                (strips(digest))
                (table(digest))
                p.hint {
                    "First write: from the fault until a write that began after it was acknowledged, through a client that \
                     balances; where the leader hands over before it goes, the longest time between two acknowledgements \
                     around the fault. Detect, elect and first act tell where that time went, in the median."
                }
            } @else {
                p.none { "Nothing in this folder measures how long clients wait after a fault." }
            }
        }
    }
}

fn table(digest: &Digest) -> Markup {
    html! {
        div.scroll { table {
            caption { "Waits after each fault, with what is claimed, and etcd beside where it was struck likewise" }
            thead { tr {
                th { "Fault" } th { "System" } th.number { "Times" } th.number { "Half within" }
                th.number { "99 of 100" } th.number { "Longest" } th { "Claimed" } th.number { "Detect" } th.number { "Elect" } th.number { "First act" }
                th.number { "Load back" } th.number { "Calls" }
            } }
            tbody { @for (_, record) in digest.availability() { (row(record)) } }
        } }
    }
}

fn row(record: &AvailabilityRecord) -> Markup {
    let AvailabilityRecord { fault, load, system, first_write: wait, .. } = record;
    let half = |spread: Option<Spread>| spread.map(|spread| millis(spread.p50_ms));
    html! {
        tr.theirs[system != "navarch"] {
            th scope="row" { code { (fault) } br; small { (load) } }
            td { (system) }
            td.number { (number(wait.count as u64)) }
            @for ms in [wait.p50_ms, wait.p99_ms, wait.max_ms] { td.number { (millis(ms)) } }
            td { (claimed(record)) }
            @for spread in [record.detect, record.elect, record.first_act] {
                td.number { (or_dash(half(spread))) }
            }
            td.number {
                @match recovery(record) {
                    None => span.zero { "–" },
                    Some((back, seen)) => {
                        (back)
                        @if let Some(seen) = seen { br; small { (seen) } }
                    }
                }
            }
            td.number {
                (number(record.failed_calls + record.acknowledged_calls))
                br; small { (number(record.failed_calls)) " failed" }
            }
        }
    }
}

fn or_dash(text: Option<String>) -> Markup {
    html! { @match text { Some(text) => (text), None => span.zero { "–" } } }
}

/// When throughput was back, and after how many faults that was seen if not after all.
pub(super) fn recovery(record: &AvailabilityRecord) -> Option<(String, Option<String>)> {
    let (spread, all) = (record.recovery?, record.first_write.count);
    let seen = (spread.count < all).then(|| format!("seen {} of {all} times", spread.count));
    Some((millis(spread.p50_ms), seen))
}

fn claimed(record: &AvailabilityRecord) -> Markup {
    html! {
        @match record.target() {
            None => span.zero { "–" },
            Some(target) => {
                @if record.misses().is_empty() {
                    span.verdict.held { span aria-hidden="true" { "✔" } " met" }
                } @else {
                    span.verdict.missed { span aria-hidden="true" { "!" } " missed" }
                }
                br; small { (target.words()) }
            }
        }
    }
}

/// How long replicas without a disk took to come back; nothing if nobody measured it.
pub(super) fn rejoin(digest: &Digest) -> Markup {
    let all: Vec<_> = digest.runs.iter().flat_map(|run| &run.rejoin).collect();
    html! {
        @if !all.is_empty() {
            section aria-labelledby="rejoin" {
                h2 id="rejoin" { "Replicas that lost their disk" }
                div.scroll { table {
                    caption { "From the start with an empty disk until the replica serves, by the size of the state" }
                    thead { tr {
                        th.number { "Nodes" } th.number { "Snapshot" } th.number { "Times" } th.number { "p50" }
                        th.number { "Longest" }
                    } }
                    tbody { @for record in all {
                        tr {
                            th.number scope="row" { (number(record.nodes)) }
                            td.number { @if record.snapshot_bytes == 0 { "none: the log" } @else { (bytes(record.snapshot_bytes)) } }
                            td.number { (number(record.took.count as u64)) }
                            td.number { (millis(record.took.p50_ms)) }
                            td.number { (millis(record.took.max_ms)) }
                        }
                    } }
                } }
            }
        }
    }
}
