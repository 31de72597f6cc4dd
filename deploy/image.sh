#!/usr/bin/env bash
# Builds the container image from a binary that is there already: no compiler, package or registry is needed.
#
#   deploy/image.sh [--binary target/release/navarch] [--tag navarch:dev] [--base scratch] [--context DIR]
#
# With the default base the image holds the program, its shared libraries and the authorities of this machine. With
# another one, `--base debian:12-slim` say, the libraries are that image's; its glibc must be as new as the one that
# the binary was built with. `--context DIR` lays the build's folder out there and builds nothing.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

binary=${NAVARCH:-$root/target/release/navarch} tag=navarch:dev base=scratch context=
usage() {
    echo "image.sh: $1; see the head of $0" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage "$1 takes a value"
    case $1 in
    --binary) binary=$2 ;;
    --tag) tag=$2 ;;
    --base) base=$2 ;;
    --context) context=$2 ;;
    *) usage "unknown argument $1" ;;
    esac
    shift 2
done
[ -x "$binary" ] || usage "there is no program $binary: cargo build --release --locked, or name one with --binary"

# The image's own user; every file that is not its data is root's.
user=65532
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rootfs=$work/rootfs
mkdir -p "$rootfs/usr/bin" "$rootfs/etc/navarch/tls" "$rootfs/var/lib/navarch"
chmod 700 "$rootfs/var/lib/navarch"

# Symbols stay, for the traces of panics; the rest of what debuggers want is four fifths of the file.
strip --strip-debug -o "$rootfs/usr/bin/navarch" "$binary" 2>/dev/null || {
    echo "image.sh: no strip here: the image is several times as large as it could be" >&2
    cp "$binary" "$rootfs/usr/bin/navarch"
}
chmod 755 "$rootfs/usr/bin/navarch"

# Copies a library to where the loader looks for it, whatever links lead there.
library() {
    mkdir -p "$rootfs$(dirname "$1")"
    cp -L "$1" "$rootfs$1"
    chmod 755 "$rootfs$1"
}

if [ "$base" = scratch ]; then
    # `name => /path (address)` for libraries, `/path (address)` for the loader; a static program has neither.
    ldd "$binary" | sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*/\1/p' >"$work/libraries" || true
    while read -r path; do
        library "$path"
    done <"$work/libraries"
    # The driver's NVML, which the agent loads where a container runtime mounts it, wants these as well.
    while read -r path; do
        for name in libdl.so.2 libpthread.so.0 librt.so.1; do
            [ ! -e "${path%/*}/$name" ] || library "${path%/*}/$name"
        done
    done < <(grep '/libc\.so' "$work/libraries" || true)

    printf 'root:x:0:0::/:/nonexistent\nnavarch:x:%s:%s::/var/lib/navarch:/nonexistent\n' \
        "$user" "$user" >"$rootfs/etc/passwd"
    printf 'root:x:0:\nnavarch:x:%s:\n' "$user" >"$rootfs/etc/group"
    printf 'hosts: files dns\n' >"$rootfs/etc/nsswitch.conf"
    authorities=/etc/ssl/certs/ca-certificates.crt
    if [ -r "$authorities" ]; then
        mkdir -p "$rootfs/etc/ssl/certs"
        cp -L "$authorities" "$rootfs$authorities"
    else
        echo "image.sh: no $authorities here: replicas will trust no cloud but those with a ca_file" >&2
    fi
fi

# The same input makes the same archive, byte for byte. The folders of the image's user come twice, the second
# time as its own; the base's own folders keep their modes where they are not named.
pack() {
    tar --sort=name --mtime=@0 --numeric-owner --format=gnu -C "$rootfs" -f "$work/rootfs.tar" "$@"
}
pack --create --owner=0 --group=0 --exclude=./var/lib/navarch --exclude=./etc/navarch/tls .
pack --append --owner="$user" --group="$user" ./var/lib/navarch ./etc/navarch/tls

if [ -n "$context" ]; then
    mkdir -p "$context"
    cp "$work/rootfs.tar" "$root/deploy/Dockerfile" "$context"
    echo "image.sh: $context is ready for docker build"
    exit 0
fi
mkdir "$work/context"
mv "$work/rootfs.tar" "$work/context"
version=$("$binary" version --output name 2>/dev/null) || version=unknown
revision=$(git -C "$root" rev-parse HEAD 2>/dev/null) || revision=unknown
docker build --quiet --file "$root/deploy/Dockerfile" --tag "$tag" --build-arg "BASE=$base" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" "$work/context"
echo "image.sh: $tag is $(docker image inspect --format '{{.Size}}' "$tag") bytes"
