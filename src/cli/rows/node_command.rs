use navarch_proto::api::{CommandInfo, CommandState};

use super::labels;
use crate::cli::{
    choices::short,
    output::{Cell, Column, Record, Tone, age},
};

impl Record for CommandInfo {
    const MESSAGE: &'static str = "navarch.CommandInfo";
    const COLUMNS: &'static [Column] = &[
        Column::always("ID"),
        Column::always("Type"),
        Column::always("State"),
        Column::always("Issued"),
        Column::always("Finished"),
        Column::wide("Node"),
        Column::wide("Actor"),
        Column::wide("Parameters"),
        Column::wide("Output"),
        Column::always("Error"),
    ];

    fn name(&self) -> String {
        self.command_id.clone()
    }

    fn cells(&self, now_ms: u64) -> Vec<Cell> {
        vec![
            self.command_id.as_str().into(),
            short(self.r#type().as_str_name(), "NODE_COMMAND_TYPE").into(),
            state(self.state()),
            age::age(self.issued_at.as_ref(), now_ms).into(),
            age::age(self.finished_at.as_ref(), now_ms).into(),
            self.node_id.as_str().into(),
            self.actor.as_str().into(),
            labels(&self.parameters).into(),
            self.output.as_str().into(),
            self.error.as_str().into(),
        ]
    }
}

fn state(state: CommandState) -> Cell {
    let tone = match state {
        CommandState::Succeeded => Tone::Good,
        CommandState::Queued | CommandState::Delivered => Tone::Doubtful,
        CommandState::Failed | CommandState::Expired => Tone::Bad,
        CommandState::Unknown => Tone::Plain,
    };
    Cell::toned(short(state.as_str_name(), "COMMAND_STATE"), tone)
}
