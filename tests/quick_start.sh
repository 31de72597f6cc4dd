#!/usr/bin/env bash
# Runs the README's quick start to its end, as a new user would: the main command, then each line that the
# README shows with `$ navarch` or `$ curl`. Ends by itself and leaves nothing running.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
grep -q '^\$ cargo run --release -- dev$' README.md || { echo "README.md lacks the main command"; exit 1; }

cargo build --release --locked
navarch=target/release/navarch
"$navarch" dev --data-dir "$dir/data" --exit-after 60s >"$dir/out" 2>"$dir/err" &
dev=$!

for port in 50051 50052 50053; do
    for _ in $(seq 100); do
        curl --silent --fail --output /dev/null "http://127.0.0.1:$port/readyz" && continue 2
        sleep 0.2
    done
    echo "replica on port $port is not ready"; cat "$dir/out" "$dir/err"; exit 1
done

# Every line of the README's walk, in order.
export PATH="$PWD/target/release:$PATH"
sed -n '/<!-- walk -->/,/<!-- \/walk -->/s/^\$ //p' README.md >"$dir/walk"
[ -s "$dir/walk" ] || { echo "README.md has no walk"; exit 1; }
while IFS= read -r line; do
    printf '$ %s\n' "$line"
    timeout 60 bash -c "$line" </dev/null || { echo "failed: $line"; kill -TERM "$dev"; wait "$dev" || true; cat "$dir/err"; exit 1; }
done <"$dir/walk"

kill -TERM "$dev"
wait "$dev"
if pgrep -f "$dir/data" >/dev/null; then
    echo "dev left processes running:"; pgrep -fa "$dir/data"; exit 1
fi
echo "quick start: done"
