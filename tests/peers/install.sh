#!/bin/sh
# Installs the clients that nobody here wrote into target/peers, for check.py and `cargo test --test connect`.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
home="$root/target/peers"
if [ ! -x "$home/bin/python" ]; then
    python3 -m venv "$home"
fi
"$home/bin/pip" install --quiet --disable-pip-version-check --requirement "$root/tests/peers/requirements.txt"
echo "installed in $home: $("$home/bin/buf" --version 2>&1 | sed 's/^/buf /')"
