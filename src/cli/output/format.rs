use clap::ValueEnum;
use serde::Deserialize;

/// How data is written on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// A table that fits the terminal.
    #[default]
    Table,
    /// A table with every column.
    Wide,
    /// The messages as JSON; lists are arrays.
    Json,
    /// The same as YAML.
    Yaml,
    /// Names alone, one a line.
    Name,
}
