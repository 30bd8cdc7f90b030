"""Looks for students' values where none may be: all that is written, but a holder's own records."""

import json
import re
import sqlite3
import unicodedata
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np

from tests.federation.records import CHILDREN
from tests.federation.records import secrets_of as values_of
from tests.federation.running import Federation

_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_TELLING_BYTES = 6
_TELLING_BASE64 = 8
"""Fewer characters of base64 stand in keys and digests by chance."""

PART_BYTES = 1 << 20
_GRAM_BYTES = 4
_HASH_BITS = 20
_SPREAD, _SHIFT = np.uint32(2_654_435_761), np.uint32(32 - _HASH_BITS)

_PAGE_SECONDS = 60
_HOLDERS_OWN = re.compile(r"(records|state)\.db.*")
_INTAKE = "_records"


def secrets_of(federation: Federation) -> Sequence[str]:
    """Every value that may stand only at its district, and at whom it is released to."""
    return [
        *dict.fromkeys(values_of(CHILDREN)),
        *federation.codes.values(),
        *(consent.subject_ref for consent in federation.consents.values()),
    ]


def places_of(folder: Path) -> Iterator[Path]:
    """The files in which no student's value may stand.

    That is every file under the folder of a federation, write-ahead logs included, but a node's
    own databases and the exports that a district imports from.
    """
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(folder).parts
        imported = any(part.endswith(_INTAKE) for part in within)
        if path.is_file() and not imported and not _HOLDERS_OWN.fullmatch(path.name):
            yield path


def audit_logs(folder: Path) -> Iterator[tuple[str, bytes]]:
    """What every node's log says: it stands beside students, and names none."""
    for state in sorted(folder.glob("*/state.db")):
        with closing(sqlite3.connect(state)) as connection:
            rows = connection.execute("SELECT * FROM log_entry").fetchall()
        yield f"{state.parent.name}'s log", repr(rows).encode()


def leaks_in(folder: Path, secrets: Sequence[str]) -> list[tuple[str, str]]:
    """Where a value stands that may not stand there."""
    written = ((str(path.relative_to(folder)), path.read_bytes()) for path in places_of(folder))
    contents: Iterable[tuple[str, bytes]] = [*written, *audit_logs(folder)]
    return [(name, one) for name, content in contents for one in found_in(content, secrets)]


def pages_of(federation: Federation) -> Iterator[tuple[str, bytes]]:
    """What every process that runs tells Prometheus."""
    running = federation.processes.process_ids().keys() & federation.layout.processes.keys()
    for name in sorted(running):
        plan = federation.layout.processes[name]
        (address,) = (
            value for key, value in plan.environment.items() if key.endswith("_METRICS_ADDRESS")
        )
        yield name, page_at(address)


def page_at(address: str) -> bytes:
    """The page that a process serves there."""
    with urlopen(f"http://{address}/metrics", timeout=_PAGE_SECONDS) as page:
        content: bytes = page.read()
        return content


def require_no_leak(federation: Federation) -> None:
    """Looks through every byte of these places, and of the pages of what runs."""
    secrets = secrets_of(federation)
    assert leaks_in(federation.layout.folder, secrets) == []
    pages = pages_of(federation)
    assert [(name, one) for name, page in pages for one in found_in(page, secrets)] == []


def found_in(content: bytes, secrets: Sequence[str]) -> list[str]:
    """The secrets that stand in some bytes, in any form that programs write texts in."""
    sought = _sought_of(tuple(secrets))
    found = {secret for part in sought.parts_of(content) for secret in sought.found_in(part)}
    return [secret for secret in secrets if secret in found]


