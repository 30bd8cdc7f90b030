"""Lists the benchmarks, or runs the one that is named, which ends in `RESULT {json}`."""

import datetime as dt
import importlib
import json
import os
import pkgutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.page import keep

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
    "page",
    "plain_node",
    "rows_from_memory",
    "slow_reader",
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
    keep(arguments[0], result, _told(named))
    print(f"RESULT {json.dumps(result)}")
    return 0


def _told(named: Mapping[str, str]) -> str:
    """When this was measured, on what, and how large: machines are shared, and differ."""
    sizes = "".join(f" {name} {value}" for name, value in named.items())
    today, load = dt.datetime.now(dt.UTC).date(), os.getloadavg()[0]
    return f"{today}, {os.cpu_count()} processors, load {load:.1f} at the end{sizes}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
