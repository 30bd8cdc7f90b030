"""The file that a log is exported to, and how it is verified without asking anyone.

JSON lines. The first says which log it is and how many entries there are; then each entry with its
hash, in order, and after the entries that it covers each checkpoint with its cosignatures.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from homeroom.audit.checkpoint import read_checkpoint
from homeroom.audit.entry import AuditEntry
from homeroom.audit.note import is_key_name
from homeroom.audit.verifying import LogKeys, Verified, Verifier
from homeroom.errors import EvidenceInvalidError
from homeroom.merkle import HASH_BYTES

FORMAT = "homeroom-log/1"
_WRITE = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_BEFORE, _BETWEEN, _AFTER = b'{"entry":', b',"leaf":"', b'"}\n'
_LEAF = slice(-2 * HASH_BYTES - len(_AFTER), -len(_AFTER))
_ENTRY_END = _LEAF.start - len(_BETWEEN)
_CHECKPOINT = b'{"checkpoint":'
_KEY = re.compile(r"(?:[0-9a-f]{64})?")


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of an exported log.

    Attributes:
        origin: the name of the log.
        size: how many entries follow.
        checkpoint_key: the key that signed its checkpoints, as the exporter says; whoever verifies
            should know it from the registry.
    """

    origin: str
    size: int
    checkpoint_key: bytes

    def encode(self) -> bytes:
        """The line, without its end."""
        said = {
            "checkpoint_key": self.checkpoint_key.hex(),
            "format": FORMAT,
            "origin": self.origin,
            "size": self.size,
        }
        return _WRITE(said).encode()

    @classmethod
    def decode(cls, line: bytes) -> "Header":
        """Reads the line strictly.

        Raises:
            EvidenceInvalidError: if it is not the beginning of an exported log.
        """
        try:
            said = json.loads(line)
            size, key, origin = said["size"], said["checkpoint_key"], said["origin"]
            read = cls(origin, size, bytes.fromhex(key))
            right = is_key_name(origin) and type(size) is int and size >= 0
            right = right and _KEY.fullmatch(key) is not None and read.encode() == line
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            right = False
        if not right:
            raise EvidenceInvalidError("this is not the beginning of an exported log")
        return read


def export_lines(
    header: Header, entries: Iterable[tuple[AuditEntry, bytes]], notes: Iterable[str]
) -> Iterator[bytes]:
    """The lines of an exported log, each with its end.

    Args:
        header: what the first line says.
        entries: each with its leaf, in order.
        notes: the checkpoints, the smallest size first.
    """
    yield header.encode() + b"\n"
    waiting = iter(notes)
    note = next(waiting, None)
    for size, (entry, leaf) in enumerate(entries):
        while note is not None and read_checkpoint(note).size <= size:
            yield _checkpoint_line(note)
            note = next(waiting, None)
        yield entry_line(entry, leaf)
    while note is not None:
        yield _checkpoint_line(note)
        note = next(waiting, None)


def verify_export(lines: Iterable[bytes], keys: LogKeys, others: Sequence[str] = ()) -> Verified:
    """Verifies an exported log, line by line.

    Args:
        lines: of the file, each with its end.
        keys: the keys to verify by; without the log's own, that which the file names.
        others: checkpoints of the log that others have.

    Raises:
        EvidenceInvalidError: if it does not begin as an exported log.
    """
    left = iter(lines)
    header = Header.decode(next(left, b"").removesuffix(b"\n"))
    if keys.log is None and header.checkpoint_key:
        keys = LogKeys(header.checkpoint_key, keys.witnesses)
    verifier = Verifier(header.origin, keys)
    for note in others:
        verifier.checkpoint(note, in_place=False)
    for line in left:
        _take(verifier, line)
        if verifier.is_hopeless:
            return verifier.finish()
    return verifier.finish(header.size)


def _take(verifier: Verifier, line: bytes) -> None:
    if line.startswith(_CHECKPOINT):
        verifier.checkpoint(_note_of(line))
        return
    entry, hexed = line[len(_BEFORE) : _ENTRY_END], line[_LEAF]
    shaped = line.startswith(_BEFORE) and line.endswith(_AFTER)
    leaf = _leaf_of(hexed) if shaped and line[_ENTRY_END : _LEAF.start] == _BETWEEN else None
    if leaf is None:
        verifier.unreadable()
    else:
        verifier.entry(entry, leaf)


def _leaf_of(hexed: bytes) -> bytes | None:
    try:
        leaf = bytes.fromhex(hexed.decode())
    except ValueError:
        return None
    # Blanks and capitals would read as well, and then one hash could be written in two ways.
    return leaf if leaf.hex().encode() == hexed else None


def entry_line(entry: AuditEntry, leaf: bytes) -> bytes:
    """The line of an entry, with its end."""
    return b"".join((_BEFORE, entry.encode(), _BETWEEN, leaf.hex().encode(), _AFTER))


def _checkpoint_line(note: str) -> bytes:
    return _WRITE({"checkpoint": note}).encode() + b"\n"


def _note_of(line: bytes) -> str:
    """The note of a line; empty, and so no note, if the line is not written as one is."""
    try:
        note = json.loads(line)["checkpoint"]
        return note if _checkpoint_line(note) == line else ""
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
