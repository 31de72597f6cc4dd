//! How a run tells what it found: a table for people, JSON on one line for programs.

use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON object.
    Json,
}

/// What a run found.
pub trait Report: Serialize {
    /// The rows of its table, headers first.
    fn rows(&self) -> Vec<Vec<String>>;

    /// What must not be; a run with one fails.
    fn violations(&self) -> &[String];
}

/// The text of a report.
///
/// # Errors
///
/// If it has no JSON form.
pub fn text(report: &impl Report, format: Format) -> serde_json::Result<String> {
    match format {
        Format::Json => serde_json::to_string(report),
        Format::Table => {
            let mut text = aligned(&report.rows());
            for violation in report.violations() {
                text.push_str("VIOLATION  ");
                text.push_str(violation);
                text.push('\n');
            }
            let verdict = match report.violations().len() {
                0 => "no violation".to_owned(),
                1 => "1 violation".to_owned(),
                count => format!("{count} violations"),
            };
            Ok(text + &verdict)
        }
    }
}

/// Durations that were measured, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// Half of them did not exceed this.
    pub p50_ms: f64,
    /// 99 of 100 did not.
    pub p99_ms: f64,
    /// None did.
    pub max_ms: f64,
}

impl Spread {
    /// The spread of `durations`; all zero if there are none.
    pub fn of(durations: &[Duration]) -> Self {
        let mut sorted = durations.to_vec();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).map_or(0.0, |duration| millis(*duration))
        };
        Self { count: sorted.len(), p50_ms: at(50), p99_ms: at(99), max_ms: at(100) }
    }

    /// For a table.
    pub fn words(&self) -> String {
        let Self { count, p50_ms, p99_ms, max_ms } = self;
        format!("p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, max {max_ms:.1} ms ({count})")
    }
}

/// Milliseconds, with three decimals.
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Whole milliseconds.
pub fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Rows with their columns under each other.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Found {
        violations: Vec<String>,
    }

    impl Report for Found {
        fn rows(&self) -> Vec<Vec<String>> {
            [["kills", "1"], ["a longer one", "22"]].map(|row| row.map(str::to_owned).into()).into()
        }

        fn violations(&self) -> &[String] {
            &self.violations
        }
    }

    /// Without it a run could show its figures and hide what they are worth.
    #[test]
    fn tables_end_with_the_verdict() {
        let found = Found { violations: vec!["lost: x".to_owned()] };
        let text = text(&found, Format::Table).unwrap();
        assert_eq!(text, "kills         1\na longer one  22\nVIOLATION  lost: x\n1 violation");
        assert_eq!(super::text(&found, Format::Json).unwrap(), "{\"violations\":[\"lost: x\"]}");
    }

    /// Without it the slowest of few failovers would be left out of the p99.
    #[test]
    fn spreads_cover_their_share() {
        let durations: Vec<_> = (1..=50).rev().map(Duration::from_millis).collect();
        let spread = Spread::of(&durations);
        assert_eq!((spread.p50_ms, spread.p99_ms, spread.max_ms), (25.0, 50.0, 50.0));
        assert_eq!(Spread::of(&[]), Spread::default());
    }
}
