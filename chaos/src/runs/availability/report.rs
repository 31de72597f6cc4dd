use serde::Serialize;

use crate::{
    record::{AvailabilityRecord, RejoinRecord},
    report::{Report, Spread},
};

/// What faults cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AvailabilityReport {
    /// For each fault, load and system.
    pub measured: Vec<AvailabilityRecord>,
    /// How long wiped replicas took to rejoin.
    pub rejoin: Vec<RejoinRecord>,
    /// What was not measured, and why.
    pub skipped: Vec<String>,
    /// What must not be: a failed write, and figures that miss their target where that is asked for.
    pub violations: Vec<String>,
}

impl Report for AvailabilityReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let header = ["fault", "load", "system", "", "p50 ms", "p99 ms", "max ms", "times"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for measured in &self.measured {
            let mut names = [&measured.fault, &measured.load, &measured.system].map(String::clone);
            let spreads = [
                ("detect", measured.detect),
                ("elect", measured.elect),
                ("first write", Some(measured.first_write)),
                ("first act", measured.first_act),
                ("throughput back", measured.recovery),
            ];
            for (what, spread) in spreads {
                let Some(Spread { count, p50_ms, p99_ms, max_ms }) = spread else { continue };
                let mut row: Vec<_> = names.iter_mut().map(std::mem::take).collect();
                row.push(what.to_owned());
                row.extend([p50_ms, p99_ms, max_ms].map(|ms| format!("{ms:.1}")));
                row.push(count.to_string());
                rows.push(row);
            }
            let AvailabilityRecord { failed_calls, acknowledged_calls, .. } = measured;
            let calls = format!("{acknowledged_calls} writes acknowledged, {failed_calls} failed");
            rows.push(vec![String::new(), String::new(), String::new(), calls]);
        }
        for RejoinRecord { nodes, snapshot_bytes, took } in &self.rejoin {
            let what =
                format!("{nodes} nodes, snapshot of {snapshot_bytes} bytes: {}", took.words());
            rows.push(vec!["rejoin".to_owned(), what]);
        }
        rows.extend(self.skipped.iter().map(|what| vec![format!("SKIPPED: {what}")]));
        rows
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}
