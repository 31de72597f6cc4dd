use maud::{Markup, html};

use super::{
    axis::{Axis, path, place},
    findings::title,
    words::{duration, number},
};
use crate::record::{FaultRecord, Injection, LoadPoint, RunRecord};

/// Where curves begin and end; names stand to their left.
const LEFT: f64 = 170.0;
const RIGHT: f64 = 990.0;

/// Curves are drawn with so many points at most.
const COLUMNS: u64 = 400;

/// Height of a fault's lane, of each curve, and of what lies between.
const LANE: f64 = 20.0;
const CURVE: f64 = 120.0;
const SPACE: f64 = 22.0;

/// Neighbouring slices of a run as one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Column {
    /// Its middle, milliseconds since the run's start.
    pub(super) at_ms: f64,
    /// Acknowledged a second: on the average, and in its worst slice.
    pub(super) rate: f64,
    pub(super) lowest: f64,
    pub(super) failed: u64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// A run over time: its faults above what clients saw. Nothing where nobody measured load.
pub(super) fn timeline(run: &RunRecord) -> Markup {
    if run.load.is_empty() {
        return html! {};
    }
    let end_ms = run.load.iter().map(|point| point.at_ms + point.length_ms).max().unwrap_or(0);
    let columns = columns(&run.load, end_ms.max(run.took_ms));
    let lanes = lanes(&run.faults);
    let time = Axis::even((LEFT, RIGHT), 0.0, end_ms.max(run.took_ms) as f64);
    let faults = LANE * lanes.len() as f64 + SPACE;
    let rates = (faults + CURVE, faults);
    let latencies = (faults + 2.0 * CURVE + SPACE, faults + CURVE + SPACE);
    let height = latencies.0 + SPACE;
    let title = title(run);
    html! {
        div.scroll {
            svg viewBox=(format!("0 0 1000 {height:.0}")) role="img" aria-labelledby=(id(run)) {
                title id=(id(run)) { "Faults, throughput and latency of " (title) " over time" }
                (time_axis(&time, latencies.0))
                @for (number, (name, faults)) in lanes.iter().enumerate() {
                    (lane(name, faults, (&time, LANE * number as f64)))
                }
                (throughput(&columns, &time, rates))
                (latency(&columns, &time, latencies))
            }
        }
    }
}

fn id(run: &RunRecord) -> String {
    format!("run-{}-{}", run.started_unix_ms, run.took_ms)
}

/// Faults of our own groups by their names: those of a group beside ours are none of this curve's.
fn lanes(faults: &[FaultRecord]) -> Vec<(&str, Vec<&FaultRecord>)> {
    let mut lanes: Vec<(&str, Vec<&FaultRecord>)> = Vec::new();
    let ours =
        |fault: &&FaultRecord| !fault.targets.iter().any(|target| target.starts_with("etcd"));
    for fault in faults.iter().filter(ours) {
        match lanes.iter_mut().find(|(name, _)| *name == fault.fault) {
            Some((_, lane)) => lane.push(fault),
            None => lanes.push((&fault.fault, vec![fault])),
        }
    }
    lanes
}

fn lane(name: &str, faults: &[&FaultRecord], (time, top): (&Axis, f64)) -> Markup {
    html! {
        text.name x=(place(LEFT - 8.0)) y=(place(top + LANE * 0.7)) text-anchor="end" { (name) }
        line.lane x1=(place(LEFT)) x2=(place(RIGHT)) y1=(place(top + LANE / 2.0)) y2=(place(top + LANE / 2.0)) {}
        @for fault in faults {
            @let from = time.at(fault.from_ms as f64);
            @let until = fault.until_ms.map_or(from, |until| time.at(until as f64));
            rect.fault.(word(fault.injection)) x=(place(from)) y=(place(top + 3.0))
                width=(place((until - from).max(2.5))) height=(place(LANE - 6.0)) rx="2" {
                title {
                    (name) " " (word(fault.injection)) " at " (duration(fault.from_ms)) ": "
                    (fault.targets.join(", "))
                    @if !fault.why.is_empty() { " (" (fault.why) ")" }
                }
            }
        }
    }
}

/// As it is called on the page.
pub(super) fn word(injection: Injection) -> &'static str {
    match injection {
        Injection::Injected => "injected",
        Injection::Skipped => "skipped",
        Injection::Indeterminate => "indeterminate",
    }
}

pub(super) fn columns(load: &[LoadPoint], end_ms: u64) -> Vec<Option<Column>> {
    let width_ms =
        end_ms.div_ceil(COLUMNS).max(load.first().map_or(1, |point| point.length_ms)).max(1);
    let mut columns = Vec::new();
    let mut begin_ms = 0;
    let mut rest = load;
    while begin_ms <= end_ms && !rest.is_empty() {
        let inside = rest.iter().take_while(|point| point.at_ms < begin_ms + width_ms).count();
        let (slices, later) = rest.split_at(inside);
        rest = later;
        columns.push(column(slices, begin_ms + width_ms / 2));
        begin_ms += width_ms;
    }
    columns
}

