"""Many deaths of one kind, on premises of their own, and what came of them."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.postgres import Cluster
from tools.soak.kills import Killing
from tools.soak.power import cuts, record_session
from tools.soak.premises import premises

_QUESTIONS, _IMPORTS = 120, 8
_NODES_DATABASE = "holder"
# The machine goes on, and with it what was written to its files; nothing waits for a disk.
_OF_A_NODE = {"fsync": "off"}


@dataclass
class Tally:
    """What came of all of it."""

    deaths: int = 0
    answers: int = 0
    wrong: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Counts another's with its own."""
        self.deaths += other.deaths
        self.answers += other.answers
        self.wrong += other.wrong


def cutting(count: int, seed: int) -> Tally:
    """Cuts the power so many times in one session of a node's work."""
    with tempfile.TemporaryDirectory(prefix="homeroom-") as folder:
        with premises(Path(folder) / "federation") as at:
            session = asyncio.run(record_session(at, _QUESTIONS, _IMPORTS, seed))
        tally = Tally(answers=session.answers, wrong=Counter(session.wrong))
        for cut in cuts(session, count, seed):
            tally.deaths += 1
            tally.wrong.update(f"after a power cut: {what}" for what in cut.wrong)
    return tally


def killing(count: int, seed: int) -> Tally:
    """Kills a node so many times."""
    with (
        tempfile.TemporaryDirectory(prefix="homeroom-") as folder,
        premises(Path(folder) / "federation") as at,
    ):
        return _tally(Killing(at, seed), count)


def killing_with_postgresql(count: int, seed: int) -> Tally:
    """Ends PostgreSQL under a node, and now and then the node with it, so many times."""
    with (
        tempfile.TemporaryDirectory(prefix="homeroom-") as folder,
        cluster_of_a_node() as cluster,
        premises(Path(folder) / "federation", cluster.url(_NODES_DATABASE)) as at,
    ):
        return _tally(Killing(at, seed, cluster), count)


@contextmanager
def cluster_of_a_node(**settings: str) -> Iterator[Cluster]:
    """A running PostgreSQL with an empty database for a node.

    Raises:
        ServiceUnreachableError: if PostgreSQL is not installed.
    """
    cluster = Cluster({**_OF_A_NODE, **settings}, checksums=True)
    try:
        cluster.start()
        cluster.run(f"CREATE DATABASE {_NODES_DATABASE}")
        yield cluster
    finally:
        cluster.remove()


def _tally(lives: Killing, count: int) -> Tally:
    tally = Tally()
    for wrong in lives.lives(count):
        tally.deaths += 1
        tally.wrong.update(f"after a kill: {what}" for what in wrong)
    tally.answers = lives.answers
    return tally
