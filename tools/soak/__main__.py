"""Kills a node, and cuts its power, so many times; ends with 1 if anything was lost.

Over SQLite most are power cuts, which cost hundredths of a second each; one in fifty is a SIGKILL
of a real node's process and of an import beside it, which costs seconds. Over PostgreSQL the server
itself dies under the node, and one time in ten or so the node with it. Each session of work that
is cut is a new one; `--seed` says the same choices again, though not the same course of events.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tools.soak.deaths import Tally, cutting, killing, killing_with_postgresql

_KILLED_SHARE = 50
_CUTS_OF_A_SESSION = 2_000
_DEATHS_OF_A_CLUSTER = 250


def main() -> None:
    """Runs the deaths, and tells what came of them as it goes on."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    given = parser.parse_args()
    began, tally = time.monotonic(), Tally()
    deaths = _over_sqlite if given.store == "sqlite" else _over_postgresql
    for some in deaths(given.kills, given.seed):
        tally.add(some)
        _tell(tally, began)
    for what, count in tally.wrong.most_common():
        print(f"  {count} times: {what}")
    sys.exit(1 if tally.wrong else 0)


def _over_sqlite(deaths: int, seed: int) -> Iterator[Tally]:
    """Power cuts and kills side by side."""
    killed = max(1, deaths // _KILLED_SHARE)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        kills = pool.submit(killing, killed, seed)
        for number, some in enumerate(_parts(deaths - killed, _CUTS_OF_A_SESSION), start=1):
            yield pool.submit(cutting, some, seed + number).result()
        yield kills.result()


def _over_postgresql(deaths: int, seed: int) -> Iterator[Tally]:
    """One server after another, each in a process of its own."""
    for number, some in enumerate(_parts(deaths, _DEATHS_OF_A_CLUSTER)):
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            yield pool.submit(killing_with_postgresql, some, seed + number).result()


def _parts(whole: int, most: int) -> Iterator[int]:
    for begun in range(0, whole, most):
        yield min(most, whole - begun)


def _tell(tally: Tally, began: float) -> None:
    seconds = time.monotonic() - began
    print(
        f"{tally.deaths:,} deaths, {tally.answers:,} answers before them,"
        f" {tally.wrong.total()} wrong, in {seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