fn column(slices: &[LoadPoint], at_ms: u64) -> Option<Column> {
    let length_ms: u64 = slices.iter().map(|slice| slice.length_ms).sum();
    if length_ms == 0 {
        return None;
    }
    let rate = |count: u64, length_ms: u64| count as f64 * 1e3 / length_ms.max(1) as f64;
    let answered = slices.iter().filter(|slice| slice.acknowledged > 0);
    let highest = |of: fn(&LoadPoint) -> f64| answered.clone().map(of).fold(0.0, f64::max);
    Some(Column {
        at_ms: at_ms as f64,
        rate: rate(slices.iter().map(|slice| slice.acknowledged).sum(), length_ms),
        lowest: slices
            .iter()
            .map(|slice| rate(slice.acknowledged, slice.length_ms))
            .fold(f64::INFINITY, f64::min),
        failed: slices.iter().map(|slice| slice.failed).sum(),
        p50_ms: highest(|slice| slice.p50_ms),
        p99_ms: highest(|slice| slice.p99_ms),
    })
}

fn throughput(columns: &[Option<Column>], time: &Axis, (bottom, top): (f64, f64)) -> Markup {
    let most = columns.iter().flatten().map(|column| column.rate).fold(1.0, f64::max);
    let rates = Axis::even((bottom, top), 0.0, most * 1.05);
    let line = |of: fn(&Column) -> f64| {
        let points = columns.iter().map(|column| {
            column.as_ref().map(|column| (time.at(column.at_ms), rates.at(of(column))))
        });
        path(&points.collect::<Vec<_>>())
    };
    html! {
        (grid(&rates, "writes a second", "mean; thin: worst slice", number_of))
        path.lowest d=(line(|column| column.lowest)) {}
        path.rate d=(line(|column| column.rate)) {}
        @for column in columns.iter().flatten().filter(|column| column.failed > 0) {
            text.failed x=(place(time.at(column.at_ms))) y=(place(bottom - 4.0)) text-anchor="middle" {
                title { (number(column.failed)) " calls failed" } "✘"
            }
        }
    }
}

fn latency(columns: &[Option<Column>], time: &Axis, (bottom, top): (f64, f64)) -> Markup {
    let most = columns.iter().flatten().map(|column| column.p99_ms).fold(10.0, f64::max);
    let latencies = Axis::powers((bottom, top), 0.5, most * 1.1);
    let line = |of: fn(&Column) -> f64| {
        let points = columns.iter().map(|column| {
            let column = column.as_ref().filter(|column| of(column) > 0.0);
            column.map(|column| (time.at(column.at_ms), latencies.at(of(column))))
        });
        path(&points.collect::<Vec<_>>())
    };
    html! {
        (grid(&latencies, "latency", "p99; thin: p50", |tick| format!("{tick} ms")))
        path.p50 d=(line(|column| column.p50_ms)) {}
        path.p99 d=(line(|column| column.p99_ms)) {}
    }
}

fn number_of(tick: f64) -> String {
    if tick >= 1_000.0 { format!("{}k", tick / 1_000.0) } else { format!("{tick}") }
}

/// The lines behind a curve, with its name.
pub(super) fn grid(axis: &Axis, name: &str, hint: &str, tell: impl Fn(f64) -> String) -> Markup {
    html! {
        @for tick in axis.ticks(4.0) {
            line.grid x1=(place(LEFT)) x2=(place(RIGHT)) y1=(place(axis.at(tick))) y2=(place(axis.at(tick))) {}
            text.tick x=(place(LEFT - 8.0)) y=(place(axis.at(tick) + 4.0)) text-anchor="end" { (tell(tick)) }
        }
        text.name x="4" y=(place(axis.to + 14.0)) { (name) }
        text.tick x="4" y=(place(axis.to + 30.0)) { (hint) }
    }
}

fn time_axis(time: &Axis, bottom: f64) -> Markup {
    html! {
        @for tick in time.ticks(8.0) {
            line.grid x1=(place(time.at(tick))) x2=(place(time.at(tick))) y1="0" y2=(place(bottom)) {}
            text.tick x=(place(time.at(tick))) y=(place(bottom + 15.0)) text-anchor="middle" {
                (seconds(tick))
            }
        }
    }
}

/// Milliseconds on a time axis.
pub(super) fn seconds(ms: f64) -> String {
    if ms.abs() >= 120_000.0 {
        format!("{:.1} min", ms / 60_000.0)
    } else {
        format!("{} s", ms / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a second without an answer would vanish among the ones around it.
    #[test]
    fn the_worst_slice_survives_the_summary() {
        let point = |at_ms, acknowledged| LoadPoint {
            at_ms,
            length_ms: 100,
            acknowledged,
            p99_ms: 3.0,
            ..LoadPoint::default()
        };
        let load: Vec<_> =
            (0..800).map(|at| point(at * 100, if at == 301 { 0 } else { 50 })).collect();
        let columns = columns(&load, 80_000);
        assert_eq!(columns.len(), 400);
        let hit = columns[150].unwrap();
        assert!((hit.lowest, hit.rate) == (0.0, 250.0), "{hit:?}");
        assert!((columns[149].unwrap().lowest - 500.0).abs() < 1e-9);
        // Nobody measured the first half.
        let late = super::columns(&load[400..], 80_000);
        assert_eq!((late[10], late[300].map(|column| column.rate)), (None, Some(500.0)));
    }
}
