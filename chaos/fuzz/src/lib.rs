//! Fuzzing in ordinary tests, on the stable toolchain: valid encodings, mutated. For tests alone.
//!
//! | file | holds |
//! |---|---|
//! | `target` | [`Target`]: what reads bytes, what it is given, and what becomes of an input that it cannot stand |
//! | `mutator` | which mutation comes next |
//! | `bytes` | mutations of bytes and of text |
//! | `wire` | mutations of protobuf messages, known by their encoding alone |
//! | `finding` | an input that ends in a panic: made shorter, and kept |
//! | `random` | the same numbers from the same seed |
//!
//! How many inputs a target is given is fixed, and so is the seed, so that a test that passes passes again. Two variables of
//! the environment change that: `NAVARCH_FUZZ_CASES` is the number of inputs for each target, `NAVARCH_FUZZ_SEED`
//! where they start. An input that ends in a panic is written to `chaos/fuzz/corpus/TARGET`, and every input there is
//! given to its target first from then on.

mod bytes;
mod finding;
mod mutator;
mod random;
mod target;
mod wire;

pub use target::Target;
