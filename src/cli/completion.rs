use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{arguments::Arguments, failure::Failure, invocation::Invocation};

/// `navarch completion SHELL`
#[derive(Clone, Debug, Args)]
pub(crate) struct CompletionArguments {
    /// The shell to complete for
    shell: Shell,
}

impl CompletionArguments {
    pub(crate) fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "navarch", &mut script);
        invocation.printer.line(String::from_utf8_lossy(&script).trim_end())
    }
}
