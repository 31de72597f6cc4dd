use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::json;

use crate::cli::{
    failure::Failure,
    output::{Cell, Column, Format, Printer, render},
};

/// What passes took.
#[derive(Default)]
pub(super) struct Costs {
    by_controller: BTreeMap<&'static str, Vec<Cost>>,
}

#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    processor: Duration,
}

/// Of several passes of one controller, or of all of them together, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Line {
    controller: &'static str,
    /// Of one processor, the median.
    cpu_ms: f64,
    /// Of one processor, the dearest pass.
    cpu_ms_max: f64,
    /// By the clock, the median.
    wall_ms: f64,
}

impl Costs {
    /// One more pass.
    pub(super) fn add(&mut self, controller: &'static str, wall: Duration, processor: Duration) {
        self.by_controller.entry(controller).or_default().push(Cost { wall, processor });
    }

    /// All controllers together, and each, the dearest first.
    fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<Line> =
            self.by_controller.iter().map(|(name, costs)| line(name, costs)).collect();
        lines.sort_by(|left, right| right.cpu_ms.total_cmp(&left.cpu_ms));
        lines.insert(0, line("all", &self.rounds()));
        lines
    }

    /// The first pass of all controllers, the second, and so on.
    fn rounds(&self) -> Vec<Cost> {
        let mut rounds: Vec<Cost> = Vec::new();
        for costs in self.by_controller.values() {
            for (place, cost) in costs.iter().enumerate() {
                match rounds.get_mut(place) {
                    Some(round) => {
                        round.wall += cost.wall;
                        round.processor += cost.processor;
                    }
                    None => rounds.push(*cost),
                }
            }
        }
        rounds
    }

    /// Writes them for a fleet of so many nodes and pools.
    pub(super) fn print(
        &self,
        (nodes, pools): (usize, usize),
        printer: &mut Printer,
    ) -> Result<(), Failure> {
        const COLUMNS: &[Column] = &[
            Column::always("CONTROLLER"),
            Column::always("CPU MS (MEDIAN)"),
            Column::always("CPU MS (MAX)"),
            Column::always("WALL MS (MEDIAN)"),
        ];
        let lines = self.lines();
        match printer.format() {
            Format::Json | Format::Yaml => {
                printer.value(&json!({ "nodes": nodes, "pools": pools, "passes": lines }))
            }
            Format::Table | Format::Wide | Format::Name => {
                let row = |line: &Line| {
                    let figures = [line.cpu_ms, line.cpu_ms_max, line.wall_ms];
                    let figures = figures.iter().map(|one| Cell::from(format!("{one:.3}")));
                    std::iter::once(Cell::from(line.controller)).chain(figures).collect()
                };
                let rows: Vec<Vec<Cell>> = lines.iter().map(row).collect();
                let screen = printer.screen();
                printer.line(&render(COLUMNS, &rows, true, screen))
            }
        }
    }
}

fn line(controller: &'static str, costs: &[Cost]) -> Line {
    let sorted = |of: fn(&Cost) -> Duration| {
        let mut times: Vec<Duration> = costs.iter().map(of).collect();
        times.sort_unstable();
        times
    };
    let (processor, wall) = (sorted(|cost| cost.processor), sorted(|cost| cost.wall));
    Line {
        controller,
        cpu_ms: millis(median(&processor)),
        cpu_ms_max: millis(processor.last().copied().unwrap_or_default()),
        wall_ms: millis(median(&wall)),
    }
}

fn median(sorted: &[Duration]) -> Duration {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it the sum of the medians would pass for the median of the sums, or the first pass for the median.
    #[test]
    fn all_is_the_median_of_whole_rounds() {
        let mut costs = Costs::default();
        for (first, second) in [(1, 30), (2, 10), (9, 20)] {
            let both = |ms| (Duration::from_millis(ms), Duration::from_millis(ms));
            let ((wall, processor), other) = (both(first), both(second));
            costs.add("first", wall, processor);
            costs.add("second", other.0, other.1);
        }
        let told: Vec<_> =
            costs.lines().iter().map(|one| (one.controller, one.cpu_ms, one.cpu_ms_max)).collect();
        assert_eq!(told, [("all", 29.0, 31.0), ("second", 20.0, 30.0), ("first", 2.0, 9.0)]);
    }
}
