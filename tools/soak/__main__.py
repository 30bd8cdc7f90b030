"""Kills a node, and cuts its power, so many times; ends with 1 if anything was lost.

Most are power cuts, which cost hundredths of a second each; one in fifty is a SIGKILL of a real
node's process and of an import beside it, which costs seconds. Each session of work that is cut is
a new one; `--seed` says the same choices again, though not the same course of events.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tools.soak.deaths import Tally, cutting, killing

_KILLED_SHARE = 50
_CUTS_OF_A_SESSION = 2_000


def main() -> None:
    """Runs the power cuts and the kills side by side."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    killed = max(1, given.kills // _KILLED_SHARE)
    began, tally = time.monotonic(), Tally()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        kills = pool.submit(killing, killed, given.seed)
        left, number = given.kills - killed, 0
        while left > 0:
            some, number = min(left, _CUTS_OF_A_SESSION), number + 1
            tally.add(pool.submit(cutting, some, given.seed + number).result())
            left -= some
            _tell(tally, began)
        tally.add(kills.result())
    _tell(tally, began)
    for what, count in tally.wrong.most_common():
        print(f"  {count} times: {what}")
    sys.exit(1 if tally.wrong else 0)


def _tell(tally: Tally, began: float) -> None:
    seconds = time.monotonic() - began
    print(
        f"{tally.deaths:,} deaths, {tally.answers:,} answers before them,"
        f" {tally.wrong.total()} wrong, in {seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
