"""Reads a OneRoster package by the rules of its manifest, object by object."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from homeroom.errors import RequestInvalidError
from services.node.domain.intake_report import Notice, Rejection
from services.node.intake.file_set import FileSet, SetFile
from services.node.intake.oneroster.binding import (
    ALIASES,
    COLUMNS,
    KEPT,
    KNOWN_FILES,
    REQUIRED,
    TABLES_OF,
)
from services.node.intake.sensitive import is_sensitive_name
from services.node.intake.texts import folded, opened, without_padding

_MODES = frozenset({"absent", "bulk", "delta"})
_PROPERTIES = frozenset(
    {"manifest.version", "oneroster.version", "source.systemName", "source.systemCode"}
)
_EXTENSIONS = ("metadata.", "ext_", "ext.")
_ID = "sourcedId"
# The binding allows fewer characters than real files have; those that no text has are too many.
ID_FORM = re.compile(r"[^\x00-\x1f\ud800-\udfff]{1,255}")
"""What an id of a source is made of."""
USER_ID = re.compile(r"\{([^:{}]+):([^{}]+)\}")
"""One of the ids of a user, with its type."""


class Read(NamedTuple):
    """One object of a file: what is kept of it, and whether the file says that it is gone."""

    object_id: str
    content: dict[str, str]
    gone: bool
    file: str
    line: int


class Package:
    """The files of one package.

    Attributes:
        modes: `bulk` or `delta` for each file that is there.
        version: of the binding, 1.1 or 1.2.
        dropped: sensitive values, by column.
        skipped: files that no table holds anything of.
    """

    def __init__(self, path: Path) -> None:
        self.dropped: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        files = _by_entity(FileSet(path, ".csv"))
        manifest = files.pop("manifest", None)
        if manifest is None:
            raise RequestInvalidError("there is no manifest.csv", field="path")
        properties = _properties(manifest)
        self.version = properties.get("oneroster.version", "")
        if self.version == "1.2.1":
            self.version = "1.2"
        if self.version not in KNOWN_FILES:
            raise RequestInvalidError(
                "the manifest names no version that is read here", field="oneroster.version"
            )
        self.modes = _modes(properties, self.version, set(files))
        self._files = {name: file for name, file in files.items() if name in REQUIRED}
        for name in files.keys() - REQUIRED.keys():
            self.skipped[f"{name}.csv"] += 1

    def objects(self, entity: str) -> Iterator[Read | Rejection | Notice]:
        """The objects of one file."""
        file = self._files.get(entity)
        if file is None:
            return
        with opened(file) as text:
            yield from self._objects(entity, file.name, text)

    def _objects(
        self, entity: str, file: str, text: io.TextIOWrapper
    ) -> Iterator[Read | Rejection | Notice]:
        reader = csv.reader(text)
        header = _header(entity, next(reader, []))
        table = _table_of(entity)
        for twice in sorted({n for n in header if n in KEPT[entity] and header.count(n) > 1}):
            yield Rejection(table, file, 1, twice, "the file has it twice")
            return
        for missing in [name for name in REQUIRED[entity] if name not in header]:
            yield Rejection(table, file, 1, missing, "the file has no such column")
            return
        unknown = sum(_is_unknown(entity, name) for name in header)
        if unknown:
            yield Notice(table, file, 1, "", f"{unknown} columns that OneRoster does not have")
        while True:
            try:
                cells = next(reader, None)
            except csv.Error:
                cells = ["", ""]
            if cells is None:
                return
            if any(cells):
                yield self._read(entity, file, reader.line_num, header, cells)

    def _read(
        self, entity: str, file: str, line: int, header: Sequence[str], cells: Sequence[str]
    ) -> Read | Rejection:
        table = _table_of(entity)
        cells = without_padding(list(cells), len(header))
        if len(cells) != len(header):
            return Rejection(table, file, line, "", "has not as many cells as the header")
        row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        for name, value in row.items():
            if value and is_sensitive_name(name):
                self.dropped[name] += 1
        if not row.get(_ID):
            return Rejection(table, file, line, _ID, "is missing", "missing")
        if not ID_FORM.fullmatch(row[_ID]):
            return Rejection(table, file, line, _ID, "is no id", "other text")
        if row.get("userIds"):
            row["userIds"] = self._without_sensitive(row["userIds"])
        content = {name: row[name] for name in KEPT[entity] if row.get(name)}
        if self.modes.get(entity) == "delta" and row.get("dateLastModified"):
            content["dateLastModified"] = row["dateLastModified"]
        gone = row.get("status", "").lower() == "tobedeleted"
        return Read(row[_ID], content, gone, file, line)

    def _without_sensitive(self, user_ids: str) -> str:
        """The ids of a user, `{type:id}`, without those that must not be held."""
        kept = []
        for kind, text in USER_ID.findall(user_ids):
            if is_sensitive_name(kind):
                self.dropped["userIds"] += 1
            else:
                kept.append(f"{{{kind}:{text}}}")
        return ",".join(kept)


def _table_of(entity: str) -> str:
    return next((table for table, entities in TABLES_OF.items() if entity in entities), "school")


def _by_entity(files: FileSet) -> dict[str, SetFile]:
    found: dict[str, SetFile] = {}
    names = {name.lower(): name for known in KNOWN_FILES.values() for name in known}
    # Some systems pack a folder, and some of those beside it what only they can read.
    told = [file for file in files if "__MACOSX" not in PurePosixPath(file.name).parts]
    if len({PurePosixPath(file.name).parent for file in told}) > 1:
        raise RequestInvalidError("the files are not in one place", field="path")
    for file in told:
        path = PurePosixPath(file.name)
        stem = path.stem.lower()
        name = "manifest" if stem == "manifest" else names.get(stem)
        if name is None:
            raise RequestInvalidError("OneRoster has no such file", file=file.name)
        if found.setdefault(name, file) is not file:
            raise RequestInvalidError("two files are of one kind", file=file.name)
    return found


def _properties(manifest: SetFile) -> dict[str, str]:
    with opened(manifest) as text:
        rows = [row for row in csv.reader(text) if any(row)]
    if not rows or [cell.strip() for cell in rows[0]][:2] != ["propertyName", "value"]:
        raise RequestInvalidError("the manifest has no header", file=manifest.name, line="1")
    properties: dict[str, str] = {}
    for line, row in enumerate(rows[1:], start=2):
        name, value = (cell.strip() for cell in (*row, "", "")[:2])
        if name in properties:
            raise RequestInvalidError(
                "the manifest says a property twice", file=manifest.name, line=str(line)
            )
        properties[name] = value
    return properties


def _modes(properties: Mapping[str, str], version: str, present: set[str]) -> dict[str, str]:
    """The mode of each file that is there.

    Raises:
        RequestInvalidError: if manifest and files do not agree.
    """
    if properties.get("manifest.version") != "1.0":
        raise RequestInvalidError("the manifest is of no version known", field="manifest.version")
    said: dict[str, str] = {}
    for name, value in properties.items():
        entity = name.removeprefix("file.")
        known = name in _PROPERTIES or (name != entity and entity in KNOWN_FILES[version])
        if not known:
            raise RequestInvalidError("the manifest has a property that is unknown")
        if name in _PROPERTIES:
            continue
        if value.lower() not in _MODES:
            raise RequestInvalidError("a file is neither absent, bulk nor delta", field=name)
        said[entity] = value.lower()
    told = {entity for entity, mode in said.items() if mode != "absent"}
    for entity in sorted(present ^ told):
        reason = (
            "a file is there that the manifest does not tell of"
            if entity in present
            else "a file is missing that the manifest tells of"
        )
        raise RequestInvalidError(reason, file=f"{entity}.csv")
    return {entity: said[entity] for entity in told}


def _header(entity: str, cells: Sequence[str]) -> list[str]:
    known = {folded(name): name for name in COLUMNS[entity]}
    known |= {folded(wrong): right for wrong, right in ALIASES.items()}
    names = [known.get(folded(cell), cell.strip()) for cell in cells]
    while names and not names[-1]:
        names.pop()
    return names + [""] * (len(cells) - len(names))


def _is_unknown(entity: str, name: str) -> bool:
    if not name or name in COLUMNS[entity] or is_sensitive_name(name):
        return False
    return not name.startswith(_EXTENSIONS)
