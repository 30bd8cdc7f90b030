"""Takes the rows of a trial in place of the records: judged, but never stored."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from services.node.domain.intake import Identity, SourceMemory
from services.node.domain.intake_report import Tally

Objects = Mapping[str, Mapping[str, Any] | None]


class Remembered:
    """What a source said before its set went wrong; it stays that. A `SourceMemory`."""

    position: str | None = None

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, dict[str, Any]]] = {}
        self._said = False

    def recall(self, kind: str) -> dict[str, dict[str, Any]]:
        return {i: dict(content) for i, content in self._objects.get(kind, {}).items()}

    def some(self, kind: str, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        return {i: content for i, content in self.recall(kind).items() if i in ids}

    def each(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        yield from sorted(self.recall(kind).items())

    def keep(self, kind: str, objects: Objects) -> None:
        if not self._said:
            told = {i: dict(content) for i, content in objects.items() if content is not None}
            self._objects.setdefault(kind, {}).update(told)

    def end(self) -> None:
        """From now on nothing more is kept."""
        self._said = True


class Judged:
    """Gives students keys, and forgets all rows; a `RecordSink`."""

    def __init__(self, memory: Remembered, student_id: str) -> None:
        self.memory: SourceMemory = memory
        self.student_keys = {student_id: 1}
        self.identities: Mapping[int, Identity] = {}

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if table == "student":
            for row in rows:
                self.student_keys.setdefault(row[columns.index("student_id")], 2)

    def remove(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Nothing is there to be removed."""

    def rename(self, old_student_id: str, new_student_id: str) -> bool:
        return old_student_id in self.student_keys and new_student_id not in self.student_keys

    def settle_complete(self, tables: Mapping[str, bool], *, may_shrink: bool) -> None:
        """Nothing is there to be settled."""

    def tallies(self) -> Mapping[str, Tally]:
        return {}

    def findings(self) -> Mapping[str, int]:
        return {}
