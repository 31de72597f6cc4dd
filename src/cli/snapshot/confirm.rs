use std::io::{self, BufRead as _, IsTerminal as _};

use super::blocking;
use crate::cli::{failure::Failure, output::message};

/// Has a person type `word` on a terminal; without one, `flag` must be given instead.
pub(super) async fn confirm(question: &str, word: &str, flag: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{question}: nobody can be asked here"))
            .help(format!("say so with {flag}")));
    }
    message(&format!("{question}. Type {word} to go on:"));
    let typed = blocking(|| {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        read.map_err(|error| Failure::refused(format!("cannot read the answer: {error}")))?;
        Ok(line)
    });
    if typed.await?.trim() == word {
        return Ok(());
    }
    Err(Failure::refused("not confirmed; nothing was changed"))
}
