//! The `navarch` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    navarch::cli::main(std::env::args_os())
}
