"""Reads an Ed-Fi ODS/API: everything the first time, and then what changed since.

What a change says is put over what was said before, and the rows follow from the whole, as if all
of it had been read at once.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from homeroom.errors import RequestInvalidError
from services.node.domain.intake import Piece, Removal, SourceMemory
from services.node.domain.intake_report import Rejection
from services.node.domain.record_tables import RECORD_TABLES, STUDENT_ID
from services.node.domain.row_rules import Refusal, RowRules
from services.node.intake.edfi.lookups import FirstPassNames, Lookups
from services.node.intake.edfi.row import Row, source_row
from services.node.intake.edfi.source import SecondPassNames, translation
from services.node.intake.edfi_api.dependence import depends_on, tells_of_students
from services.node.intake.edfi_api.kept import FORM
from services.node.intake.edfi_api.reading import Reading
from services.node.intake.edfi_api.replica import Known, Replica, RowKey
from services.node.intake.edfi_api.service import OdsApi, Versions, kind_of
from services.node.intake.rest import Access, Fetcher, Session

__all__ = ["EdFiApi"]

_FORM = "edfi_api"


class EdFiApi:
    """The rows of one source.

    Attributes:
        position: the source and the last change that was read of it.
    """

    def __init__(self, url: str, access: Access, *, bulk: bool, may_shrink: bool) -> None:
        self.dropped: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.complete: Mapping[str, bool] = {}
        self.position: str | None = None
        self._session = Session(url, access, Fetcher(access.limits))
        self._api = OdsApi(self._session, access.page_size)
        self._bulk = bulk
        self._may_shrink = may_shrink
        self._resource_of: dict[str, str] = {}
        self._told: set[str] = set()
        self._waiting: defaultdict[str, set[str]] = defaultdict(set)

    def rows(self, memory: SourceMemory) -> Iterator[Piece]:
        """The rows that follow from what changed, and what is gone."""
        try:
            replica, kinds = self._read(memory)
        finally:
            self._session.close()
        yield from replica.carry_renames(kinds, "ed-fi/students")
        if replica.is_as_before:
            return
        lookups = self._gathered(replica, kinds)
        yield from self._students(replica, lookups, kinds)
        for kind in kinds:
            if kind in SecondPassNames():
                yield from self._rows_of(kind, replica, lookups)
        yield from self._removals(replica, lookups, kinds)
        replica.wait(self._waiting)

    def _read(self, memory: SourceMemory) -> tuple[Replica, list[str]]:
        known = self._known(memory.position)
        self._api.open()
        versions, done = self._api.versions(), known["done"]
        replica = Replica(memory, everything=self._bulk or self._is_lost(versions, known))
        reading = Reading(self._api, replica, self.dropped)
        resources = self._api.resources()
        self._resource_of = {kind_of(resource): resource for resource in resources}
        done = reading.read(resources, done, may_shrink=self._may_shrink)
        self.skipped.update(reading.skipped)
        self.position = json.dumps(
            self._this | {"done": done, "snapshot": self._api.has_snapshot, "kept": FORM},
            sort_keys=True,
        )
        return replica, list(self._resource_of)

    @property
    def _this(self) -> dict[str, Any]:
        return {"form": _FORM, "url": self._session.base_url}

    def _known(self, position: str | None) -> dict[str, Any]:
        """Where the last run came to.

        Raises:
            RequestInvalidError: if what was read by this name is another source.
        """
        known: dict[str, Any] = {"done": None, "snapshot": False, "kept": ""}
        known |= json.loads(position) if position else self._this
        if not self._this.items() <= known.items():
            raise RequestInvalidError(
                "by this name another source was read before: give it a name of its own",
                field="source",
            )
        return known

    def _is_lost(self, versions: Versions | None, known: Mapping[str, Any]) -> bool:
        """Whether what changed since the last run cannot be told, so that all is read again."""
        done = known["done"]
        if versions is None or done is None or done + 1 < versions.oldest:
            return True
        if known["kept"] != FORM:
            return True  # an earlier release did not keep all that this one makes rows of
        # A snapshot may be older than what was read before without one. Else it was put back.
        is_older = self._api.has_snapshot and not known["snapshot"]
        return bool(versions.newest < done and not is_older)

    def _gathered(self, replica: Replica, kinds: list[str]) -> Lookups:
        lookups = Lookups()
        for kind in kinds:
            if kind in FirstPassNames():
                for known in replica.all(kind):
                    lookups.gather(known.item)
        lookups.finish()
        return lookups

    def _students(self, replica: Replica, lookups: Lookups, kinds: list[str]) -> Iterator[Piece]:
        """The students of whom something changed; one flag may change with another's."""
        changed = any(replica.changed(kind) for kind in kinds if tells_of_students(kind))
        for known in replica.all("Student"):
            student_id = known.item.at("StudentUniqueId").text
            file = self._place("Student", known.page)
            if not student_id:
                yield Rejection("student", file, known.item.line, STUDENT_ID, *_MISSING)
                continue
            self._told.add(student_id)
            if changed:
                row = Row("student", lookups.students[student_id])
                yield source_row(row, file, known.item.line)

    def _rows_of(self, kind: str, replica: Replica, lookups: Lookups) -> Iterator[Piece]:
        whole = any(replica.changed(other) for other in depends_on(kind))
        for known in replica.to_read(kind, whole=whole):
            file, keys = self._place(kind, known.page), set()
            for row in translation(kind)(known.item, lookups):
                if row.refused:
                    yield Rejection(row.table, file, known.item.line, STUDENT_ID, row.refused)
                    continue
                if (key := _key_of(row)) is not None:
                    keys.add(key)
                self._note_waiting(kind, known, row)
                yield source_row(row, file, known.item.line)
            replica.made_into(kind, known, frozenset(keys))
        replica.keep_made(kind)

    def _note_waiting(self, kind: str, known: Known, row: Row) -> None:
        """A student may come to be told after what names the student."""
        student_id = row.texts.get(STUDENT_ID)
        if student_id and student_id not in self._told:
            self._waiting[kind].add(known.object_id)

    def _removals(self, replica: Replica, lookups: Lookups, kinds: list[str]) -> Iterator[Piece]:
        """What is in no object any more; an object that says the same again says it anew."""
        gone = set(replica.gone)
        again: set[RowKey] = set()
        for kind in kinds if gone else ():
            for known in replica.all(kind) if kind in SecondPassNames() else ():
                if not known.rows.isdisjoint(gone):
                    again |= known.rows
                    file = self._place(kind, known.page)
                    for row in translation(kind)(known.item, lookups):
                        if not row.refused:
                            yield source_row(row, file, known.item.line)
        for table, *texts in sorted(gone - again):
            yield Removal(table, RECORD_TABLES[table].key, "", 0, texts)

    def _place(self, kind: str, page: int) -> str:
        return f"ed-fi/{self._resource_of.get(kind, kind)}?page={page}"


_MISSING = ("is missing", "missing")


def _key_of(row: Row) -> RowKey | None:
    """The natural key of a row, as the records have it; None where the rules refuse it."""
    columns = RECORD_TABLES[row.table].key
    values = _rules(row.table).read([row.texts.get(name) for name in columns])
    return None if isinstance(values, Refusal) else (row.table, *map(str, values))


@cache
def _rules(table: str) -> RowRules:
    return RowRules(table, RECORD_TABLES[table].key)
