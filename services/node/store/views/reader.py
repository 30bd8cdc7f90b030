"""Reads what may leave of a view's rows, a batch at a time."""

from collections.abc import Iterator

import pyarrow as pa

from services.node.store.reading import Compiled
from services.node.store.row_readers import ThreadedReader
from services.node.store.views.passing import Keyed, Passing


class ViewReader(ThreadedReader):
    """The batches of one selection among a view's rows."""

    def __init__(
        self, rows: Iterator[list[Keyed]], passing: Passing, chosen: Compiled, schema: pa.Schema
    ) -> None:
        self._rows = rows
        self._passing = passing
        self._chosen = chosen
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []

    def read(self) -> pa.RecordBatch | None:
        """The next batch, waited for here."""
        while not self._waiting:
            rows = next(self._rows, None)
            if rows is None:
                return None
            self._passing.put(rows)
            self._waiting = self._passing.batches(self._chosen, self._schema)
        return self._waiting.pop(0)

    def stop(self) -> None:
        # The organization's own database has its own limit of seconds.
        self._passing.stop()

    def end(self) -> None:
        """Ends both reads."""
        close = getattr(self._rows, "close", None)
        if close is not None:
            close()
        self._passing.close()
