"""Reads OneRoster 1.1 and 1.2 CSV, bulk and delta, folders and zip archives.

A delta names other things by ids that only the earlier files told. So what the source has said is
kept, the new files are put over it, and the rows follow from the whole.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from services.node.domain.intake import Piece, Removal, SourceMemory, SourceRow
from services.node.domain.intake_report import Notice, Rejection
from services.node.domain.record_tables import RECORD_TABLES
from services.node.intake.oneroster.binding import KEPT, TABLES_OF
from services.node.intake.oneroster.package import Package, Read
from services.node.intake.oneroster.roster import Roster, RosterRow

__all__ = ["OneRosterCsv", "OneRosterSource", "pieces_of"]

Objects = dict[str, dict[str, dict[str, str]]]
Places = dict[tuple[str, str], tuple[str, int]]


class RosterPackage(Protocol):
    """What a source says in one run, of which it says all there is or what changed.

    Attributes:
        modes: `bulk` or `delta` for each entity that is there.
        dropped: sensitive values, by column.
        skipped: entities that no table holds anything of.
    """

    modes: dict[str, str]
    dropped: Counter[str]
    skipped: Counter[str]

    def objects(self, entity: str) -> Iterator[Read | Rejection | Notice]:
        """The objects of one entity."""


class OneRosterSource:
    """The rows of one OneRoster package, from wherever it comes."""

    def __init__(self, package: RosterPackage) -> None:
        self.position: str | None = None
        self.dropped = package.dropped
        self.skipped = package.skipped
        self._package = package

    @property
    def complete(self) -> Mapping[str, bool]:
        """All tables, for rows follow from all that was ever said; deltas say what is gone."""
        told = self._package.modes
        return {
            table: not any(told.get(entity) == "bulk" for entity in entities)
            for table, entities in TABLES_OF.items()
        }

    def rows(self, memory: SourceMemory) -> Iterator[Piece]:
        """The rows that follow from this package and what was said before."""
        objects: Objects = {}
        places: Places = {}
        before: Objects = {}
        for entity in KEPT:
            before[entity] = memory.recall(entity)
            merged = {} if self._package.modes.get(entity) == "bulk" else dict(before[entity])
            yield from self._merge(entity, merged, places)
            changed: dict[str, dict[str, str] | None] = {
                i: o for i, o in merged.items() if before[entity].get(i) != o
            }
            changed |= dict.fromkeys(before[entity].keys() - merged.keys())
            memory.keep(entity, changed)
            objects[entity] = merged
        yield from self._removals(before, objects)
        yield from pieces_of(objects, places)

    def _merge(
        self, entity: str, merged: dict[str, dict[str, str]], places: Places
    ) -> Iterator[Rejection | Notice]:
        is_delta = self._package.modes.get(entity) == "delta"
        for read in self._package.objects(entity):
            if not isinstance(read, Read):
                yield read
                continue
            known = merged.get(read.object_id)
            told = (TABLES_OF_ENTITY[entity], read.file, read.line)
            if is_delta and known and _is_older(read.content, known):
                yield Notice(*told, "dateLastModified", "is older than what is known")
            elif read.gone:
                merged.pop(read.object_id, None)
            else:
                if known and not is_delta and known != read.content:
                    yield Notice(*told, "sourcedId", "comes again with other values")
                merged[read.object_id] = read.content
                places[entity, read.object_id] = (read.file, read.line)

    def _removals(self, before: Objects, objects: Objects) -> Iterator[Removal]:
        """What a delta says is gone, by the rows that it was."""
        gone = {
            (entity, object_id)
            for entity in ("enrollments", "roles")
            if self._package.modes.get(entity) == "delta"
            for object_id in before[entity].keys() - objects[entity].keys()
        }
        if not gone:
            return
        for row in Roster(before).spells():
            if isinstance(row, RosterRow) and (row.entity, row.object_id) in gone:
                key = RECORD_TABLES[row.table].key
                yield Removal(row.table, key, "", 0, [row.texts.get(c) for c in key])


class OneRosterCsv(OneRosterSource):
    """The rows of a package of CSV files."""

    def __init__(self, path: Path) -> None:
        super().__init__(Package(path))


def pieces_of(objects: Objects, places: Places) -> Iterator[Piece]:
    """The rows that follow from all objects of a source."""
    for row in Roster(objects).rows():
        file, line = places.get((row.entity, row.object_id), (f"{row.entity}.csv", 0))
        if isinstance(row, RosterRow):
            columns = RECORD_TABLES[row.table].column_names
            values = [row.texts.get(name) for name in columns]
            yield SourceRow(row.table, columns, file, line, values)
        else:
            yield Rejection(row.table, file, line, row.field, row.reason)


TABLES_OF_ENTITY = {
    entity: table for table, entities in TABLES_OF.items() for entity in reversed(entities)
}


def _is_older(new: Mapping[str, str], known: Mapping[str, str]) -> bool:
    mine, theirs = new.get("dateLastModified", ""), known.get("dateLastModified", "")
    return bool(mine and theirs and mine < theirs)
