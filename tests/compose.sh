#!/usr/bin/env bash
# Starts deploy/compose.yaml for real and strikes it: without it a mistake in the image or the compose file would show
# on a user's machine first. Takes the program that NAVARCH names, else target/release/navarch; ends within three
# minutes, and leaves no container, network, volume or image behind.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! docker info >/dev/null 2>&1; then
    echo "compose: SKIPPED: no Docker daemon answers"
    exit 0
fi
if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
else
    echo "compose: SKIPPED: neither docker compose nor docker-compose is installed"
    exit 0
fi

project=navarch-test-$$
export NAVARCH_IMAGE=$project:test
# Tokens of this run: nothing may work without them.
NAVARCH_AUTH_TOKEN=operator-$RANDOM$RANDOM NAVARCH_AGENT_TOKEN=agent-$RANDOM$RANDOM
export NAVARCH_AUTH_TOKEN NAVARCH_AGENT_TOKEN
compose+=(--project-name "$project" --file deploy/compose.yaml)
replicas=(r1 r2 r3)
deadline=$((SECONDS + 170))
log=$(mktemp)
written=0

clean() {
    "${compose[@]}" down --volumes --timeout 5 >>"$log" 2>&1 || cat "$log"
    docker image rm --force "$NAVARCH_IMAGE" >/dev/null 2>&1 || true
    rm -f "$log"
}
trap clean EXIT
trap 'exit 130' INT TERM

say() { printf 'compose: %3s s: %s\n' "$SECONDS" "$1"; }
fail() {
    say "FAILED: $1"
    cat "$log"
    "${compose[@]}" ps || true
    "${compose[@]}" logs --tail 20 || true
    exit 1
}
# Repeats a check until it holds, within what is left of the three minutes.
await() {
    local what=$1
    shift
    until "$@" >/dev/null 2>>"$log"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "waited in vain: $what"
        sleep 0.3
    done
    say "$what"
}

container() { "${compose[@]}" ps --quiet "$1" 2>>"$log"; }
# Runs a command in the container of replica $1, which calls that replica.
at() {
    local replica=$1
    shift
    docker exec "${id[$replica]}" navarch --timeout 20s "$@"
}
healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "${id[$1]}")" = "$2" ]; }
all_healthy() { for one in "${replicas[@]}"; do healthy "$one" healthy || return 1; done; }
machines_run() { [ "$(at "$1" list --pool training --output name | wc -l)" -eq "$2" ]; }

# One numbered write by way of replica $1. It counts once it is acknowledged, and must be in the journal once.
write() {
    local verb=cordon
    [ $((written % 2)) -eq 0 ] || verb=uncordon
    at "$1" "$verb" "$node" --reason "write $((written + 1))" >/dev/null 2>>"$log" ||
        fail "write $((written + 1)) by way of $1"
    written=$((written + 1))
}
writes_go_on() {
    local before=$written
    for _ in 1 2 3 4 5; do for one in "$@"; do write "$one"; done; done
    say "$((written - before)) writes acknowledged by way of $*"
}
# Every acknowledged write, in the order of their numbers, is what replica $1 reads, each of them once.
holds_all() {
    at "$1" events --since 0 --output json | sed -n 's/.*"reason": "write \([0-9]*\)".*/\1/p' |
        diff - <(seq "$written")
}
check_written() {
    for one in "$@"; do holds_all "$one" >>"$log" 2>&1 || fail "$one does not read all writes once"; done
    say "$written writes, each once and in order, by way of $*"
}
others() { for one in "${replicas[@]}"; do [ "$one" = "$1" ] || printf '%s ' "$one"; done; }

deploy/image.sh --binary "${NAVARCH:-target/release/navarch}" --tag "$NAVARCH_IMAGE" >>"$log" 2>&1 || fail "the image"
say "$(tail -n 1 "$log")"
"${compose[@]}" up --detach >>"$log" 2>&1 || fail "up"
declare -A id
for replica in "${replicas[@]}"; do id[$replica]=$(container "$replica"); done
await "all replicas are healthy" all_healthy
await "the pool's two machines run" machines_run r1 2
# `sed` reads to the end: a reader that leaves early would break the pipe under the writer, and end the script.
node=$(at r2 list --output name | sed -n 1p)

# What the image promises about itself.
for replica in "${replicas[@]}"; do
    [ "$(docker top "${id[$replica]}" -eo pid,uid,comm | awk 'NR > 1 {print $2, $3}')" = "65532 navarch" ] ||
        fail "$replica runs as somebody else, or not alone"
    if at "$replica" snapshot save /snapshot >>"$log" 2>&1; then fail "$replica can write to its root"; fi
done
grep -q 'Read-only file system' "$log" || fail "the root is closed for another reason"
code=0
docker run --rm --network "${project}_control" "$NAVARCH_IMAGE" --insecure --server https://r1:50051 list \
    >>"$log" 2>&1 || code=$?
[ "$code" -eq 6 ] || fail "a caller without a token ends with code $code, not 6"
say "replicas run as user 65532 alone, on a read-only root, and serve nobody without a token"

writes_go_on r1 r2 r3
check_written r1 r2 r3
at r2 pool scale training --nodes 3 >>"$log" 2>&1 || fail "pool scale by way of r2"
await "a third machine runs, as r3 reads" machines_run r3 3

leader=$(at r1 status --output name)
read -ra rest <<<"$(others "$leader")"
docker kill --signal KILL "${id[$leader]}" >>"$log"
say "killed the leader, $leader"
writes_go_on "${rest[@]}"
[ "$(at "${rest[0]}" status --output name)" != "$leader" ] || fail "$leader still leads"
docker start "${id[$leader]}" >>"$log"
await "$leader is healthy again" healthy "$leader" healthy
writes_go_on "$leader"
check_written "${replicas[@]}"

leader=$(at r1 status --output name)
read -ra rest <<<"$(others "$leader")"
# The leader again: it has to step down, a follower would only be missed.
cut=$leader
docker network disconnect "${project}_control" "${id[$cut]}" >>"$log"
say "cut the leader off, $cut"
writes_go_on "${rest[@]}"
await "$cut is unhealthy" healthy "$cut" unhealthy
writes_go_on "${rest[@]}"
docker network connect --alias "$cut" "${project}_control" "${id[$cut]}" >>"$log"
await "$cut is back and healthy" healthy "$cut" healthy
writes_go_on "$cut"
check_written "${replicas[@]}"
await "the three machines run still" machines_run "$cut" 3

"${compose[@]}" stop >>"$log" 2>&1 || fail "stop"
for replica in "${replicas[@]}"; do
    code=$(docker inspect --format '{{.State.ExitCode}}' "${id[$replica]}")
    [ "$code" = 0 ] || fail "$replica ended with code $code"
done
say "all replicas stopped with code 0"
