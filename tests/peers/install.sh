#!/bin/sh
# Installs the programs that nobody here wrote into target/peers: clients, for check.py and
# `cargo test --test connect`; etcd, for navarch-chaos; Prometheus, for `cargo test --test prometheus`; the schemas of
# Kubernetes, for kubernetes.py.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
home="$root/target/peers"
if [ ! -x "$home/bin/python" ]; then
    python3 -m venv "$home"
fi
"$home/bin/pip" install --quiet --disable-pip-version-check --requirement "$root/tests/peers/requirements.txt"
echo "installed in $home: $("$home/bin/buf" --version 2>&1 | sed 's/^/buf /')"

# Debian's package is unpacked, not installed: it would start a service, and needs no other package to run.
if [ ! -x "$home/prometheus/usr/bin/prometheus" ]; then
    download=$(mktemp -d)
    if (cd "$download" && apt-get download prometheus && dpkg-deb -x prometheus_*.deb "$home/prometheus") \
        >"$download/log" 2>&1; then
        echo "installed in $home/prometheus: $("$home/prometheus/usr/bin/prometheus" --version 2>&1 | sed -n 1p)"
    else
        echo "no prometheus: $(tail -n 1 "$download/log"); its test will say SKIPPED" >&2
    fi
    rm -rf "$download"
fi
