"""Keeps what a source said, for sources that later say only what changed."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from services.node.store.records.tables import housekeeping

_BATCH = 1_000
_OBJECTS = housekeeping("source_object")


class KeptObjects:
    """The objects of one source; implements `SourceMemory`."""

    def __init__(self, connection: Connection, source_key: int) -> None:
        self._connection = connection
        self._source_key = source_key

    def recall(self, kind: str) -> dict[str, dict[str, Any]]:
        query = select(_OBJECTS.c.object_id, _OBJECTS.c.content).where(
            _OBJECTS.c.source_key == self._source_key, _OBJECTS.c.kind == kind
        )
        return {row.object_id: json.loads(row.content) for row in self._connection.execute(query)}

    def keep(self, kind: str, objects: Mapping[str, Mapping[str, Any] | None]) -> None:
        into = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        insert = into.insert(_OBJECTS)
        upsert = insert.on_conflict_do_update(
            index_elements=["source_key", "kind", "object_id"],
            set_={"content": insert.excluded.content},
        )
        kept = (
            {
                "source_key": self._source_key,
                "kind": kind,
                "object_id": object_id,
                "content": json.dumps(content),  # ASCII, for a text may hold what is no UTF-8
            }
            for object_id, content in objects.items()
            if content is not None
        )
        for batch in _batches(kept):
            self._connection.execute(upsert, batch)
        for ids in _batches(i for i, content in objects.items() if content is None):
            self._connection.execute(
                delete(_OBJECTS).where(
                    _OBJECTS.c.source_key == self._source_key,
                    _OBJECTS.c.kind == kind,
                    _OBJECTS.c.object_id.in_(ids),
                )
            )


def _batches(values: Iterator[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while batch := list(islice(rest, _BATCH)):
        yield batch
