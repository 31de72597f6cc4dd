//! What commands write on stdout.
//!
//! | module | what is there |
//! |---|---|
//! | `format` | table, wide, JSON, YAML, names |
//! | `printer` | writes records in the format that was asked for |
//! | `progress` | how long work goes, on stderr |
//! | `record` | what a message must tell to be listed |
//! | `table` | rows that fit the terminal |
//! | `json` | messages as JSON |
//! | `age` | times as people say them |

pub(crate) mod age;
mod format;
mod json;
mod printer;
mod progress;
mod record;
mod table;

pub(crate) use format::Format;
pub(crate) use json::{message_value, read_message};
pub(crate) use printer::{Printer, message};
pub(crate) use progress::Progress;
pub(crate) use record::Record;
pub(crate) use table::{Cell, Column, Screen, Tone, render, render_pairs};
