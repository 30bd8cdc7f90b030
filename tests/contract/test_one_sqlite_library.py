"""One process uses one SQLite library: two drop each other's file locks, and commits are lost."""

import datetime as dt
import subprocess
import sys
from pathlib import Path

from homeroom.catalog import dataset_named
from homeroom.vocabulary import Element
from services.node.domain.consent_book import Progress
from services.node.domain.decision import Schools
from services.node.domain.selection import Selection
from services.node.opening import open_stores
from tests.conditions import consented

_NOW = dt.datetime(2026, 3, 10, tzinfo=dt.UTC)
_READ_ELSEWHERE = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
    "print(c.execute('SELECT sequence FROM consent_progress').fetchone()[0]); c.close()"
)


async def test_a_commit_after_an_answer_was_read_is_seen_by_every_other_process(
    tmp_path: Path,
) -> None:
    """Reading an answer takes no lock away from the connection that writes the node's state.

    Another process that opens and closes the database in between would otherwise take itself for
    its last user and remove the write-ahead log that this process goes on writing to.
    """
    stores = open_stores(f"sqlite:///{tmp_path}/records.db", f"sqlite:///{tmp_path}/state.db")
    selection = Selection(
        dataset=dataset_named("attendance"),
        conditions=consented({Element.DAILY_ATTENDANCE}),
        recipient="asker",
        classes=frozenset(),
        agreement_id="A-1",
        purpose="direct_service",
        schools=Schools(),
        subject_refs=None,
        period=None,
        instant=_NOW,
    )
    for sequence in range(1, 6):
        stores.consents.confirm(Progress(sequence, sequence, _NOW))
        reader = await stores.answers.open(selection)
        while await reader.next_batches():
            pass
        await reader.close()

        assert str(sequence) == _seen_elsewhere(tmp_path / "state.db")


def _seen_elsewhere(database: Path) -> str:
    command = [sys.executable, "-c", _READ_ELSEWHERE, str(database)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return ran.stdout.strip()
