use maud::{Markup, html};

use super::{
    axis::{Axis, place},
    digest::Digest,
    words::millis,
};
use crate::record::AvailabilityRecord;

const PLOT: (f64, f64) = (265.0, 860.0);
const ROW: f64 = 26.0;

/// What clients wait after each fault, ours and theirs under each other: from the median to the worst, and what is
/// claimed.
pub(super) fn strips(digest: &Digest) -> Markup {
    let all: Vec<_> = digest.availability().map(|(_, record)| record).collect();
    let most = all.iter().map(|record| record.first_write.max_ms).fold(100.0, f64::max);
    let waits = Axis::powers(PLOT, 1.0, most * 1.3);
    let height = ROW * all.len() as f64;
    html! {
        div.scroll {
            svg viewBox=(format!("0 0 1000 {:.0}", height + 24.0)) role="img" aria-labelledby="strips" {
                title id="strips" { "How long clients waited after each fault, from the median to the longest" }
                @for tick in waits.ticks(5.0) {
                    line.grid x1=(place(waits.at(tick))) x2=(place(waits.at(tick))) y1="0" y2=(place(height)) {}
                    text.tick x=(place(waits.at(tick))) y=(place(height + 16.0)) text-anchor="middle" { (millis(tick)) }
                }
                @for (number, record) in all.iter().enumerate() {
                    (strip(record, &waits, ROW * (number as f64 + 0.5)))
                }
            }
        }
        p.hint {
            "Circle: median. Bar: to the longest. Diamonds: etcd's median. Upright stroke: the most that is claimed. \
             Each step to the right is ten times as long."
        }
    }
}

fn strip(record: &AvailabilityRecord, waits: &Axis, middle: f64) -> Markup {
    let AvailabilityRecord { system, fault, load, first_write, .. } = record;
    let (half, longest) = (waits.at(first_write.p50_ms), waits.at(first_write.max_ms));
    let ours = system == "navarch";
    let class = if ours { "ours" } else { "theirs" };
    html! {
        text.name x=(place(PLOT.0 - 10.0)) y=(place(middle + 4.0)) text-anchor="end" {
            (fault) ", " (load) ", " (system)
        }
        rect.bar.(class) x=(place(half)) y=(place(middle - 4.0)) width=(place((longest - half).max(1.0))) height="8" rx="4" {
            title { (system) ", " (fault) ", " (load) ": " (first_write.words()) }
        }
        @if ours {
            circle.dot.(class) cx=(place(half)) cy=(place(middle)) r="6" {}
        } @else {
            rect.dot.(class) x=(place(half - 5.0)) y=(place(middle - 5.0)) width="10" height="10"
                transform=(format!("rotate(45 {half:.1} {middle:.1})")) {}
        }
        // Beside the stroke, not under it.
        @let end = record.target().map_or(longest, |target| longest.max(waits.at(target.max_ms)));
        text.tick x=(place(end + 10.0)) y=(place(middle + 4.0)) { (millis(first_write.p50_ms)) " to " (millis(first_write.max_ms)) }
        @if let Some(target) = record.target() {
            @let most = waits.at(target.max_ms);
            line.target x1=(place(most)) x2=(place(most)) y1=(place(middle - 10.0)) y2=(place(middle + 10.0)) {
                title { "claimed: " (target.words()) }
            }
        }
    }
}
