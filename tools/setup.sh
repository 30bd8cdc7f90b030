#!/usr/bin/env bash
# Makes .venv from the locked, hashed dependencies and says which policy engine runs here.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.locks
wanted=$(cat requirements.lock requirements-opa.lock tools/setup.sh | sha256sum | cut -d" " -f1)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    python=""
    for candidate in python3.11 python3 python3.12 python3.13; do
        if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        echo "setup: Python 3.11 or newer is needed; install it (Debian: apt-get install python3 python3-venv)" >&2
        exit 1
    fi
    echo "setup: making .venv with $($python --version), from locked and hashed dependencies"
    "$python" -m venv .venv
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    .venv/bin/pip install --quiet --require-hashes --requirement requirements.lock
    # The embedded evaluator declares a newer Python than it needs: it is a ctypes wrapper that
    # imports only the standard library. Where it has no wheel, an opa binary serves instead.
    .venv/bin/pip install --quiet --require-hashes --no-deps --ignore-requires-python \
        --only-binary=:all: --requirement requirements-opa.lock \
        || echo "setup: the embedded policy engine has no wheel for this machine"
    .venv/bin/pip install --quiet --no-deps --no-build-isolation --editable .
    echo "$wanted" > "$stamp"
fi
.venv/bin/python -m tools.policy_engine
