#!/usr/bin/env bash
# Installs the pinned opa binary into the user's cache, by `go install`, where Go is at hand.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(.venv/bin/python -c 'from services.runtime.policy import OPA_VERSION; print(OPA_VERSION)')
folder="${XDG_CACHE_HOME:-$HOME/.cache}/homeroom/opa-v$version"
if [ -x "$folder/opa" ]; then
    echo "opa: $version is at hand"
elif command -v go >/dev/null; then
    echo "opa: installing $version with go install (once; a few minutes)"
    GOBIN="$folder" GOFLAGS=-modcacherw go install "github.com/open-policy-agent/opa@v$version"
else
    echo "opa: Go is not at hand, so there is no opa binary; the embedded evaluator judges alone"
fi
