use navarch_proto::api::ReplicaInfo;

use crate::cli::output::{Cell, Column, Record, Tone, age};

impl Record for ReplicaInfo {
    const MESSAGE: &'static str = "navarch.ReplicaInfo";
    const COLUMNS: &'static [Column] = &[
        Column::always("ID"),
        Column::always("Name"),
        Column::always("Address"),
        Column::wide("Clients at"),
        Column::always("Role"),
        Column::always("Voter"),
        Column::always("Term"),
        Column::always("Applied"),
        Column::always("Lag"),
        Column::always("Last contact"),
    ];

    fn name(&self) -> String {
        self.name.clone()
    }

    fn cells(&self, _now_ms: u64) -> Vec<Cell> {
        let role_tone = if self.role == "leader" { Tone::Good } else { Tone::Plain };
        vec![
            self.id.to_string().into(),
            self.name.as_str().into(),
            self.address.as_str().into(),
            self.public_address.as_str().into(),
            Cell::toned(self.role.as_str(), role_tone),
            if self.voter { "yes" } else { "no" }.into(),
            self.term.to_string().into(),
            self.applied_index.to_string().into(),
            self.lag.to_string().into(),
            last_contact(self.last_contact_ms).into(),
        ]
    }
}

/// Contacts are a heartbeat apart, so that milliseconds say more than an age.
fn last_contact(ms: Option<u64>) -> String {
    match ms {
        None => String::new(),
        Some(ms) if ms < 10_000 => format!("{ms}ms"),
        Some(ms) => age::humanise(ms),
    }
}
