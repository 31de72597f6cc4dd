#!/usr/bin/env bash
# Plays deploy/RUNBOOK.md on real replicas of this machine: without it the commands that somebody types at night would be
# tried for the first time then. Each section has a function here that makes the trouble, plays the section's commands
# as they stand in the file, and checks what came of it; a section without one fails. Takes the program that NAVARCH
# names, else target/release/navarch.
#
# Paths, addresses and ports are changed to those of this run, and systemctl, journalctl and runuser are stand-ins.
set -euo pipefail
cd "$(dirname "$0")/.."
runbook=$PWD/deploy/RUNBOOK.md
program=$(realpath "${NAVARCH:-target/release/navarch}")
dir=$(mktemp -d)
cd "$dir"
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY
deadline=$((SECONDS + 280))
written=0

say() { printf 'runbook: %3s s: %s\n' "$SECONDS" "$1"; }
fail() {
    say "FAILED: $1"
    tail -n 8 "$dir"/*/log "$dir/said" 2>/dev/null || true
    exit 1
}
processes() { cat "$dir"/*/pid 2>/dev/null || true; }
clean() {
    # The shell would tell of each that it had started itself.
    for pid in $(processes); do { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null || true; done
    [ ! -d "$dir/r2/var/lib" ] || umount "$dir/r2/var/lib" 2>/dev/null || true
    rm -rf "$dir"
}
trap clean EXIT
trap 'exit 130' INT TERM

# A loopback network of this run's own, and two ports that nobody has there and that no outgoing connection is given.
net=127.$((RANDOM % 200 + 20)).$((RANDOM % 250 + 1))
port=$((RANDOM % 10000 + 20000)) peer_port=$((RANDOM % 10000 + 10000))
for taken in "$port" "$peer_port" $((port + 1)); do
    if (: <"/dev/tcp/127.0.0.1/$taken") 2>/dev/null; then fail "port $taken is taken; run it again"; fi
done
cloud=$net.9:$((port + 1))

# What the operator has.
export NAVARCH_SERVER=https://$net.1:$port,https://$net.2:$port,https://$net.3:$port
export NAVARCH_AUTH_TOKEN=operator-$RANDOM XDG_CONFIG_HOME=$dir/config PATH=$dir/bin:$PATH
agent_token=agent-$RANDOM
mkdir -p bin config/navarch
ln -s "$program" bin/navarch
echo "ca_file: $dir/operator-ca.pem" >config/navarch/context.yaml

# A stand-in that starts, stops and is asked about the replica of the machine $MACHINE, as its unit would.
cat >bin/systemctl <<'SHIM'
#!/usr/bin/env bash
set -euo pipefail
action=$1 machine=$RUNBOOK_ROOT/$MACHINE
# There are no failures that a unit would have to forget.
if [ "$action" = reset-failed ]; then exit 0; fi
running() { [ -e "$machine/pid" ] && kill -0 "$(cat "$machine/pid")" 2>/dev/null; }
if [ "$action" != start ]; then
    if running; then
        kill -TERM "$(cat "$machine/pid")"
        for _ in $(seq 300); do running || break; sleep 0.1; done
        if running; then echo "$MACHINE does not stop"; exit 1; fi
    fi
    rm -f "$machine/pid"
fi
case $action in start | restart)
    if running; then exit 0; fi
    set -a
    . "$machine/etc/navarch/environment"
    "$machine/usr/bin/navarch" server --config "$machine/etc/navarch/replica.yaml" >>"$machine/log" 2>&1 </dev/null &
    echo $! >"$machine/pid"
    ;;
