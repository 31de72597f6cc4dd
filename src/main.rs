//! The `navarch` binary.

fn main() {}
