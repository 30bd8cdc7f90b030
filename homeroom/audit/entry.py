"""One entry of a log: its exact bytes, and its hash in the tree over all of them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homeroom.errors import EvidenceInvalidError
from homeroom.merkle import leaf_hash

SALT_BYTES = 16
_ENTRY = re.compile(
    rb'\{"at":(-?(?:0|[1-9][0-9]*)),"content":(\{.*\}),"index":(0|[1-9][0-9]*),'
    rb'"kind":"([a-z_]+)","query_digest":"([0-9a-f]{64})","salt":"([0-9a-f]{32})"\}'
)
_WRITE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_WRONG = "an entry of the log is not written as entries are"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry; the one at index n is the n-th leaf of the tree, counted from 0.

    Attributes:
        at: whole seconds since 1970 in UTC.
        kind: a word of `AuditKind`, or one that a later version knows.
        query_digest: hexadecimal; of the query or the act that it is about.
        salt: random, so that nobody guesses an entry of few words from its hash.
        content: what it says, as `encode_content` writes it.
    """

    index: int
    at: int
    kind: str
    query_digest: str
    salt: bytes
    content: str

    def encode(self) -> bytes:
        """The entry's exact bytes: JSON with sorted keys, no blanks, only ASCII."""
        # Written out: the content is JSON already, and the rest are numbers and plain words.
        return (
            f'{{"at":{self.at},"content":{self.content},"index":{self.index},"kind":"{self.kind}",'
            f'"query_digest":"{self.query_digest}","salt":"{self.salt.hex()}"}}'
        ).encode()

    def leaf(self) -> bytes:
        """The entry's hash in the tree."""
        return leaf_hash(self.encode())

    @property
    def said(self) -> Mapping[str, Any]:
        """What it says, as a mapping."""
        said: Mapping[str, Any] = json.loads(self.content)
        return said

    @classmethod
    def decode(cls, entry: bytes) -> "AuditEntry":
        """Reads an entry's bytes strictly.

        Raises:
            EvidenceInvalidError: if they are not exactly what one entry is written as.
        """
        at, content, index, kind, query_digest, salt = (
            part.decode() for part in _parts(entry).groups()
        )
        try:
            written = encode_content(json.loads(content))
        except (ValueError, RecursionError):
            raise EvidenceInvalidError(_WRONG) from None
        if written != content:
            raise EvidenceInvalidError(_WRONG)
        return cls(int(index), int(at), kind, query_digest, bytes.fromhex(salt), content)


@dataclass(frozen=True, slots=True)
class Position:
    """Where an entry stands.

    Attributes:
        digest: hexadecimal; the entry's hash in the tree over the log.
    """

    log_index: int
    digest: str


def place_of(entry: bytes) -> tuple[int, bytes]:
    """The index of an entry, and what stands in a log once: its kind and query digest.

    Of its content it looks at nothing: much quicker than to decode an entry whose hash is known.

    Raises:
        EvidenceInvalidError: if what is around the content is not written as in an entry.
    """
    found = _parts(entry)
    return int(found[3]), found[4] + found[5]


def encode_content(content: Mapping[str, Any]) -> str:
    """The one way to write an entry's content: JSON with sorted keys, no blanks, only ASCII."""
    return _WRITE.encode(content)


def _parts(entry: bytes) -> re.Match[bytes]:
    found = _ENTRY.fullmatch(entry)
    if found is None or not entry.isascii():
        raise EvidenceInvalidError(_WRONG)
    return found
