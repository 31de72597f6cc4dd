use navarch_proto::api::{FieldChange, FleetEvent};

use crate::cli::output::{Cell, Column, Record, age};

impl Record for FleetEvent {
    const MESSAGE: &'static str = "navarch.FleetEvent";
    const COLUMNS: &'static [Column] = &[
        Column::always("Index"),
        Column::always("Time"),
        Column::always("Subject"),
        Column::always("Kind"),
        Column::always("Actor"),
        Column::wide("Changes"),
        Column::wide("Request"),
        Column::wide("Log index"),
        Column::always("Reason"),
    ];

    fn name(&self) -> String {
        self.index.to_string()
    }

    fn cells(&self, _now_ms: u64) -> Vec<Cell> {
        let changes: Vec<_> = self.changes.iter().map(change).collect();
        vec![
            self.index.to_string().into(),
            age::rfc3339(self.time.as_ref()).into(),
            self.subject.as_str().into(),
            self.kind.as_str().into(),
            self.actor.as_str().into(),
            changes.join(", ").into(),
            self.request_id.as_str().into(),
            self.log_index.to_string().into(),
            self.reason.as_str().into(),
        ]
    }
}

/// A field before and after, like `target: 4 -> 5`.
fn change(change: &FieldChange) -> String {
    format!("{}: {} -> {}", change.field, change.before, change.after)
}
