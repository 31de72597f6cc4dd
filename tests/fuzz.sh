#!/usr/bin/env bash
# Gives every fuzz target the inputs that are kept in `chaos/fuzz/corpus` and then mutated ones: `tests/fuzz.sh [INPUTS]`, 20,000 for
# each unless said otherwise, from a seed that is new each time. An input that ends in a panic is kept there.
set -euo pipefail
cd "$(dirname "$0")/.."

export NAVARCH_FUZZ_CASES=${1:-20000}
export NAVARCH_FUZZ_SEED=${NAVARCH_FUZZ_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
echo "NAVARCH_FUZZ_CASES=$NAVARCH_FUZZ_CASES NAVARCH_FUZZ_SEED=$NAVARCH_FUZZ_SEED"
cargo test --quiet --workspace --locked --no-fail-fast --lib --test fuzz_calls -- fuzz_ --nocapture