esac
SHIM
cat >bin/journalctl <<'SHIM'
#!/bin/sh
tail -n 20 "$RUNBOOK_ROOT/$MACHINE/log"
SHIM
cat >bin/runuser <<'SHIM'
#!/bin/sh
shift 3
exec "$@"
SHIM
chmod +x bin/*
export RUNBOOK_ROOT=$dir

# Lays out the machine of a replica; initial replicas come as further arguments.
machine() {
    local name=$1 host=$net.${1#r} initial='' one
    shift
    for one in "$@"; do initial+="    - {name: $one, address: \"$net.${one#r}:$peer_port\"}"$'\n'; done
    mkdir -p "$name/etc/navarch/tls" "$name/var/lib/navarch" "$name/usr/bin"
    cp "$program" "$name/usr/bin/navarch"
    cp certs/ca.pem "certs/$host.pem" "certs/$host-key.pem" "$name/etc/navarch/tls"
    printf 'NAVARCH_AUTH_TOKEN=%s\nNAVARCH_AGENT_TOKEN=%s\n' "$NAVARCH_AUTH_TOKEN" "$agent_token" \
        >"$name/etc/navarch/environment"
    cat >"$name/etc/navarch/replica.yaml" <<REPLICA
cluster:
  replica: $name
  data_dir: $dir/$name/var/lib/navarch
  peer_address: "$host:$peer_port"
  advertise_peer_address: "$host:$peer_port"
  advertise_address: "$host:$port"
  tls: {ca: tls/ca.pem, cert: tls/$host.pem, key: tls/$host-key.pem}
${initial:+  initial_replicas:
$initial}
server:
  address: "$host:$port"
  tls: {cert: tls/$host.pem, key: tls/$host-key.pem}
  heartbeat_interval: 2s
  autoscale_interval: 1s
providers:
  cloud: {type: http, url: "http://$cloud"}
pools:
  training: {provider: cloud, instance_type: h100-8x, region: eu, min_nodes: 2, max_nodes: 6}
REPLICA
}

# The cloud and its agents, which present the token of agents.
start_cloud() {
    mkdir -p cloud
    NAVARCH_AGENT_TOKEN=$agent_token "$program" fake-cloud --listen "$cloud" --ledger cloud/ledger --provider cloud \
        --agents-to "$NAVARCH_SERVER" --ca-file operator-ca.pem --boot-delay 200ms >>cloud/log 2>&1 </dev/null &
    echo $! >cloud/pid
}
restart_cloud() {
    kill -TERM "$(cat cloud/pid)"
    while kill -0 "$(cat cloud/pid)" 2>/dev/null; do sleep 0.1; done
    start_cloud
}

await() {
    local what=$1
    shift
    until "$@" >said 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || fail "waited in vain: $what"
        sleep 0.2
    done
}
on() { MACHINE=$1 systemctl "$2"; }
strike() { kill -KILL "$(cat "$1/pid")" && rm "$1/pid"; }
serves() { navarch --server "https://$net.${1#r}:$port" --timeout 2s breaker list; }
ended() { ! kill -0 "$(cat "$1/pid")" 2>/dev/null; }
voters() { [ "$(navarch status --output json | grep -c '"voter": true')" -eq "$1" ]; }
adopting() { navarch status | grep "^Adopt mode" >/dev/null; }
healthy_nodes() { [ "$(navarch list --pool training --status active --output name | wc -l)" -ge "$1" ]; }
lead() { [ "$(navarch status --output name)" = "$1" ] || navarch replica transfer-leader --to "$1" >said 2>&1; }

# Numbered writes that were acknowledged; each must be read, once, for as long as the group lives.
write() {
    local verb=cordon
    [ $((written % 2)) -eq 0 ] || verb=uncordon
    navarch "$verb" "$node" --reason "write $((written + 1))" >said 2>&1 || fail "write $((written + 1))"
    written=$((written + 1))
}
check_written() {
    navarch --server "https://$net.${1#r}:$port" events --since 0 --output json |
        sed -n 's/.*"reason": "write \([0-9]*\)".*/\1/p' | diff - <(seq "$written") >said 2>&1 ||
        fail "$1 does not read each write once"
}
# The group is as before: all replicas answer, three vote, nothing acknowledged is lost, and writes go on.
whole() {
    write
    for one in r1 r2 r3; do
        await "$one serves" serves "$one"
        check_written "$one"
    done
    await "three voters" voters 3
}

