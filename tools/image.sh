#!/usr/bin/env bash
# Builds the image of all services from the committed tree, twice if asked, and says its id.
#   tools/image.sh [--twice] [--extras services] [--base IMAGE]
#   tools/image.sh --sbom [--extras services]     only says what would be in it
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
export SOURCE_DATE_EPOCH=0

twice="" extras=services base="" sbom="" list=.local/image/homeroom.cdx.json
while [ $# -gt 0 ]; do
    case $1 in
        --twice) twice=1 ;;
        --extras) extras=$2; shift ;;
        --base) base=$2; shift ;;
        --sbom) sbom=1 ;;
        *) echo "image: unknown: $1" >&2; exit 2 ;;
    esac
    shift
done

for tool in $([ -n "$sbom" ] || echo buildah) $([ -n "$base" ] || echo mmdebstrap); do
    command -v "$tool" >/dev/null || {
        echo "image: $tool is not at hand; Debian: apt-get install buildah mmdebstrap" >&2
        exit 1
    }
done

.venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
    echo "image: Python 3.11 compiles what is in it, and .venv has another" >&2
    exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build="buildah bud --isolation chroot --timestamp 0 --layers=false --no-cache --format oci"

# Debian's Python and what it needs: neither a shell nor a package manager runs in it. Nothing is
# executed to make it; what is in it stands in var/lib/dpkg/status.d, where scanners look.
unpack_base() {
    mmdebstrap --quiet --variant=extract \
        --include=base-files,ca-certificates,libc6,libgomp1,libstdc++6,media-types,netbase,python3,python3.11,tzdata,zlib1g \
        --extract-hook="$PWD/deploy/images/base.sh \"\$1\" $PWD/.venv/bin/python" \
        bookworm "$work/base.tar"
    rm -rf "$work/notes" && mkdir "$work/notes"
    tar -x -C "$work/notes" --strip-components=5 -f "$work/base.tar" ./var/lib/dpkg/status.d
}

make_base() {
    unpack_base
    mkdir -p "$work/base"
    printf 'FROM scratch\nADD base.tar /\n' > "$work/base/Containerfile"
    mv "$work/base.tar" "$work/base/"
    $build --quiet -t localhost/homeroom-base:bookworm "$work/base" >/dev/null
}

install_packages() {
    rm -rf "$1" && mkdir -p "$1"
    .venv/bin/python -m tools.image_lock $extras > "$work/requirements.lock"
    for lock in "$work/requirements.lock" requirements-opa.lock; do
        .venv/bin/pip --disable-pip-version-check install --quiet --no-compile --no-deps --require-hashes \
            --only-binary=:all: --ignore-requires-python --python-version 3.11 --implementation cp \
            --platform manylinux_2_28_x86_64 --platform manylinux_2_34_x86_64 --platform manylinux_2_17_x86_64 \
            --platform manylinux2014_x86_64 --upgrade \
            --target "$1" --requirement "$lock"
    done
}

# Says what is in it, from what was noted and installed; on another's base, Debian's part is unknown.
write_list() {
    mkdir -p "$(dirname "$list")"
    .venv/bin/python -m tools.sbom --debian "$work/notes" --installed "$1" $extras > "$work/list.json"
    mv "$work/list.json" "$list"
    echo "image: $list says what is in it"
}

# What goes on top: locked packages without their programs, and the servers as they are committed.
make_root() {
    rm -rf "$work/image" && mkdir -p "$work/image/files/opt/homeroom/app"
    cp deploy/images/Containerfile "$work/image/"
    install_packages "$work/image/files/opt/homeroom/packages"
    rm -rf "$work/image/files/opt/homeroom/packages/bin"
    git archive HEAD homeroom services policy LICENSE pyproject.toml | tar -x -C "$work/image/files/opt/homeroom/app"
    # As in deploy/images/base.sh: a start that compiled would take three times as long.
    PYTHONHASHSEED=0 .venv/bin/python -m compileall -q -j 1 --invalidation-mode unchecked-hash \
        -s "$work/image/files" -p / "$work/image/files/opt/homeroom"
}

build_once() {
    [ -n "$base" ] || make_base
    make_root
    $build --quiet --build-arg "BASE=${base:-localhost/homeroom-base:bookworm}" -t "$1" "$work/image" >/dev/null
    buildah inspect --type image --format '{{.FromImageID}}' "$1"
}

if [ -n "$sbom" ]; then
    unpack_base
    install_packages "$work/packages"
    write_list "$work/packages"
    exit
fi
git diff --quiet HEAD -- homeroom services policy || echo "image: what is not committed is not in it"
id=$(build_once localhost/homeroom:dev)
echo "image: localhost/homeroom:dev $id"
[ -n "$base" ] || write_list "$work/image/files/opt/homeroom/packages"
if [ -n "$twice" ]; then
    again=$(build_once localhost/homeroom:again)
    buildah rmi localhost/homeroom:again >/dev/null
    [ "$id" = "$again" ] || { echo "image: built again it is another: $again" >&2; exit 1; }
    echo "image: built again from nothing, it is the same"
fi
