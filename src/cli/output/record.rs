use prost::Message;

use super::table::{Cell, Column};

/// A message that can be listed and shown.
pub(crate) trait Record: Message {
    /// The message's name with its package.
    const MESSAGE: &'static str;
    /// What a list of them shows.
    const COLUMNS: &'static [Column];

    /// What other commands call it.
    fn name(&self) -> String;

    /// One cell a column; `now_ms` is the wall clock, for ages.
    fn cells(&self, now_ms: u64) -> Vec<Cell>;

    /// Names and values of the page about this one alone.
    fn details(&self, now_ms: u64) -> Vec<(&'static str, Cell)> {
        Self::COLUMNS.iter().map(|column| column.header).zip(self.cells(now_ms)).collect()
    }
}
