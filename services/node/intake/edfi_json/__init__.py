"""Reads Ed-Fi JSON: lines of objects or whole arrays, one resource a file or folder.

`students.jsonl`, `schools/1.jsonl` and `Enrollment_Students.txt` are all read: the name of the
file, or of its folder, says what its objects are.
"""

import json
import re
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from homeroom.errors import RequestInvalidError
from services.node.domain.intake import Piece, SourceMemory
from services.node.domain.intake_report import Rejection
from services.node.intake.edfi import EdFiSource, FileItem
from services.node.intake.edfi_json.composites import parts_of
from services.node.intake.edfi_json.objects import ItemMaker, resource_of
from services.node.intake.file_set import FileSet, SetFile
from services.node.intake.texts import opened

__all__ = ["EdFiJson"]

_BLANK = re.compile(r"\s*")
_SUFFIXES = (".jsonl", ".ndjson", ".json", ".txt")


class EdFiJson(EdFiSource):
    """The rows of a set of JSON files."""

    def __init__(self, path: Path, *, bulk: bool = False) -> None:
        super().__init__(bulk=bulk)
        self._files = list(FileSet(path, *_SUFFIXES))
        self._broken: list[Rejection] = []

    def items(self, wanted: Container[str], *, first: bool) -> Iterator[FileItem]:
        # Both passes meet the same values; they are counted once.
        maker = ItemMaker(self.dropped if first else Counter())
        for file in self._files:
            resource = _resource(file.name)
            for line, value in _objects(file):
                if not isinstance(value, dict):
                    if first:
                        self._broken.append(_broken(resource, file.name, line))
                    continue
                for item in parts_of(maker.item(resource, value, line)):
                    if item.name in wanted:
                        yield file.name, item
                    elif not first:
                        self.skipped[item.name] += 1

    def rows(self, memory: SourceMemory) -> Iterator[Piece]:
        yield from super().rows(memory)
        yield from self._broken


def _resource(name: str) -> str:
    """What a file's objects are; a file that is only a number is one part of its folder."""
    path = PurePosixPath(name)
    parent = path.parent.name
    return resource_of(parent if path.stem.isdecimal() and parent else path.stem)


def _broken(resource: str, file: str, line: int) -> Rejection:
    return Rejection(resource, file, line, "", "is no JSON object", "other text")


def _objects(file: SetFile) -> Iterator[tuple[int, Any]]:
    """The objects of a file with their lines; None where a line is none.

    Numbers stay texts: an id is no number.
    """
    with opened(file, newline=None) as text:
        start = text.read(1)
        while start.isspace():
            start = text.read(1)
        if start == "[":
            yield from _array(start + text.read(), file.name)
            return
        first = start + text.readline()
        if start == "{" and _value(first) is None and (values := _spread(first + text.read())):
            yield from enumerate(values, start=1)
            return
    yield from _lines(file)


def _lines(file: SetFile) -> Iterator[tuple[int, Any]]:
    with opened(file, newline=None) as text:
        for line, said in enumerate(text, start=1):
            if said.strip():
                yield line, _value(said)


def _spread(text: str) -> list[Any]:
    """The objects of a file that are written over several lines each; none if that is not so."""
    decoder = json.JSONDecoder(parse_int=str, parse_float=str)
    values, at = [], 0
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            blank = _BLANK.match(text, at)
            at = blank.end() if blank else at
    except (ValueError, RecursionError):
        return []
    return values


def _array(whole: str, file: str) -> Iterator[tuple[int, Any]]:
    try:
        values = json.loads(whole, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise RequestInvalidError("a file is no JSON", file=file) from None
    yield from enumerate(values, start=1)


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