class _Sought:
    """All forms of some secrets, sought together.

    There are thousands. A part of the content is cut into every four bytes that follow each other
    in it, once; only a form whose every four are among them is looked for byte by byte.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        forms = [(form, one) for one in dict.fromkeys(secrets) for form in forms_of(one)]
        self._forms = [pair for pair in forms if len(pair[0]) >= _GRAM_BYTES]
        self._short = [pair for pair in forms if len(pair[0]) < _GRAM_BYTES]
        self._longest = max((len(form) for form, _ in forms), default=0)
        grams = [np.concatenate(list(_hashes_in(form))) for form, _ in self._forms]
        self._grams = np.concatenate([np.empty(0, np.uint32), *grams])
        self._starts = np.cumsum([0, *map(len, grams)])[:-1]

    def parts_of(self, content: bytes) -> Iterator[bytes]:
        """The content in parts, each of which has the beginning of the next one at its end."""
        for start in range(0, max(1, len(content)), PART_BYTES):
            yield content[start : start + PART_BYTES + self._longest]

    def found_in(self, part: bytes) -> Iterator[str]:
        """The secrets in one part."""
        yield from (secret for form, secret in self._short if form in part)
        if not self._forms:
            return
        whole = np.logical_and.reduceat(_grams_in(part)[self._grams], self._starts)
        for number in np.flatnonzero(whole):
            form, secret = self._forms[number]
            if form in part:
                yield secret


@cache
def _sought_of(secrets: tuple[str, ...]) -> _Sought:
    return _Sought(secrets)


def _grams_in(content: bytes) -> Any:
    """Which hashes of four bytes in a row there are: true at the place of each."""
    there = np.zeros(1 << _HASH_BITS, np.bool_)
    for hashes in _hashes_in(content):
        there[hashes] = True
    return there


def _hashes_in(content: bytes) -> Iterator[Any]:
    """The hashes of every four bytes in a row, those that begin at each fourth place at once."""
    for start in range(min(_GRAM_BYTES, len(content) - _GRAM_BYTES + 1)):
        count = (len(content) - start) // _GRAM_BYTES
        yield np.frombuffer(content, "<u4", count, start) * _SPREAD >> _SHIFT


@cache
def forms_of(secret: str) -> frozenset[bytes]:
    """A value as it may be written: other letters, other encodings, other ways to write a day.

    A short name without its accents is shorter still: then it stands in digests by chance.
    """
    forms = (form for text in _texts(secret) for form in _encoded(text))
    return frozenset(
        form for form in forms if len(form) >= _TELLING_BYTES or form == secret.encode()
    )


def _texts(secret: str) -> Iterator[str]:
    plain = unicodedata.normalize("NFKD", secret)
    yield from (secret, secret.lower(), secret.upper())
    yield from (unicodedata.normalize(form, secret) for form in ("NFC", "NFD"))
    without = "".join(c for c in plain if not unicodedata.combining(c))
    yield from (without, without.lower(), without.upper())
    if day := _DAY.fullmatch(secret):
        year, month, of_month = day.groups()
        yield f"{month}/{of_month}/{year}"
        yield f"{int(month)}/{int(of_month)}/{year}"
        yield f"{year}/{month}/{of_month}"
        yield f"{of_month}.{month}.{year}"
        yield f"datetime.date({year}, {int(month)}, {int(of_month)})"


def _encoded(text: str) -> Iterator[bytes]:
    content = text.encode()
    yield content
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")
    yield text.encode("unicode_escape")
    yield json.dumps(text)[1:-1].encode()
    yield "".join(f"\\u{ord(c):04x}" for c in text).encode()
    yield "".join(f"\\{byte:03o}" if byte > 126 else chr(byte) for byte in content).encode()
    yield repr(content)[2:-1].encode()
    yield content.hex().encode()
    yield content.hex().upper().encode()
    yield quote(text, safe="").encode()
    yield quote(text, safe="").lower().encode()
    yield from _base64(content)


def _base64(content: bytes) -> Iterator[bytes]:
    """What stays the same of it, whatever stands before and after."""
    for before in range(3):
        whole = len(content) + before
        first = -(-before * 4 // 3)
        last = whole * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            stable = encode(b"\x00" * before + content)[first:last]
            if len(stable) >= _TELLING_BASE64:
                yield stable
