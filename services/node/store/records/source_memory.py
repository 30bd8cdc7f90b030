"""Keeps what a source said, for sources that later say only what changed."""

import json
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from services.node.store.records.tables import housekeeping

_BATCH = 1_000
_OBJECTS, _RUN = housekeeping("source_object"), housekeeping("intake_run")


class KeptObjects:
    """The objects of one source; implements `SourceMemory`."""

    def __init__(self, connection: Connection, source_key: int) -> None:
        self._connection = connection
        self._source_key = source_key

    def recall(self, kind: str) -> dict[str, dict[str, Any]]:
        rows = self._connection.execute(self._of(kind))
        return {row.object_id: json.loads(row.content) for row in rows}

    @property
    def position(self) -> str | None:
        query = (
            select(_RUN.c.position)
            .where(_RUN.c.source_key == self._source_key, _RUN.c.position.is_not(None))
            .order_by(_RUN.c.run.desc())
            .limit(1)
        )
        return self._connection.scalar(query)

    def some(self, kind: str, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        found = {}
        for batch in _batches(iter(ids)):
            query = self._of(kind).where(_OBJECTS.c.object_id.in_(batch))
            for row in self._connection.execute(query):
                found[row.object_id] = json.loads(row.content)
        return found

    def each(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        last = ""
        while True:
            query = self._of(kind).where(_OBJECTS.c.object_id > last)
            # Read in parts, because whoever reads changes some of them before the next.
            rows = self._connection.execute(query.order_by(_OBJECTS.c.object_id).limit(_BATCH))
            batch = rows.all()
            if not batch:
                return
            for row in batch:
                yield row.object_id, json.loads(row.content)
            last = batch[-1].object_id

    def _of(self, kind: str) -> Select[tuple[str, str]]:
        return select(_OBJECTS.c.object_id, _OBJECTS.c.content).where(
            _OBJECTS.c.source_key == self._source_key, _OBJECTS.c.kind == kind
        )

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
