#!/usr/bin/env bash
# Verifies the units in deploy/systemd without a running systemd: a mistyped directive is ignored by systemd, so that
# a unit that looks confined would not be.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v systemd-analyze >/dev/null; then
    echo "systemd: SKIPPED: no systemd-analyze; it comes with the package systemd"
    exit 0
fi
# Of ten; what is allowed beyond it needs a reason in the unit, and a change here.
most_exposed=(navarch.service=20 navarch-agent.service=30)

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# A root of its own, in which the program that the units start is there.
mkdir -p "$root/usr/bin" "$root/usr/lib/systemd" "$root/etc/systemd/system"
for units in /usr/lib/systemd/system /lib/systemd/system; do
    if [ -d "$units" ]; then
        cp -r "$units" "$root/usr/lib/systemd/"
        break
    fi
done
cp deploy/systemd/*.service "$root/etc/systemd/system"
printf '#!/bin/sh\n' >"$root/usr/bin/navarch"
chmod 755 "$root/usr/bin/navarch"

for entry in "${most_exposed[@]}"; do
    unit=${entry%=*}
    # It ends with code 0 also where it warns of a directive that it does not know.
    said=$(systemd-analyze verify --root="$root" "$unit" 2>&1) || { echo "systemd: $unit: $said"; exit 1; }
    [ -z "$said" ] || { echo "systemd: $unit: $said"; exit 1; }
    if ! systemd-analyze security --help | grep -e --offline >/dev/null; then
        echo "systemd: $unit is well formed; SKIPPED: its exposure: this systemd-analyze has no --offline"
        continue
    fi
    # Its threshold is in tenths.
    security=(systemd-analyze security --offline=true --root="$root" --no-pager)
    told=$("${security[@]}" --threshold="${entry#*=}" "$unit") || {
        printf '%s\nsystemd: %s is more exposed than it was\n' "$told" "$unit"
        exit 1
    }
    echo "systemd: $unit: $(tail -n 1 <<<"$told")"
done
for unit in deploy/systemd/*.service; do
    [[ " ${most_exposed[*]} " == *" ${unit##*/}="* ]] || { echo "systemd: $unit is not verified"; exit 1; }
done
if systemd-sysusers --help 2>/dev/null | grep -e --dry-run >/dev/null; then
    mkdir -p "$root/etc"
    systemd-sysusers --dry-run --root="$root" "$PWD/deploy/systemd/navarch.sysusers" >/dev/null
    echo "systemd: navarch.sysusers: well formed"
fi
