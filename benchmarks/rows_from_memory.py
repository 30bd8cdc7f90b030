"""Rows that are read once and then told from memory, to measure what lies between store and app.

As a program it is a node that does so; everything else in it is a node's.
"""

import sys
from collections.abc import Sequence
from itertools import islice

import pyarrow as pa

from services.node import opening, server
from services.node.domain.selection import MOST_UNSENT, Beginning, RowReader, Selection
from services.node.settings import NodeSettings
from services.node.store.answers import AnswerStore
from services.runtime.process import run_service


class KeptRows:
    """The batches of one selection, handed out again; implements `RowReader`."""

    def __init__(self, batches: list[pa.RecordBatch]) -> None:
        self._batches = iter(batches)
        self._most = 1

    async def next_batches(self) -> Sequence[pa.RecordBatch]:
        taken = list(islice(self._batches, self._most))
        self._most = MOST_UNSENT
        return taken

    async def close(self) -> None:
        """There is nothing to end."""


class RowsFromMemory(AnswerStore):
    """Reads each selection from the store the first time, and never again."""

    async def begin(self, selection: Selection, subject_refs: Sequence[str]) -> Beginning:
        coverage = await self.covered(selection)
        named = await self.named(selection.recipient, subject_refs)
        return Beginning(coverage, named, await self.open(selection.telling(coverage.called_for)))

    async def open(self, selection: Selection) -> RowReader:
        kept = self.__dict__.setdefault("kept", {})
        key = (selection.dataset.name, selection.subject_refs, selection.period)
        if key not in kept:
            reader = await super().open(selection)
            kept[key] = []
            while batches := await reader.next_batches():
                kept[key] += batches
            await reader.close()
        return KeptRows(kept[key])


if __name__ == "__main__":
    setattr(opening, "AnswerStore", RowsFromMemory)  # noqa: B010  # its name is not ours to export
    sys.exit(run_service("node", NodeSettings, server.build_server))
