"""Writes a node's records as Ed-Fi JSON: a zip archive with lines of objects, one resource a file.

Every object is read back as the importer would read it before it is written. What Ed-Fi has no word
for, or would not be read back the same, goes along in `_ext.homeroom`, where Ed-Fi lets others say
more: another node reads it, other systems pass it over.
"""

import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from services.node.domain.record_tables import RECORD_TABLES
from services.node.domain.row_rules import Refusal, RowRules
from services.node.intake.edfi.items import Item
from services.node.intake.edfi.lookups import Lookups
from services.node.intake.edfi.source import translation
from services.node.intake.edfi_json.objects import ItemMaker, resource_of
from services.node.intake.export.edfi_objects import OBJECTS, EdFiObject, Row
from services.node.intake.export.edfi_students import association_object, student_object
from services.node.store.records import RecordStore

NOT_CARRIED = frozenset({"document", "directory_opt_out", "contested_statement"})
"""The tables that no resource of Ed-Fi is about; they stay behind."""


def export_edfi_json(store: RecordStore, path: Path) -> dict[str, int]:
    """Writes the archive; returns how many objects each resource has."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, ExitStack() as opened:
        export = _Export(Path(folder), opened)
        statuses: dict[str, list[Row]] = {}
        for row in store.rows("student_status"):
            statuses.setdefault(row["student_id"], []).append(row)
        for row in store.rows("student"):
            export.write(student_object(row))
            export.gather(association_object(row, statuses.get(row["student_id"], ())))
        for table, objects_of in OBJECTS.items():
            for row in store.rows(table):
                *named, own = objects_of(row)
                export.write_once(named)
                export.write_row(table, row, own)
        export.finish()
        for row in store.rows("student"):
            told = association_object(row, statuses.get(row["student_id"], ()))
            export.write_student(row, told)
        opened.close()
        _archive(Path(folder), path)
        return dict(export.counts)


class _Export:
    """The files of one export, and what a reader would have gathered of them."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._opened = opened
        self._files: dict[str, TextIO] = {}
        self._lookups = Lookups()
        self._maker = ItemMaker(Counter())
        self._written: set[tuple[str, tuple[str, ...]]] = set()
        self._rules = {n: RowRules(n, t.column_names) for n, t in RECORD_TABLES.items()}

    def write(self, made: EdFiObject) -> None:
        """Writes an object that is no row of its own."""
        self.gather(made)
        self._write(made.resource, made.content)

    def write_once(self, named: list[EdFiObject]) -> None:
        """Writes the objects that a row names, unless an earlier row named them."""
        for made in named:
            if (made.resource, made.key) not in self._written:
                self._written.add((made.resource, made.key))
                self.write(made)

    def write_row(self, table: str, row: Row, made: EdFiObject) -> None:
        """Writes the object of a row, with what a reader would not find in it otherwise."""
        item = self.gather(made)
        read = [one for one in translation(item.name)(item, self._lookups) if one.table == table]
        texts: Mapping[str, str | None] = read[0].texts if len(read) == 1 else {}
        self._write(made.resource, made.content | self._more(table, row, texts))

    def finish(self) -> None:
        """Says that all is gathered that tells of students."""
        self._lookups.finish()

    def write_student(self, row: Row, made: EdFiObject) -> None:
        """Writes what is told of a student beside the name, with what would not be read back."""
        facts = self._lookups.students[row["student_id"]]
        more = self._more("student", row, facts)
        own = {**made.content.get("_ext", {}).get("homeroom", {}), **_own(more)}
        extended = {"_ext": {"homeroom": own}} if own else {}
        self._write(made.resource, made.content | extended)

    def gather(self, made: EdFiObject) -> Item:
        """The item that a reader makes of an object, gathered as it gathers."""
        said = json.loads(_line(made.content), parse_int=str, parse_float=str)
        item = self._maker.item(resource_of(made.resource), said, 0)
        self._lookups.gather(item)
        return item

    def _more(
        self, table: str, row: Row, texts: Mapping[str, str | None]
    ) -> dict[str, dict[str, Any]]:
        names = RECORD_TABLES[table].column_names
        read = self._rules[table].read([texts.get(name) for name in names])
        values = [None] * len(names) if isinstance(read, Refusal) else read
        missed = {
            name: row[name] for name, value in zip(names, values, strict=True) if value != row[name]
        }
        return {"_ext": {"homeroom": {table: missed}}} if missed else {}

    def _write(self, resource: str, content: Mapping[str, Any]) -> None:
        if resource not in self._files:
            file = (self._folder / f"{resource}.jsonl").open("w", encoding="utf-8", newline="\n")
            self._files[resource] = self._opened.enter_context(file)
        self._files[resource].write(_line(content) + "\n")
        self.counts[resource] += 1


def _own(more: Mapping[str, Any]) -> dict[str, Any]:
    return dict(more.get("_ext", {}).get("homeroom", {}))


def _line(content: Mapping[str, Any]) -> str:
    told = {name: value for name, value in content.items() if value not in (None, [])}
    return json.dumps(told, ensure_ascii=False, default=str)


def _archive(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in _files_of(folder):
            archive.write(file, file.name)


def _files_of(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("*.jsonl"))
