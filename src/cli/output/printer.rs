use std::io::{self, IsTerminal, Write};

use navarch_host::Clock;
use serde::Serialize;
use serde_json::Value;

use super::{
    format::Format,
    json::message_value,
    record::Record,
    table::{self, Screen},
};
use crate::cli::failure::Failure;

/// Writes data on stdout in the format that was asked for, and messages on stderr.
pub(crate) struct Printer {
    format: Format,
    screen: Screen,
    clock: Clock,
    out: Box<dyn Write + Send>,
}

impl Printer {
    /// A printer on the process's stdout.
    pub(crate) fn stdout(format: Format, clock: Clock) -> Self {
        let terminal = io::stdout().is_terminal();
        let screen = Screen {
            width: terminal.then(terminal_width).flatten(),
            colour: terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        Self::new(format, screen, clock, Box::new(io::stdout()))
    }

    /// A printer on anything else.
    pub(crate) fn new(
        format: Format,
        screen: Screen,
        clock: Clock,
        out: Box<dyn Write + Send>,
    ) -> Self {
        Self { format, screen, clock, out }
    }

    /// The format that was asked for.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Where it is shown.
    pub(crate) fn screen(&self) -> Screen {
        self.screen
    }

    /// Writes a list; an empty table says `empty` on stderr instead.
    pub(crate) fn list<R: Record>(&mut self, records: &[R], empty: &str) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Wide if records.is_empty() => {
                message(empty);
                Ok(())
            }
            Format::Table | Format::Wide => {
                let now_ms = self.clock.wall_ms();
                let rows: Vec<_> = records.iter().map(|record| record.cells(now_ms)).collect();
                let wide = self.format == Format::Wide;
                self.line(&table::render(R::COLUMNS, &rows, wide, self.screen))
            }
            Format::Name => records.iter().try_for_each(|record| self.line(&record.name())),
            Format::Json | Format::Yaml => {
                let values: Result<Vec<_>, _> =
                    records.iter().map(|record| message_value(R::MESSAGE, record)).collect();
                self.value(&values?)
            }
        }
    }

    /// Writes the page about one record.
    pub(crate) fn one<R: Record>(&mut self, record: &R) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Wide => {
                let pairs = record.details(self.clock.wall_ms());
                self.line(&table::render_pairs(&pairs, self.screen))
            }
            Format::Name => self.line(&record.name()),
            Format::Json | Format::Yaml => self.value(&message_value(R::MESSAGE, record)?),
        }
    }

    /// Writes the result of a change: `text` for people, `name` or `value` for programs.
    pub(crate) fn result(&mut self, text: &str, name: &str, value: &Value) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Wide => self.line(text),
            Format::Name => self.line(name),
            Format::Json | Format::Yaml => self.value(value),
        }
    }

    /// Writes a value as JSON, or as YAML where that was asked for.
    pub(crate) fn value<T: Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        let text = if self.format == Format::Yaml {
            serde_saphyr::to_string(value).map_err(|error| error.to_string())
        } else {
            serde_json::to_string_pretty(value).map_err(|error| error.to_string())
        };
        let text =
            text.map_err(|error| Failure::refused(format!("cannot write the answer: {error}")))?;
        self.line(text.trim_end())
    }

    /// Writes one line of JSON, or one YAML document: an item of a stream.
    pub(crate) fn item(&mut self, value: &Value) -> Result<(), Failure> {
        if self.format == Format::Yaml {
            self.line("---")?;
            return self.value(value);
        }
        self.line(&value.to_string())
    }

    /// Writes `text` as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }

    /// Writes `text` and the end of the line.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{text}")?;
        Ok(self.out.flush()?)
    }
}

/// Tells the person something that is no data.
pub(crate) fn message(text: &str) {
    // Nobody is left to be told when stderr is closed.
    let _ = writeln!(io::stderr(), "{text}");
}

/// `COLUMNS` where it is set, else what the terminal says.
fn terminal_width() -> Option<u16> {
    let set = std::env::var("COLUMNS").ok();
    set.and_then(|columns| columns.parse().ok())
        .or_else(|| comfy_table::Table::new().width())
        .filter(|columns| *columns > 0)
}
