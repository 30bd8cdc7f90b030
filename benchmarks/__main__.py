"""Lists the benchmarks, or runs the one that is named, which ends in `RESULT {json}`."""

import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

_NOT_BENCHMARKS = {
    "__main__",
    "bare_asking",
    "bare_node",
    "crowd",
    "families",
    "fault_schedules",
    "forms",
    "ground",
    "overhead",
    "rows_from_memory",
    "unlogged",
    "ways",
}


def benchmarks() -> dict[str, str]:
    """Each benchmark's name and the first line of what it says of itself."""
    found = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name not in _NOT_BENCHMARKS:
            said = importlib.import_module(f"benchmarks.{module.name}").__doc__ or ""
            found[module.name] = said.splitlines()[0]
    return found


def main(arguments: list[str]) -> int:
    """Runs the benchmark named, or lists them all; 2 if there is none of that name.

    What follows the name is a size that the benchmark has, as in `consents --consents 10000`.
    """
    known = benchmarks()
    if not arguments:
        for name, said in known.items():
            print(f"{name:12} {said}")
        print("\nmake bench B=<name> runs one.")
        return 0
    if arguments[0] not in known:
        print(f"there is no benchmark {arguments[0]}; there are {', '.join(known)}")
        return 2
    named = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    sizes = {name.removeprefix("--"): int(value) for name, value in named.items()}
    result: dict[str, Any] = importlib.import_module(f"benchmarks.{arguments[0]}").run(**sizes)
    print(f"RESULT {json.dumps(result)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
