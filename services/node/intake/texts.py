"""Reads the texts of files as they really are: their encoding, their headers, their padding.

Bytes that are no text become a lone surrogate, which the row rules refuse row by row.
"""

import codecs
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from services.node.intake.file_set import SetFile

_UNREADABLE = "homeroom.unreadable"
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def _as_a_surrogate(broken: UnicodeError) -> tuple[str, int]:
    if not isinstance(broken, UnicodeDecodeError):
        raise broken
    return "\udcff", broken.end


codecs.register_error(_UNREADABLE, _as_a_surrogate)


@contextmanager
def opened(
    file: SetFile, encoding: str = "utf-8", newline: str | None = ""
) -> Iterator[io.TextIOWrapper]:
    """A file as text; the mark at its start, where it has one, says how it is encoded.

    Args:
        file: the file.
        encoding: what it is in without such a mark.
        newline: as `open` has it.
    """
    with file.open() as raw:
        start = raw.read(3)
    known = next((name for mark, name in _BOMS.items() if start.startswith(mark)), encoding)
    with (
        file.open() as raw,
        io.TextIOWrapper(raw, encoding=known, errors=_UNREADABLE, newline=newline) as text,
    ):
        yield text


def folded(name: str) -> str:
    """A column's name without regard to case and blanks, as people change them in a table."""
    return "_".join(name.split()).casefold()


def without_padding(cells: list[str], columns: int) -> list[str]:
    """The cells of a line without the empty ones that stand beyond the header."""
    return cells if any(cells[columns:]) else cells[:columns]


def first_places(names: Sequence[str]) -> dict[str, int]:
    """The first place of each name, also of its folded form where no other name is that."""
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    for name, place in list(places.items()):
        places.setdefault(folded(name), place)
    return places
