use navarch_proto::api::{InstanceInfo, InstanceState};

use super::labels;
use crate::cli::{
    choices::short,
    output::{Cell, Column, Record, Tone, age},
};

impl Record for InstanceInfo {
    const MESSAGE: &'static str = "navarch.InstanceInfo";
    const COLUMNS: &'static [Column] = &[
        Column::always("ID"),
        Column::always("State"),
        Column::always("Pool"),
        Column::always("Provider"),
        Column::always("Region"),
        Column::wide("Zone"),
        Column::always("Instance type"),
        Column::always("Node"),
        Column::always("Created"),
        Column::wide("Ready"),
        Column::wide("Terminated"),
        Column::wide("Provider's id"),
        Column::wide("Price/h"),
        Column::wide("Labels"),
        Column::wide("Message"),
    ];

    fn name(&self) -> String {
        self.instance_id.clone()
    }

    fn cells(&self, now_ms: u64) -> Vec<Cell> {
        vec![
            self.instance_id.as_str().into(),
            state(self.state()),
            self.pool_name.as_str().into(),
            self.provider.as_str().into(),
            self.region.as_str().into(),
            self.zone.as_str().into(),
            self.instance_type.as_str().into(),
            self.node_id.as_str().into(),
            age::age(self.created_at.as_ref(), now_ms).into(),
            age::age(self.ready_at.as_ref(), now_ms).into(),
            age::age(self.terminated_at.as_ref(), now_ms).into(),
            self.provider_ref.as_str().into(),
            price(self.price_per_hour).into(),
            labels(&self.labels).into(),
            self.status_message.as_str().into(),
        ]
    }
}

fn state(state: InstanceState) -> Cell {
    let tone = match state {
        InstanceState::Running => Tone::Good,
        InstanceState::Provisioning
        | InstanceState::PendingRegistration
        | InstanceState::Terminating => Tone::Doubtful,
        InstanceState::Failed => Tone::Bad,
        InstanceState::Terminated | InstanceState::Unknown => Tone::Plain,
    };
    Cell::toned(short(state.as_str_name(), "INSTANCE_STATE"), tone)
}

fn price(dollars: f64) -> String {
    if dollars > 0.0 {
        return format!("${dollars:.2}");
    }
    String::new()
}
