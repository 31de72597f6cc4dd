use maud::{Markup, html};

use super::{
    axis::{Axis, path, place},
    timeline::{grid, seconds},
    words::count,
};
use crate::record::{FaultRecord, Injection, LoadPoint, RunRecord};

/// What is shown before and after a fault, milliseconds.
const BEFORE_MS: u64 = 500;
const AFTER_MS: u64 = 3_000;

/// Fewer faults are seen well enough in the timeline.
const LEAST: usize = 3;

const PLOT: (f64, f64) = (170.0, 990.0);
const HEIGHT: f64 = 150.0;

/// Throughput at one distance from the fault, over all faults: acknowledged a second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Distance {
    ms: f64,
    least: f64,
    middle: f64,
    most: f64,
}

/// All faults of a run on top of each other: what throughput does around one.
pub(super) fn around(run: &RunRecord) -> Markup {
    let ours = run.faults.iter().filter(|fault| {
        let theirs = fault.targets.iter().any(|target| target.starts_with("etcd"));
        fault.injection == Injection::Injected && !theirs
    });
    let faults: Vec<_> = ours.collect();
    let distances = distances(&faults, &run.load);
    if faults.len() < LEAST || distances.is_empty() {
        return html! {};
    }
    let most = distances.iter().map(|distance| distance.most).fold(1.0, f64::max);
    let rates = Axis::even((HEIGHT, 4.0), 0.0, most * 1.05);
    let time = Axis::even(PLOT, -(BEFORE_MS as f64), AFTER_MS as f64);
    let line = |of: fn(&Distance) -> f64| {
        distances.iter().map(|it| Some((time.at(it.ms), rates.at(of(it))))).collect::<Vec<_>>()
    };
    let mut band = line(|distance| distance.most);
    band.extend(line(|distance| distance.least).into_iter().rev());
    let id = format!("around-{}-{}", run.started_unix_ms, run.took_ms);
    html! {
        div.scroll {
            svg viewBox=(format!("0 0 1000 {:.0}", HEIGHT + 22.0)) role="img" aria-labelledby=(id) {
                title id=(id) { "Throughput around a fault, over " (count(faults.len() as u64, "fault", "faults")) }
                (grid(&rates, "around a fault", "median and range", |tick| format!("{tick}/s")))
                path.band d={ (path(&band)) "Z" } {}
                path.rate d=(path(&line(|distance| distance.middle))) {}
                line.moment x1=(place(time.at(0.0))) x2=(place(time.at(0.0))) y1="0" y2=(place(HEIGHT)) {}
                @for tick in time.ticks(7.0) {
                    text.tick x=(place(time.at(tick))) y=(place(HEIGHT + 15.0)) text-anchor="middle" { (seconds(tick)) }
                }
            }
        }
    }
}

fn distances(faults: &[&FaultRecord], load: &[LoadPoint]) -> Vec<Distance> {
    let length_ms = load.first().map_or(0, |point| point.length_ms).max(1);
    let slices = (BEFORE_MS + AFTER_MS) / length_ms;
    let at = |number: u64| {
        // The slice that holds this moment, for each fault after which it was measured.
        let rates = faults.iter().filter_map(|fault| {
            let moment_ms = (fault.from_ms + number * length_ms).checked_sub(BEFORE_MS)?;
            let later = load.partition_point(|point| point.at_ms <= moment_ms);
            let point = load.get(later.checked_sub(1)?)?;
            let inside = moment_ms < point.at_ms + point.length_ms;
            inside.then(|| point.acknowledged as f64 * 1e3 / point.length_ms.max(1) as f64)
        });
        let mut rates: Vec<_> = rates.collect();
        rates.sort_by(f64::total_cmp);
        Some(Distance {
            ms: (number * length_ms) as f64 - BEFORE_MS as f64,
            least: *rates.first()?,
            middle: *rates.get(rates.len() / 2)?,
            most: *rates.last()?,
        })
    };
    (0..=slices).map_while(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it faults at different times would smear each other's silence.
    #[test]
    fn faults_lie_on_top_of_each_other() {
        let quiet = |ms: u64| (1_000..1_600).contains(&ms) || (5_000..5_600).contains(&ms);
        let load: Vec<_> = (0..90)
            .map(|slice| LoadPoint {
                at_ms: slice * 100,
                length_ms: 100,
                acknowledged: if quiet(slice * 100) { 0 } else { 40 },
                ..LoadPoint::default()
            })
            .collect();
        let fault = |from_ms| FaultRecord {
            fault: "kill-leader".to_owned(),
            targets: Vec::new(),
            from_ms,
            until_ms: None,
            injection: Injection::Injected,
            why: String::new(),
        };
        let faults = [fault(1_000), fault(5_000)];
        let found = distances(&faults.iter().collect::<Vec<_>>(), &load);
        let silent: Vec<_> = found.iter().filter(|it| it.middle == 0.0).map(|it| it.ms).collect();
        assert_eq!(silent, [0.0, 100.0, 200.0, 300.0, 400.0, 500.0]);
        assert!((found[0].ms, found[0].least) == (-500.0, 400.0), "{:?}", found[0]);
    }
}
