use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::{failure::Failure, output::Format, output::Printer};

/// The result of a load, as the command-line contract has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Report {
    /// `writes`, `heartbeats`, `reads`, `commands` or `reports`.
    pub(super) operation: &'static str,
    /// Closed loops, or nodes that beat.
    pub(super) clients: usize,
    /// From the first call to the last answer.
    pub(super) duration_s: f64,
    /// Calls that were answered.
    pub(super) ok: u64,
    /// Calls that failed, after all retries.
    pub(super) failed: u64,
    /// Failed calls by code.
    pub(super) errors: BTreeMap<&'static str, u64>,
    /// Answered calls a second.
    pub(super) rate_per_s: f64,
    /// Latency of the answered calls.
    pub(super) latency_ms: Latency,
}

/// Milliseconds that a share of the calls did not exceed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Latency {
    /// Half of them.
    pub(super) p50: f64,
    /// 90 %.
    pub(super) p90: f64,
    /// 99 %.
    pub(super) p99: f64,
    /// All of them.
    pub(super) max: f64,
}

impl Report {
    /// Writes the report on stdout; JSON on one line.
    pub(super) fn print(&self, printer: &mut Printer) -> Result<(), Failure> {
        match printer.format() {
            Format::Json => {
                let text = serde_json::to_string(self).map_err(|error| {
                    Failure::refused(format!("cannot write the report: {error}"))
                })?;
                printer.line(&text)
            }
            Format::Yaml => printer.value(self),
            Format::Table | Format::Wide | Format::Name => printer.line(&self.text()),
        }
    }

    fn text(&self) -> String {
        let Latency { p50, p90, p99, max } = &self.latency_ms;
        let mut text = format!(
            "{} by {} clients for {:.1} s: {} ok, {} failed, {:.0}/s\n\
             latency ms: p50 {p50:.2}, p90 {p90:.2}, p99 {p99:.2}, max {max:.2}",
            self.operation, self.clients, self.duration_s, self.ok, self.failed, self.rate_per_s
        );
        for (code, count) in &self.errors {
            text.push_str(&format!("\n{code}: {count}"));
        }
        text
    }
}
