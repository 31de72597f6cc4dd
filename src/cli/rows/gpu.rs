use navarch_proto::api::GivenUpGpuInfo;

use crate::cli::output::{Cell, Column, Record, age};

impl Record for GivenUpGpuInfo {
    const MESSAGE: &'static str = "navarch.GivenUpGpuInfo";
    const COLUMNS: &'static [Column] = &[
        Column::always("UUID"),
        Column::always("Instance"),
        Column::always("Given up"),
        Column::always("Refused for"),
        Column::always("Reason"),
    ];

    fn name(&self) -> String {
        self.uuid.clone()
    }

    fn cells(&self, now_ms: u64) -> Vec<Cell> {
        vec![
            self.uuid.as_str().into(),
            self.instance_id.as_str().into(),
            age::age(self.given_up_at.as_ref(), now_ms).into(),
            age::ahead(self.until.as_ref(), now_ms).into(),
            self.reason.as_str().into(),
        ]
    }
}
