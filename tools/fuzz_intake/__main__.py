"""Imports mutated files of every format on all cores, and says which of them went wrong.

`--first N --files 1` says a trial again: it is the same for a seed and a number on every machine.
"""

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tools.fuzz_intake.trial import Failure, Trials

_A_LOT = 500
_SHOWN = 20


def main() -> None:
    """Runs the trials; ends with 1 if any went wrong."""
    parser = argparse.ArgumentParser(prog="fuzz_intake", description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    numbers = range(given.first, given.first + given.files)
    began, failures, slowest, stored = time.monotonic(), list[Failure](), 0.0, 0
    lots = [numbers[at : at + _A_LOT] for at in range(0, len(numbers), _A_LOT)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for at, lot in enumerate(pool.map(_trials, lots, [given.seed] * len(lots)), start=1):
            failures += lot.failures
            slowest, stored = max(slowest, lot.slowest), stored + lot.stored
            done = min(at * _A_LOT, len(numbers))
            if lot.failures or at % 10 == 0 or done == len(numbers):
                seconds = time.monotonic() - began
                print(f"{done:,} files, {stored:,} into records, in {seconds:.0f} s", flush=True)
                for failure in lot.failures[:_SHOWN]:
                    print(f"  {failure.number} ({failure.kind}): {failure.why}", flush=True)
    print(f"{len(failures)} went wrong; the slowest took {slowest:.1f} s of a core")
    sys.exit(1 if failures else 0)


class _Lot(NamedTuple):
    """What became of some trials."""

    failures: list[Failure]
    slowest: float
    stored: int


def _trials(numbers: range, seed: int) -> _Lot:
    with (
        tempfile.TemporaryDirectory(prefix="homeroom-") as folder,
        Trials(Path(folder), seed) as trials,
    ):
        failures = [failure for number in numbers if (failure := trials.run(number))]
        return _Lot(failures, trials.slowest, trials.stored)


if __name__ == "__main__":
    main()
