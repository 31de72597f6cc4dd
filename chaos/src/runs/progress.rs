use std::io::{self, IsTerminal as _, Write as _};

/// Tells a person how a run goes, on stderr (`of` is 0 where the end is not known); in a log one line in ten is enough.
pub(super) fn say(done: usize, of: usize, what: &str) {
    let terminal = io::stderr().is_terminal();
    if terminal || done.is_multiple_of(10) || done == of {
        // Progress that nobody reads is no failure.
        let _ = match of {
            0 => writeln!(io::stderr(), "{done}: {what}"),
            of => writeln!(io::stderr(), "{done} of {of}: {what}"),
        };
    }
}

/// Says that a part of a run is left out: that is no failure, and no pass either.
pub(super) fn skipped(what: &str, why: &str) {
    // Where stderr is closed nobody reads it.
    let _ = writeln!(io::stderr(), "SKIPPED: {what}: {why}");
}
