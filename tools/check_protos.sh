#!/usr/bin/env bash
# Fails if the generated code is not what the protos say.
set -euo pipefail
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
tools/generate_protos.sh "$fresh"
diff --recursive --brief --exclude=__init__.py --exclude=__pycache__ "$fresh/homeroom/api" homeroom/api || {
    echo "homeroom/api is stale: run make proto" >&2
    exit 1
}
