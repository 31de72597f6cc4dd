//! The `navarch-chaos` binary.

fn main() {}
