//! The `navarch` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A fleet is millions of small pieces. A pass of all controllers over 130,000 nodes takes half of the time that it
/// takes on glibc's allocator, which walks its free lists when many pieces go at once.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    navarch::cli::main(std::env::args_os())
}
