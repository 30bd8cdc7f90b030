"""Looks for students' values where none may be: logs, the hub's databases, the gateway's folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.local.layout import HUB
from tests.federation.records import CHILDREN
from tests.federation.records import secrets_of as values_of
from tests.federation.running import Federation


def secrets_of(federation: Federation) -> Sequence[str]:
    """Every value that may stand only at its district, and at whom it is released to."""
    return [
        *dict.fromkeys(values_of(CHILDREN)),
        *federation.codes.values(),
        *(consent.subject_ref for consent in federation.consents.values()),
    ]


def places_of(federation: Federation) -> Iterator[Path]:
    """The files in which no student's value may stand."""
    folder = federation.layout.folder
    for place in (folder / "logs", folder / HUB, folder / "authority"):
        yield from (path for path in place.rglob("*") if path.is_file())


def require_no_leak(federation: Federation) -> None:
    """Looks through every byte of these files, write-ahead logs included."""
    found = [
        (path.name, secret)
        for path in places_of(federation)
        for secret in found_in(path.read_bytes(), secrets_of(federation))
    ]
    assert found == []


def found_in(content: bytes, secrets: Sequence[str]) -> list[str]:
    """The secrets that stand in some bytes, plainly or as JSON and Python escape them."""
    return [secret for secret in secrets if any(form in content for form in _forms(secret))]


def _forms(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    yield secret.encode("unicode_escape")
    yield secret.encode("utf-16-le")
    yield secret.encode().hex().encode()
