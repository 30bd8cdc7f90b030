#!/usr/bin/env bash
# Fails if the protos break what the main branch promises. A checkout without that branch compares
# with the commit before.
set -euo pipefail
cd "$(dirname "$0")/.."
for base in origin/main HEAD~1; do
    if git rev-parse --quiet --verify "$base^{commit}" >/dev/null && git cat-file -e "$base:protos" 2>/dev/null; then
        .venv/bin/buf breaking --against ".git#ref=$(git rev-parse "$base"),subdir=."
        exit 0
    fi
done
echo "breaking: nothing to compare with yet"
