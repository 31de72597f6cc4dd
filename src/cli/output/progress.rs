use indicatif::ProgressBar;

use super::printer::message;

/// Tells on stderr how long work goes: in place on a terminal, else a line each time.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Nothing to tell yet.
    pub(crate) fn start() -> Self {
        let bar = ProgressBar::new_spinner();
        // indicatif hides itself where stderr is no terminal.
        let bar = (!bar.is_hidden()).then_some(bar);
        Self { bar }
    }

    /// Tells how it goes.
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(text.to_owned());
                bar.tick();
            }
            None => message(text),
        }
    }

    /// Leaves the terminal as it was.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
