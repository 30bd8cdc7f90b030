"""Says which policy engine runs on this machine: `python -m tools.policy_engine`."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from services.runtime.policy import OPA_VERSION, find_opa

_TRIAL = "package trial\n\nanswer := input.question + 1\n"

_HOW_TO_INSTALL = f"""\
No policy engine runs here, and nothing is shared without one. Do either of these:
  - Install the embedded evaluator (Linux with glibc 2.34 or newer, x86_64 or aarch64):
    .venv/bin/pip install --require-hashes --no-deps --ignore-requires-python \\
        --only-binary=:all: --requirement requirements-opa.lock
  - Install OPA {OPA_VERSION}, and put it on the PATH:
    go install github.com/open-policy-agent/opa@v{OPA_VERSION}"""


def version_of(binary: Path) -> str | None:
    """The version an `opa` binary says it is; None if it does not run."""
    try:
        said = subprocess.run(
            [binary, "version"], check=False, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    first = said.stdout.partition("\n")[0]
    return first.removeprefix("Version: ") if first.startswith("Version: ") else None


def embedded_runs() -> bool:
    """Whether the embedded evaluator evaluates a policy here."""
    try:
        from opa_bindings import OpaEngine  # noqa: PLC0415 - it may not be installed

        with OpaEngine() as engine:
            engine.add_policy("trial.rego", _TRIAL)
            return bool(engine.eval_document("trial.answer", {"question": 41}) == 42)  # noqa: PLR2004
    except Exception:  # an evaluator that fails in any way does not run
        return False


def engines_found(environment: Mapping[str, str]) -> list[str]:
    """The engines that run here, by name and version."""
    found = []
    if embedded_runs():
        found.append(f"embedded OPA {OPA_VERSION}")
    binary = find_opa(environment)
    version = version_of(binary) if binary else None
    if version:
        found.append(f"opa {version} at {binary}")
    return found


def main() -> int:
    """Names the engines found on one line; without any, says how to install one."""
    found = engines_found(os.environ)
    if not found:
        sys.stderr.write(f"{_HOW_TO_INSTALL}\n")
        return 1
    sys.stdout.write(f"policy engine: {'; '.join(found)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
