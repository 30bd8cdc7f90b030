#!/usr/bin/env bash
# Generates homeroom/api from protos/, with typed stubs. Usage: tools/generate_protos.sh [folder]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-.}
mkdir -p "$out"
export PATH="$PWD/.venv/bin:$PATH"
messages=$(cd protos && find homeroom -name '*.proto' | sort)
services=$(cd protos && find homeroom -name '*_service.proto' | sort)
# shellcheck disable=SC2086
python -m grpc_tools.protoc --proto_path=protos --python_out="$out" --mypy_out=quiet:"$out" $messages
# shellcheck disable=SC2086
python -m grpc_tools.protoc --proto_path=protos --grpc_python_out="$out" --mypy_grpc_out=quiet:"$out" $services
