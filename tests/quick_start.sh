#!/usr/bin/env bash
# Runs the README's quick start to its end, as a new user would: the main command, then each line of the
# README's walk. Ends by itself and leaves nothing running.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
dev=
stop() {
    [ -z "$dev" ] || { kill -TERM "$dev" 2>/dev/null && wait "$dev"; } || true
    rm -rf "$dir"
}
trap stop EXIT
fail() {
    echo "quick start: $1"
    cat "$dir/out" "$dir/err"
    exit 1
}
# The README's own main command, as it stands there; only where the data goes and when it ends is added.
main=$(sed -n 's/^\$ \(cargo run .* dev\)$/\1/p' README.md | sed -n 1p)
[ -n "$main" ] || { echo "README.md lacks the main command"; exit 1; }

cargo build --release --locked
export PATH="$PWD/target/release:$PATH"
# `cargo run` becomes the program that it runs, so that its process id is that of `dev`.
$main --data-dir "$dir/data" --exit-after 120s >"$dir/out" 2>"$dir/err" &
dev=$!

# Every port serves, and the first machines have registered.
for port in 50051 50052 50053; do
    for attempt in $(seq 150); do
        kill -0 "$dev" 2>/dev/null || fail "dev ended"
        [ -z "$(navarch -s "127.0.0.1:$port" list -o name 2>/dev/null)" ] || break
        [ "$attempt" -lt 150 ] || fail "port $port lists no node"
        sleep 0.2
    done
done

# The README's walk, line by line.
# Its data lies here, and not where the README would have it.
sed -n '/<!-- walk -->/,/<!-- \/walk -->/s/^\$ //p' README.md | sed "s|navarch-dev/|$dir/data/|" >"$dir/walk"
[ -s "$dir/walk" ] || fail "README.md has no walk"
while IFS= read -r line; do
    printf '$ %s\n' "$line"
    if [[ $line == export\ * ]]; then
        eval "$line"
        continue
    fi
    timeout 60 bash -c "$line" </dev/null || fail "failed: $line"
done <"$dir/walk"

kill -TERM "$dev"
wait "$dev" || fail "dev did not end well"
dev=
if pgrep -f "$dir/data" >/dev/null; then
    pgrep -fa "$dir/data"
    fail "dev left processes running"
fi
echo "quick start: done"
