use std::{hint::black_box, time::Duration};

use navarch_fleet::{LogTime, NodeHistory};
use navarch_host::Clock;
use navarch_proto::api::{HealthEvent, ReportHealthRequest};
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::{
        failure::Failure,
        output::{Cell, Column, Format, Printer, render},
    },
    health::{Past, Policy},
};

/// Evaluations of one sample at least: below it the clock's own steps show.
const LEAST: Duration = Duration::from_micros(200);

/// What one policy takes for one event, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Timing {
    policy: String,
    /// The most that is promised of it.
    bound_us: u64,
    median_us: f64,
    p99_us: f64,
    max_us: f64,
}

impl Timing {
    /// Judges reports of one event each, in turn, for a while.
    pub(super) fn of(
        (name, policy): (&str, &Policy),
        events: &[HealthEvent],
        history: &NodeHistory,
        (clock, duration): (&Clock, Duration),
    ) -> Result<Self, Failure> {
        let reports: Vec<ReportHealthRequest> = events
            .iter()
            .map(|event| ReportHealthRequest { events: vec![event.clone()], ..Default::default() })
            .collect();
        let now = history.events().last().map_or(LogTime::default(), |event| event.at);
        let past = Past { history: Some(history), now, request_id: "bench" };
        let round = || {
            for report in &reports {
                let verdict = policy.judge_after(report, past);
                black_box(verdict.map_err(|error| Failure::refused(error.to_string()))?);
            }
            Ok::<(), Failure>(())
        };
        round()?;
        let begun = clock.now();
        let mut samples = Vec::new();
        while clock.now().since(begun) < duration {
            let (sample_begun, mut rounds) = (clock.now(), 0_u32);
            while clock.now().since(sample_begun) < LEAST {
                round()?;
                rounds += 1;
            }
            let took = clock.now().since(sample_begun).as_secs_f64() * 1e6;
            samples.push(took / f64::from(rounds) / reports.len().max(1) as f64);
        }
        samples.sort_unstable_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (samples.len() * percent / 100).min(samples.len().saturating_sub(1));
            samples.get(rank).map_or(0.0, |us| (us * 1e3).round() / 1e3)
        };
        Ok(Self {
            policy: name.to_owned(),
            bound_us: policy.most_us(),
            median_us: at(50),
            p99_us: at(99),
            max_us: at(100),
        })
    }
}

/// Writes them.
pub(super) fn print(timings: &[Timing], printer: &mut Printer) -> Result<(), Failure> {
    const COLUMNS: [Column; 5] = [
        Column::always("POLICY"),
        Column::always("BOUND US"),
        Column::always("US AN EVENT (MEDIAN)"),
        Column::always("P99"),
        Column::always("MAX"),
    ];
    match printer.format() {
        Format::Json | Format::Yaml => {
            printer.value(&json!({ "operation": "policy", "policies": timings }))
        }
        Format::Table | Format::Wide | Format::Name => {
            let row = |timing: &Timing| {
                let figures = [timing.median_us, timing.p99_us, timing.max_us];
                let figures = figures.iter().map(|one| Cell::from(format!("{one:.2}")));
                [timing.policy.as_str().into(), timing.bound_us.to_string().into()]
                    .into_iter()
                    .chain(figures)
                    .collect()
            };
            let rows: Vec<Vec<Cell>> = timings.iter().map(row).collect();
            let screen = printer.screen();
            printer.line(&render(&COLUMNS, &rows, true, screen))
        }
    }
}