# The commands of section $1, of all its blocks or of block $2 alone, as `PROMPT COMMAND`.
commands() {
    awk -v heading="## $1" -v block="${2:-0}" '
        /^## / { there = $0 == heading }
        there && /^```console/ { open = 1; count++; next }
        /^```/ { open = 0 }
        there && open && (block == 0 || block == count)' "$runbook"
}
# This run's own for what the runbook says of the machine $1.
translate() {
    sed -e "s|/etc/navarch|$dir/$1/etc/navarch|g" -e "s|/var/lib/navarch|$dir/$1/var/lib/navarch|g" \
        -e "s|/usr/bin/navarch|$dir/$1/usr/bin/navarch|g" -e 's/ -[og] navarch//g' \
        -e "s/10\.0\.0\./$net./g" -e "s/:50051/:$port/g" -e "s/:50052/:$peer_port/g"
}
carry_out() {
    local machine=$1 line
    line=$(translate "$machine" <<<"$2")
    MACHINE=$machine HOST=$net.${machine#r} timeout 90 bash -c "$line" >said 2>&1 </dev/null || fail "on $machine: $2"
}
play() {
    local lines line prompt command group=() one
    mapfile -t lines < <(commands "$@"; echo 'end# -')
    [ ${#lines[@]} -gt 1 ] || fail "the runbook has no commands for: $*"
    for line in "${lines[@]}"; do
        prompt=${line%% *} command=${line#* }
        if [ "$prompt" = each# ]; then
            group+=("$command")
            continue
        fi
        # A run of lines for each machine is done on one before the next is begun.
        if [ ${#group[@]} -gt 0 ]; then
            for one in r1 r2 r3; do for each in "${group[@]}"; do carry_out "$one" "$each"; done; done
            group=()
        fi
        case $prompt in
        '$') carry_out operator "$command" ;;
        r[1-9]#) carry_out "${prompt%#}" "$command" ;;
        end#) ;;
        *) fail "no prompt: $line" ;;
        esac
    done
}
# Plays while somebody writes: nothing of it may fail.
play_under_writes() {
    touch writing
    (
        while [ -e writing ]; do write; done
        echo "$written" >count
    ) &
    local writer=$!
    play "$@"
    rm writing
    wait "$writer" || fail "a write failed meanwhile"
    written=$(cat count)
}

the_leader_is_lost() {
    lead r1
    strike r1
    play "$1"
    whole
}
a_replicas_disk_is_lost() {
    strike r2
    rm -rf r2/var/lib/navarch/*
    on r2 start
    play "$1"
    whole
}
the_majority_is_lost() {
    lead r1
    await "r1 leads" check_written r1
    strike r2
    strike r3
    play "$1"
    whole
    if adopting; then fail "the fleet is still in adopt mode"; fi
}
back_up() {
    play "$1"
    kept=$written
}
restore_from_a_backup() {
    write
    play "$1"
    # What came after the backup is gone, and nothing else.
    written=$kept
    whole
    if adopting; then fail "the fleet is still in adopt mode"; fi
    await "the machines are known again" healthy_nodes 1
    rm -rf r?/var/lib/navarch.old
}
upgrade() {
    cp "$program" navarch.new
    play_under_writes "$1"
    [ "$(navarch status --output name)" != r3 ] || fail "the leader was not upgraded last"
    whole
}
upgrade_to_a_build_that_must_not_be_mixed() {
    cp "$program" navarch.new
    write
    play "$1"
    whole
    if adopting; then fail "the fleet is still in adopt mode"; fi
    rm -rf r?/var/lib/navarch.old
}
change_the_certificates() {
    local old
    old=$(cat certs/*.pem)
    play_under_writes "$1"
    [ "$old" != "$(cat certs/*.pem)" ] || fail "the certificates are the old ones"
    cmp "certs/$net.1.pem" "r1/etc/navarch/tls/$net.1.pem"
    whole
}
change_the_authority() {
    play_under_writes "$1" 1
    cp both.pem operator-ca.pem
    restart_cloud
    play_under_writes "$1" 2
    cp new-certs/ca.pem operator-ca.pem
    restart_cloud
    play_under_writes "$1" 3
    whole
    mv certs old-certs
    mv new-certs certs
}
change_the_tokens() {
    agent_token=agent-new-$RANDOM
    local new=operator-new-$RANDOM
    printf 'NAVARCH_AUTH_TOKEN=%s\nNAVARCH_AGENT_TOKEN=%s\n' "$new" "$agent_token" >environment.new
    play "$1" 1
    navarch list >said 2>&1 && fail "the old token is still taken"
    export NAVARCH_AUTH_TOKEN=$new
    restart_cloud
    play "$1" 2
    whole
}
a_disk_is_full() {
    on r2 stop
    mkdir -p kept
    cp -a r2/var/lib/navarch kept
    if ! mount -t tmpfs -o size=48m tmpfs r2/var/lib 2>/dev/null; then
        say "SKIPPED: a full disk, for nothing can be mounted here"
        on r2 start
        return
    fi
    cp -a kept/navarch r2/var/lib
    on r2 start
    await "r2 serves from the small disk" serves r2
    # All the room there is goes to somebody else's file.
    cat /dev/zero >r2/var/lib/other 2>/dev/null || true
    write
    until ended r2; do
        [ "$SECONDS" -lt "$deadline" ] || fail "r2 goes on although it cannot write"
        # What the log cannot compress, for it has some room of its own.
        navarch cordon "$node" --reason "$(head -c 11000 /dev/urandom | base64 -w 0)" >said 2>&1 || fail "a long write"
    done
    play "$1" 1
    grep -q -i 'no space left' r2/log || fail "r2 does not say why it ended"
    rm r2/var/lib/other
    play "$1" 2
    whole
    on r2 stop
    cp -a r2/var/lib/navarch kept/now
    umount r2/var/lib
    rm -rf r2/var/lib/navarch
    mv kept/now r2/var/lib/navarch
    on r2 start
    whole
}
add_a_replica() {
    navarch tls init certs --hosts "$net.4" >said 2>&1
    machine r4
    play_under_writes "$1"
    voters 4 || fail "r4 does not vote"
    check_written r4
}
remove_a_replica() {
    play_under_writes "$1"
    whole
}

slug() { tr '[:upper:] ' '[:lower:]_' <<<"$1" | tr -d "'"; }
mapfile -t sections < <(sed -n 's/^## //p' "$runbook")
[ ${#sections[@]} -gt 0 ] || fail "$runbook has no sections"
for section in "${sections[@]}"; do
    [ "$(type -t "$(slug "$section")")" = function ] || fail "nothing here plays the section: $section"
done

navarch tls init certs --hosts "$net.1,$net.2,$net.3" >said 2>&1
cp certs/ca.pem operator-ca.pem
for replica in r1 r2 r3; do machine "$replica" r1 r2 r3; done
start_cloud
for replica in r1 r2 r3; do on "$replica" start; done
await "the pool's machines run" healthy_nodes 2
node=$(navarch list --output name | sed -n 1p)
whole
say "three replicas at $net.1 to $net.3 serve"
for section in "${sections[@]}"; do
    "$(slug "$section")" "$section"
    say "$section: played; all is there"
done
for replica in r1 r2 r3; do on "$replica" stop & done
kill -TERM "$(cat cloud/pid)"
wait
say "${#sections[@]} sections played"
